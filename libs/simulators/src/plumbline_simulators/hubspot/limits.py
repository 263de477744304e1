"""Tokens and rate limits: per 10 seconds, per day, and search's own per second."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from plumbline_simulators.hubspot.errors import HubSpotError


@dataclass
class Limits:
    """Real time, as the vendor counts it. `retry_after` is sent only when set."""

    per_10_seconds: int = 190
    per_day: int = 650_000
    search_per_second: int = 5
    retry_after: float | None = None
    monotonic: Callable[[], float] = time.monotonic
    used_today: int = 0
    _calls: deque[float] = field(default_factory=deque)
    _searches: deque[float] = field(default_factory=deque)

    def take(self, *, search: bool) -> dict[str, str]:
        """Count one call; returns the rate headers, or raises the vendor's 429."""
        now = self.monotonic()
        _drop(self._calls, now - 10)
        _drop(self._searches, now - 1)
        if self.used_today >= self.per_day:
            raise self._refusal("You have reached your daily limit.", "DAILY")
        if search and len(self._searches) >= self.search_per_second:
            raise self._refusal("You have reached your secondly limit.", "SECONDLY")
        if len(self._calls) >= self.per_10_seconds:
            message = "You have reached your ten_secondly_rolling limit."
            raise self._refusal(message, "TEN_SECONDLY_ROLLING")
        self.used_today += 1
        self._calls.append(now)
        if search:
            self._searches.append(now)
            return {}
        return self._headers()

    def _headers(self) -> dict[str, str]:
        left = max(0, self.per_10_seconds - len(self._calls))
        return {
            "X-HubSpot-RateLimit-Max": str(self.per_10_seconds),
            "X-HubSpot-RateLimit-Remaining": str(left),
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
            "X-HubSpot-RateLimit-Daily": str(self.per_day),
            "X-HubSpot-RateLimit-Daily-Remaining": str(max(0, self.per_day - self.used_today)),
        }

    def _refusal(self, message: str, policy: str) -> HubSpotError:
        headers = self._headers()
        if self.retry_after is not None:
            headers["Retry-After"] = f"{self.retry_after:g}"
        return HubSpotError(
            429, "RATE_LIMITS", message, headers=headers, errorType="RATE_LIMIT", policyName=policy
        )


def _drop(moments: deque[float], before: float) -> None:
    while moments and moments[0] <= before:
        moments.popleft()


@dataclass
class Tokens:
    """Static tokens, and those that a refresh token was exchanged for."""

    static: set[str]
    refresh: set[str] = field(default_factory=set)
    lifetime_seconds: float = 1800.0
    monotonic: Callable[[], float] = time.monotonic
    scopes_missing: set[str] = field(default_factory=set)
    """Path words (companies, properties, ...) that answer 403."""
    _issued: dict[str, float] = field(default_factory=dict)
    _count: int = 0

    def check(self, authorization: str | None, path: str) -> None:
        """Raise 401 for a bad token, 403 for a missing scope."""
        scheme, _, token = (authorization or "").partition(" ")
        live = self._issued.get(token, 0.0) > self.monotonic()
        if scheme.lower() != "bearer" or not (token in self.static or live):
            message = "Authentication credentials not found or no longer valid."
            raise HubSpotError(401, "INVALID_AUTHENTICATION", message)
        for word in self.scopes_missing:
            if f"/{word}" in path:
                message = "This app hasn't been granted all required scopes to make this call."
                raise HubSpotError(403, "MISSING_SCOPES", message)

    def exchange(self, refresh_token: str) -> str | None:
        """A new access token, or None for an unknown refresh token."""
        if refresh_token not in self.refresh:
            return None
        self._count += 1
        token = f"oauth-access-{self._count}"
        self._issued[token] = self.monotonic() + self.lifetime_seconds
        return token

    def revoke(self, token: str) -> None:
        """Forget a token of any kind."""
        self.static.discard(token)
        self.refresh.discard(token)
        self._issued.pop(token, None)
