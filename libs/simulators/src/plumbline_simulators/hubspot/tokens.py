"""Which bearer tokens open the API, and what refresh tokens are exchanged for."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from plumbline_simulators.hubspot.errors import HubSpotError

_LACKING = (
    "This app hasn't been granted all required scopes to make this call. "
    "Read more about required scopes here: https://developers.hubspot.com/scopes."
)
_CALL = re.compile(
    r"/crm/(?:v3/)?(?P<part>objects|properties)/(?:\d{4}-\d\d/)?(?P<type>[\w-]+)(?P<rest>.*)"
)
_AREAS = {"objects": "objects", "properties": "schemas"}


def scope_of(method: str, path: str) -> str | None:
    """The scope a call takes; None where the simulator knows of none."""
    call = _CALL.fullmatch(path)
    if call is None:
        return None
    reads = method == "GET" or call["rest"].endswith(("/batch/read", "/search"))
    return f"crm.{_AREAS[call['part']]}.{call['type']}.{'read' if reads else 'write'}"


def _named(scope: str | None) -> dict[str, Any]:
    if scope is None:
        return {}
    message = "One or more of the following scopes are required."
    return {"errors": [{"message": message, "context": {"requiredGranularScopes": [scope]}}]}


@dataclass
class Tokens:
    """Static tokens, and those that a refresh token was exchanged for. Lifetimes are real time."""

    static: set[str]
    refresh: set[str] = field(default_factory=set)
    lifetime_seconds: float = 1800.0
    monotonic: Callable[[], float] = time.monotonic
    scopes_missing: set[str] = field(default_factory=set)
    """Scopes (`crm.objects.contacts.write`) or path words (companies, properties, ...) that answer
    403."""
    _issued: dict[str, float] = field(default_factory=dict)
    _count: int = 0

    def check(self, authorization: str | None, method: str, path: str) -> bool:
        """Whether the token is a static one; raises 401 for a bad token, 403 without a scope."""
        scheme, _, token = (authorization or "").partition(" ")
        bearer = scheme.lower() == "bearer"
        if bearer and token in self._issued and self.seconds_left(token) <= 0:
            message = "The OAuth token used to make this call expired."
            raise HubSpotError(401, "EXPIRED_AUTHENTICATION", message)
        if not bearer or not (token in self.static or token in self._issued):
            message = "Authentication credentials not found or no longer valid."
            raise HubSpotError(401, "INVALID_AUTHENTICATION", message)
        scope = scope_of(method, path)
        if scope in self.scopes_missing or any(f"/{word}" in path for word in self.scopes_missing):
            raise HubSpotError(403, "MISSING_SCOPES", _LACKING, **_named(scope))
        return token in self.static

    def seconds_left(self, token: str) -> float:
        """Of an issued token; 0 for an unknown one."""
        return max(0.0, self._issued.get(token, 0.0) - self.monotonic())

    def exchange(self, refresh_token: str) -> str | None:
        """A new access token, or None for an unknown refresh token."""
        if refresh_token not in self.refresh:
            return None
        self._count += 1
        token = f"oauth-access-{self._count}"
        self._issued[token] = self.monotonic() + self.lifetime_seconds
        return token

    def expire(self) -> None:
        """End the life of every issued token now."""
        self._issued = dict.fromkeys(self._issued, 0.0)

    def revoke(self, token: str) -> None:
        """Forget a token of any kind."""
        self.static.discard(token)
        self.refresh.discard(token)
        self._issued.pop(token, None)
