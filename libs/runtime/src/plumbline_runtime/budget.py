"""The budget of a vendor connection: one row serves writes, reads and walks of all processes.

A token bucket moved by the database's clock, so no process's own clock matters. Writes may empty
it; reads and walks leave a reserve, which is how writes come first (design 7).
"""

import asyncio
from typing import Final, Literal

import asyncpg

from plumbline_runtime.connections import HubSpotConnection, StripeConnection
from plumbline_runtime.metrics import RATE_LIMIT_TOKENS

Purpose = Literal["write", "read", "walk"]

_RESERVE: Final[dict[Purpose, float]] = {"write": 0.0, "read": 0.15, "walk": 0.4}
"""Share of the burst that must be left for what goes before."""

_DEFAULT_BACKOFF_SECONDS: Final = 1.0
_LONGEST_SLEEP_SECONDS: Final = 1.0
_SHORTEST_SLEEP_SECONDS: Final = 0.005

_CREATE: Final = """
insert into connection.budgets (workspace, connection, tokens) values ($1, $2, $3)
on conflict (workspace, connection) do nothing
"""

_TAKE: Final = """
with clock as (select clock_timestamp() as now),
before as (
    select b.workspace, b.connection, c.now,
        greatest(extract(epoch from b.blocked_until - c.now)::float8, 0) as blocked,
        least($4::float8,
              b.tokens + greatest(extract(epoch from c.now - b.updated_at)::float8, 0)
                         * $3::float8) as available
    from connection.budgets b, clock c
    where b.workspace = $1 and b.connection = $2
    for update of b
)
update connection.budgets b
set tokens = before.available
             - case when before.blocked = 0 and before.available >= $6::float8
                    then $5::float8 else 0 end,
    updated_at = greatest(b.updated_at, before.now)
from before
where b.workspace = before.workspace and b.connection = before.connection
returning before.blocked = 0 and before.available >= $6::float8 as granted,
    greatest(before.blocked, ($6::float8 - before.available) / $3::float8) as wait,
    b.tokens as tokens
"""

_BLOCK: Final = """
update connection.budgets
set tokens = 0, updated_at = clock_timestamp(), throttled = throttled + 1,
    blocked_until = greatest(blocked_until, clock_timestamp() + make_interval(secs => $3))
where workspace = $1 and connection = $2
"""


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
    ) -> None:
        if rate_per_second <= 0 or burst < 1:
            raise ValueError(
                f"budget of {workspace}/{connection}: found a rate of {rate_per_second} and a "
                f"burst of {burst}, expected a positive rate and a burst of 1 or more"
            )
        self._pool = pool
        self._workspace = workspace
        self._connection = connection
        self._rate = float(rate_per_second)
        self._burst = float(burst)
        self._gauge = RATE_LIMIT_TOKENS.labels(workspace, connection)

    @classmethod
    def of(
        cls,
        pool: "asyncpg.Pool",
        workspace: str,
        connection: StripeConnection | HubSpotConnection,
    ) -> "Budget":
        """The budget of a configured connection: every service shares one row."""
        return cls(
            pool,
            workspace,
            connection.name,
            rate_per_second=connection.requests_per_second,
            burst=connection.burst,
        )

    async def acquire(self, purpose: Purpose, cost: int = 1) -> None:
        """Wait until `cost` calls may be made. Raises what asyncpg raises."""
        if not 1 <= cost <= self._burst:
            raise ValueError(f"cost must be between 1 and the burst {self._burst:g}, got {cost}")
        while True:
            wait = await self._take(purpose, cost)
            if wait <= 0:
                return
            await asyncio.sleep(min(wait, _LONGEST_SLEEP_SECONDS))

    async def throttled(self, retry_after: float | None) -> None:
        """The vendor answered 429: nobody calls for `retry_after` seconds (1 when not told)."""
        seconds = _DEFAULT_BACKOFF_SECONDS if retry_after is None else max(retry_after, 0.0)
        await self._pool.execute(_CREATE, self._workspace, self._connection, 0.0)
        await self._pool.execute(_BLOCK, self._workspace, self._connection, seconds)
        self._gauge.set(0)

    async def _take(self, purpose: Purpose, cost: int) -> float:
        """Seconds to wait before asking again; 0 when granted."""
        needed = min(self._burst, cost + _RESERVE[purpose] * self._burst)
        key = (self._workspace, self._connection)
        row = await self._pool.fetchrow(_TAKE, *key, self._rate, self._burst, float(cost), needed)
        if row is None:
            await self._pool.execute(_CREATE, *key, self._burst)
            return _SHORTEST_SLEEP_SECONDS
        self._gauge.set(row["tokens"])
        return 0.0 if row["granted"] else max(float(row["wait"]), _SHORTEST_SLEEP_SECONDS)
