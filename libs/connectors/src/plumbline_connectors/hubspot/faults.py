"""HubSpot's error answers (vendors 2.6, 2.7)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from plumbline_schemas.errors import MissingScopes, Retryable, Unauthorized, VendorError

from plumbline_connectors.http import (
    Answer,
    error_body,
    error_message,
    judge_generic,
    retry_after,
)

PROPERTY_MISSING: Final = "PROPERTY_DOESNT_EXIST"
"""A write names a property that the account doesn't have (any more)."""

MISSING_SCOPES: Final = "MISSING_SCOPES"
"""What the token may not do; other calls may go on."""

_SCOPE_LISTS: Final = ("requiredGranularScopes", "missingScopes", "requiredScopes")
"""Where an error names them, the finest first; any one of a list will do."""
_CALLED: Final = re.compile(
    r" (?P<method>[A-Z]+) /crm/(?:v3/)?(?P<part>objects|properties)/(?:\d{4}-\d\d/)?"
    r"(?P<type>[a-z]+)(?P<rest>\S*)"
)
_READING: Final = ("/batch/read", "/search")
_SECONDLY_SECONDS: Final = 1.0
_LOCKED_SECONDS: Final = 2.0
_MIGRATION_SECONDS: Final = 30.0


def judge_hubspot(answer: Answer) -> VendorError:
    """Word an error of HubSpot's; the wait it asks for, or the one its policy implies."""
    message, where, status = error_message(answer), answer.where, answer.status
    asked = retry_after(answer)
    if status == 429:
        return _over_limit(answer)
    if status == 403:
        return _forbidden(answer)
    if status == 423:
        wait = max(asked or 0.0, _LOCKED_SECONDS)
        return Retryable(message, where=where, status=status, retry_after=wait)
    if status == 477:  # the account is being moved to another data centre
        wait = _MIGRATION_SECONDS if asked is None else asked
        return Retryable(message, where=where, status=status, retry_after=wait)
    return judge_generic(answer)


def _forbidden(answer: Answer) -> VendorError:
    """A scope that the token lacks is named; any other refusal is the connection's."""
    body = error_body(answer)
    named = _scopes(body)
    if not named and category(body) != MISSING_SCOPES:
        return judge_generic(answer)
    scopes = named or _scopes_of_call(answer.where)
    return MissingScopes(
        error_message(answer), where=answer.where, status=answer.status, scopes=scopes
    )


def judge_token(answer: Answer) -> VendorError:
    """Word an error of the token endpoint: a refused grant is a refused connection."""
    if answer.status in {400, 401, 403}:
        return Unauthorized(error_message(answer), where=answer.where, status=answer.status)
    return judge_hubspot(answer)


def category(body: Mapping[str, Any]) -> str | None:
    """HubSpot's word for an error, of a body or of one of its `errors`.

    PROPERTY_MISSING stands before the others: what it tells of can be mended.
    """
    if _names_missing_property(body):
        return PROPERTY_MISSING
    found = body.get("category") or body.get("code")
    return found if isinstance(found, str) else None


def _scopes(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The scopes an error names; it may name none."""
    contexts = [
        part["context"] for part in _parts(body) if isinstance(part.get("context"), Mapping)
    ]
    for name in _SCOPE_LISTS:
        held = [scope for one in contexts for scope in _texts(one.get(name))]
        if held:
            return tuple(dict.fromkeys(held))
    return ()


def _parts(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    details = body.get("errors")
    yield body
    yield from (
        one for one in (details if isinstance(details, list) else []) if isinstance(one, Mapping)
    )


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _scopes_of_call(where: str) -> tuple[str, ...]:
    """The scope that the call takes by HubSpot's rule of naming them."""
    called = _CALLED.search(where)
    if called is None:
        return ()
    reads = called["method"] == "GET" or called["rest"].endswith(_READING)
    area = "objects" if called["part"] == "objects" else "schemas"
    return (f"crm.{area}.{called['type']}.{'read' if reads else 'write'}",)


def _names_missing_property(body: Mapping[str, Any]) -> bool:
    """By the code of a detail, or in the message, where v3 puts the details as JSON text."""
    codes = [part.get("code") for part in _parts(body)]
    return PROPERTY_MISSING in codes or PROPERTY_MISSING in str(body.get("message", ""))


def _over_limit(answer: Answer) -> VendorError:
    """A 429: without `Retry-After` the budget chooses the wait, but for search's own limit."""
    body = error_body(answer)
    policy, said = str(body.get("policyName", "")).upper(), str(body.get("message", "")).lower()
    wait = retry_after(answer)
    # The client of HubSpot's own tells search's limit by this text; "ten_secondly" holds it too.
    if wait is None and (policy == "SECONDLY" or (not policy and " secondly" in said)):
        wait = _SECONDLY_SECONDS
    return Retryable(
        error_message(answer),
        where=answer.where,
        status=answer.status,
        retry_after=wait,
        rate_limited=True,
        daily="DAILY" in policy or (not policy and "daily" in said),
    )


def daily_quota(headers: Mapping[str, str]) -> tuple[int, int] | None:
    """The account's calls a day and those left, where the answer tells: not to OAuth apps."""
    quota = headers.get("x-hubspot-ratelimit-daily", "")
    left = headers.get("x-hubspot-ratelimit-daily-remaining", "")
    if not (quota.isdecimal() and left.isdecimal()):
        return None
    return int(quota), int(left)
