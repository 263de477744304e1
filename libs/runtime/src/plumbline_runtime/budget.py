"""The budget of a vendor connection: one row serves writes, reads and walks of all processes.

A token bucket moved by the database's clock, so no process's own clock matters. Purposes that wait
share it 60 : 25 : 15 (design 7), and what a purpose leaves unused is lent to the others. A 429
halves the allowed rate, which then recovers; the daily quota keeps a reserve for what can't wait.
The rules themselves are SQL functions of the migration: an attempt is one round trip.
"""

import asyncio
import time
from collections import defaultdict
from typing import Final, Literal, NamedTuple

import asyncpg

from plumbline_runtime.connections import HubSpotConnection, StripeConnection
from plumbline_runtime.metrics import RATE_LIMIT_ALLOWED, RATE_LIMIT_TOKENS

Purpose = Literal["write", "read", "walk"]

SHARES: Final[dict[Purpose, float]] = {"write": 0.60, "read": 0.25, "walk": 0.15}
"""Of the rate, where all of them want more than there is (design 7)."""
DAILY_RESERVE: Final = 0.05
"""Part of the daily quota that only `priority` may use."""
RECOVERY_PER_SECOND: Final = 0.02
"""Part of the configured rate that comes back in a second after a 429."""
FLOOR: Final = 0.05
"""The least part of the configured rate that repeated 429 leave."""

_LANES: Final[dict[Purpose, int]] = {"write": 1, "read": 2, "walk": 3}
_LONGEST_SLEEP_SECONDS: Final = 1.0
_TOLD_SECONDS: Final = 5.0
"""How long what a vendor's header told is news."""

_TAKE: Final = """
select wait, tokens, allowed
from connection.budget_take($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""
_THROTTLE: Final = """
select allowed from connection.budget_throttle($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_ZONE: Final = """
insert into connection.budgets (workspace, connection, tokens, zone)
select $1, $2, $3, name from pg_timezone_names where name = $4
on conflict (workspace, connection) do update set zone = excluded.zone
where connection.budgets.zone is distinct from excluded.zone
"""


class _Told(NamedTuple):
    quota: int
    remaining: int
    at: float


class Budget:
    """The share of one vendor's limit that one connection may use."""

    def __init__(
        self,
        pool: "asyncpg.Pool",
        workspace: str,
        connection: str,
        *,
        rate_per_second: float,
        burst: float,
        daily_limit: int | None = None,
        timezone: str = "UTC",
    ) -> None:
        """`timezone` says when a day ends as long as the account's own zone is unknown."""
        if rate_per_second <= 0 or burst < 1:
            raise ValueError(
                f"budget of {workspace}/{connection}: found a rate of {rate_per_second} and a "
                f"burst of {burst}, expected a positive rate and a burst of 1 or more"
            )
        self._pool = pool
        self._key = (workspace, connection)
        self._rate = float(rate_per_second)
        self._burst = float(burst)
        self._daily_limit = daily_limit
        self._timezone = timezone
        self._told: _Told | None = None
        self._turns: defaultdict[tuple[Purpose, bool], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tokens_gauge = RATE_LIMIT_TOKENS.labels(*self._key)
        self._allowed_gauge = RATE_LIMIT_ALLOWED.labels(*self._key)

    @classmethod
    def of(
        cls,
        pool: "asyncpg.Pool",
        workspace: str,
        connection: StripeConnection | HubSpotConnection,
        *,
        timezone: str = "UTC",
    ) -> "Budget":
        """The budget of a configured connection: every service shares one row."""
        return cls(
            pool,
            workspace,
            connection.name,
            rate_per_second=connection.requests_per_second,
            burst=connection.burst,
            daily_limit=connection.daily_limit,
            timezone=timezone,
        )

    async def acquire(self, purpose: Purpose, cost: int = 1, priority: bool = False) -> None:
        """Wait until `cost` calls may be made. Raises what asyncpg raises.

        `priority` goes before everything else that waits, and may use the daily reserve.
        """
        if not 1 <= cost <= self._burst:
            raise ValueError(f"cost must be between 1 and the burst {self._burst:g}, got {cost}")
        # Callers of a purpose wait here in turn, so that only one of them asks the database.
        async with self._turns[purpose, priority]:
            while True:
                wait = await self._take(purpose, cost, priority)
                if wait <= 0:
                    return
                await asyncio.sleep(min(wait, _LONGEST_SLEEP_SECONDS))

    async def throttled(self, retry_after: float | None, *, daily: bool = False) -> None:
        """The vendor answered 429: nobody calls for `retry_after` seconds.

        Not told how long, it is a second, then longer each time. `daily`: the day's quota is used
        up, and but for `priority` nobody calls until the next day begins.
        """
        seconds = None if retry_after is None else max(retry_after, 0.0)
        allowed = await self._pool.fetchval(_THROTTLE, *self._settings(), seconds, daily, FLOOR)
        self._tokens_gauge.set(0)
        self._allowed_gauge.set(self._rate * allowed)

    def told(self, quota: int, remaining: int) -> None:
        """The vendor's answer told its daily quota; the next `acquire` takes note of it."""
        self._told = _Told(quota, remaining, time.monotonic())

    async def told_zone(self, name: str) -> None:
        """The account's own time zone is known, by its IANA name: there its days end.

        A name that PostgreSQL does not know is left aside.
        """
        await self._pool.execute(_ZONE, *self._key, self._burst, name)

    def _settings(self) -> tuple[str, str, float, float, float, str]:
        return (*self._key, self._rate, self._burst, RECOVERY_PER_SECOND, self._timezone)

    async def _take(self, purpose: Purpose, cost: int, priority: bool) -> float:
        """Seconds to wait before asking again; 0 when granted."""
        told, self._told = self._told, None
        if told is not None and time.monotonic() - told.at > _TOLD_SECONDS:
            told = None
        row = await self._pool.fetchrow(
            _TAKE,
            *self._settings(),
            _LANES[purpose],
            list(SHARES.values()),
            float(cost),
            priority,
            self._daily_limit,
            DAILY_RESERVE,
            None if told is None else told.quota,
            None if told is None else told.remaining,
        )
        assert row is not None  # a function answers with a row
        self._tokens_gauge.set(row["tokens"])
        self._allowed_gauge.set(self._rate * row["allowed"])
        return float(row["wait"])
