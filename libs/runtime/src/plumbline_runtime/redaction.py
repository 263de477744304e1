"""Keeping secrets and personal data out of the logs (design 12)."""

import re
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any, Final

from plumbline_runtime.error_words import describe

REDACTED: Final = "[redacted]"

_SECRET_NAMES: Final = re.compile(
    r"(secret|token|password|passwd|authorization|api_?key|cookie|credential|signature"
    r"|database_url|^body$|^headers$|^payload$)",
    re.IGNORECASE,
)
_HARMLESS_NAMES: Final = frozenset({"event", "level", "ts", "service", "version", "tokens_left"})

_MARKS: Final = (
    "@", "://", "sk_", "rk_", "pk_", "ek_", "whsec_", "ghs_", "ghp_", "seti_", "pat-", "bearer",
    "basic", "eyj", "passw", "_token", "client_secret", "api_key", "apikey", "hapikey",
    "plumbline_keys",
)  # fmt: skip
"""Without one of these, in small letters, no pattern below can match: most lines end here."""
_CACHED_CHARACTERS: Final = 64

_PATTERNS: Final = (
    # Stripe: secret, restricted and publishable keys; webhook and account-link secrets.
    (re.compile(r"\b(?:sk|rk|pk|ek)_(?:live|test)_[A-Za-z0-9_]+"), REDACTED),
    (re.compile(r"\b(?:sk|rk|whsec|ghs|ghp|seti)_[A-Za-z0-9+/=_-]{4,}"), REDACTED),
    # HubSpot private apps; anything that came after an authentication scheme.
    (re.compile(r"\bpat-[A-Za-z0-9]{2,4}-[A-Za-z0-9-]+", re.IGNORECASE), REDACTED),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+", re.IGNORECASE), rf"\1 {REDACTED}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"), REDACTED),
    # Addresses with a password, and the key=value forms of queries and connection strings.
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@/]+@", re.IGNORECASE), rf"\1:{REDACTED}@"),
    (
        re.compile(
            r"\b(password|passwd|access_token|refresh_token|client_secret|api_?key|hapikey)"
            r"(\s*[=:]\s*)(['\"]?)[^\s'\"&,;]+",
            re.IGNORECASE,
        ),
        rf"\1\2\3{REDACTED}",
    ),
    (re.compile(r"\b(PLUMBLINE_KEYS\s*[=:]\s*)\S+"), rf"\1{REDACTED}"),
    (re.compile(r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"), "[address]"),
)


def redact_text(text: str) -> str:
    """Replace whatever looks like a secret or an e-mail address."""
    return _redact_known(text) if len(text) <= _CACHED_CHARACTERS else _redact(text)


def _redact(text: str) -> str:
    small = text.lower()
    if not any(mark in small for mark in _MARKS):
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


_redact_known: Final = lru_cache(maxsize=2048)(_redact)
"""Topics, groups, services and results come again in every line."""


def redact_value(value: Any) -> Any:  # noqa: PLR0911 - a case per type
    """Redact a log field, whatever its type, with everything inside it."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()  # the names say what is secret in it
    match value:
        case str():
            return redact_text(value)
        case bytes() | bytearray() | memoryview():
            return f"[{len(value)} bytes]"
        case None | bool() | int() | float():
            return value
        case BaseException():
            return redact_text(describe(value))
        case dict():
            return {str(key): redact_field(str(key), item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [redact_value(item) for item in value]
        case _:
            return redact_text(str(value))


def redact_field(name: str, value: Any) -> Any:
    """Redact a named log field: some names never carry anything printable."""
    if value is not None and _names_a_secret(name):
        return REDACTED
    return redact_value(value)


@lru_cache(maxsize=1024)
def _names_a_secret(name: str) -> bool:
    return name not in _HARMLESS_NAMES and _SECRET_NAMES.search(name) is not None


def redact_event(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The structlog processor; stands after the one that renders exceptions."""
    return {name: redact_field(name, value) for name, value in event.items()}
