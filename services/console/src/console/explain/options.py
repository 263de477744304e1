"""The options of `mrr explain`, each wrong one a usage error that says what was wrong."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from plumbline_domain.ecb import EcbError, parse_ecb
from plumbline_domain.policies import POLICIES, Policy, policy_of
from plumbline_domain.rates import NO_RATES, Rates
from plumbline_runtime.config_checks import CURRENCIES

from console.explain.trouble import UsageError

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d.*")


def read_time(text: str | None) -> datetime:
    """ISO 8601 with its zone; now when it is not given."""
    if text is None:
        return datetime.now(UTC)
    expected = "expected ISO 8601 with its zone, such as 2026-11-20T12:00:00Z"
    if not _TIME.fullmatch(text):
        raise UsageError(f"--at: found {text!r}, {expected}")
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--at: found {text!r} ({error}), {expected}") from None
    if at.tzinfo is None:
        raise UsageError(f"--at: found {text!r}, which has no zone, {expected}")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise UsageError(f"--at: found {text!r}, which is out of range, {expected}") from None


def read_currency(text: str | None) -> str | None:
    """An ISO 4217 code in either case, in lower case."""
    if text is None:
        return None
    if text.lower() not in CURRENCIES:
        raise UsageError(f"--currency: found {text!r}, expected an ISO 4217 code such as EUR")
    return text.lower()


def read_rates(file: Path | None) -> Rates:
    """The European Central Bank's CSV."""
    if file is None:
        return NO_RATES
    try:
        return Rates.of(parse_ecb(file.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise UsageError(f"--rates: {file} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"--rates: {file} is not text in UTF-8") from None
    except EcbError as error:
        raise UsageError(f"--rates: {file}: {error}") from None


def read_policy(name: str | None, config: Path | None) -> Policy:
    """The named preset; else `policies.mrr` of the configuration that was named; else plumbline."""
    if name is not None:
        if name not in POLICIES:
            raise UsageError(f"--policy: found {name!r}, expected one of {', '.join(POLICIES)}")
        return POLICIES[name]
    return POLICIES["plumbline"] if config is None else _configured(config)


def _configured(config: Path) -> Policy:
    """The policy of the workspaces of the file; they must agree, for a file names no workspace."""
    from plumbline_runtime.config_files import read_documents

    found: dict[str, Policy] = {}
    for document in read_documents(config):
        section = document.content.get("policies", {})
        if not isinstance(section, dict):
            raise UsageError(f"--config: {document.file}: policies: expected a table [policies]")
        if "workspace" in document.content or "policies" in document.content:
            found[str(document.file)] = _policy(section.get("mrr", "plumbline"), document.file)
    policies = list(found.values())
    if not policies:
        return POLICIES["plumbline"]
    if any(policy != policies[0] for policy in policies):
        raise UsageError(
            f"--config: {config}: workspaces differ in policies.mrr ({', '.join(found)}); "
            "name one file, or --policy"
        )
    return policies[0]


def _policy(value: str | Mapping[str, Any] | object, file: object) -> Policy:
    if isinstance(value, str):
        if value in POLICIES:
            return POLICIES[value]
        raise UsageError(
            f"--config: {file}: policies.mrr: found {value!r}, expected one of "
            f"{', '.join(POLICIES)} or a table of switches"
        )
    if not isinstance(value, dict):
        raise UsageError(f"--config: {file}: policies.mrr: expected a name or a table of switches")
    try:
        return policy_of(value)
    except ValueError as error:
        raise UsageError(f"--config: {file}: policies.mrr: {error}") from None
