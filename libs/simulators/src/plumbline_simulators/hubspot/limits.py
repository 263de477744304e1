"""Rate limits: per 10 seconds, per day, and search's own per second (vendors 2.6)."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from plumbline_simulators.hubspot.errors import RateLimitError


def _utc_date() -> date:
    return datetime.now(UTC).date()


@dataclass
class Limits:
    """Seconds are real, as the vendor counts them; `today` ends the day of the daily limit.

    `retry_after` is sent only when set.
    """

    per_10_seconds: int = 190
    per_day: int = 650_000
    search_per_second: int = 5
    retry_after: float | None = None
    monotonic: Callable[[], float] = time.monotonic
    today: Callable[[], date] = _utc_date
    used_today: int = 0
    _day: date | None = None
    _calls: deque[float] = field(default_factory=deque)
    _searches: deque[float] = field(default_factory=deque)

    def take(self, *, search: bool, daily: bool = True) -> dict[str, str]:
        """Count one call; returns the rate headers, or raises the vendor's 429.

        Searches answer without rate headers. Calls of OAuth apps (`daily` False) have no daily
        limit.
        """
        now = self.monotonic()
        self._begin_day()
        _drop(self._calls, now - 10)
        _drop(self._searches, now - 1)
        if daily and self.used_today >= self.per_day:
            raise self._refusal("You have reached your daily limit.", "DAILY", self._headers(daily))
        if search and len(self._searches) >= self.search_per_second:
            raise self._refusal("You have reached your secondly limit.", "SECONDLY", {})
        if len(self._calls) >= self.per_10_seconds:
            message = "You have reached your ten_secondly_rolling limit."
            raise self._refusal(message, "TEN_SECONDLY_ROLLING", self._headers(daily))
        self.used_today += daily
        self._calls.append(now)
        if search:
            self._searches.append(now)
            return {}
        return self._headers(daily)

    def _begin_day(self) -> None:
        today = self.today()
        if self._day is not None and today != self._day:
            self.used_today = 0
        self._day = today

    def _headers(self, daily: bool) -> dict[str, str]:
        left = max(0, self.per_10_seconds - len(self._calls))
        headers = {
            "X-HubSpot-RateLimit-Max": str(self.per_10_seconds),
            "X-HubSpot-RateLimit-Remaining": str(left),
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
        }
        if daily:
            remaining = max(0, self.per_day - self.used_today)
            headers["X-HubSpot-RateLimit-Daily"] = str(self.per_day)
            headers["X-HubSpot-RateLimit-Daily-Remaining"] = str(remaining)
        return headers

    def _refusal(self, message: str, policy: str, headers: dict[str, str]) -> RateLimitError:
        if self.retry_after is not None:
            headers = {**headers, "Retry-After": f"{self.retry_after:g}"}
        return RateLimitError(message, policy, headers)


def _drop(moments: deque[float], before: float) -> None:
    while moments and moments[0] <= before:
        moments.popleft()
