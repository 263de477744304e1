"""SQL of the reconciler."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from reconciler.walks import Walk


class WalkStore:
    """The table of walks: one row per workspace, connection and scope."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def load_or_begin(self, fresh: Walk) -> Walk:
        """Return the stored walk, or store and return `fresh`."""
        await self._pool.execute(
            """insert into reconciler.walks (workspace, connection, scope, kind)
               values ($1, $2, $3, $4) on conflict do nothing""",
            fresh.workspace, fresh.connection, fresh.scope, fresh.kind,
        )  # fmt: skip
        row = await self._pool.fetchrow(
            """select kind, cursor, rows, skipped, state from reconciler.walks
               where workspace = $1 and connection = $2 and scope = $3""",
            fresh.workspace, fresh.connection, fresh.scope,
        )  # fmt: skip
        assert row is not None, "the walk was just inserted"
        known = row["kind"] in fresh.kinds
        return Walk(
            workspace=fresh.workspace,
            connection=fresh.connection,
            scope=fresh.scope,
            kinds=fresh.kinds,
            kind=row["kind"] if known else fresh.kind,
            cursor=row["cursor"] if known else None,
            rows=row["rows"],
            skipped=row["skipped"],
            completed=row["state"] == "completed",
        )

    async def save(self, walk: Walk) -> None:
        """Store the position; called only after the rows before it are in Kafka."""
        await self._pool.execute(
            """update reconciler.walks
               set kind = $4, cursor = $5, rows = $6, skipped = $7, updated_at = now(),
                   state = case when $8 then 'completed' else 'running' end,
                   completed_at = case when $8 then coalesce(completed_at, now()) end
               where workspace = $1 and connection = $2 and scope = $3""",
            walk.workspace, walk.connection, walk.scope, walk.kind, walk.cursor,
            dict(walk.rows), dict(walk.skipped), walk.completed,
        )  # fmt: skip

    async def folded_offset(self, partition: int) -> int:
        """Next offset of the workspace's log that the matcher will fold."""
        value = await self._pool.fetchval(
            """select next_offset from runtime.offsets
               where group_id = 'matcher' and topic = 'observations.v1' and partition = $1""",
            partition,
        )
        return int(value or 0)


class Leadership:
    """One reconciler at a time: a session lock in PostgreSQL, gone with its process."""

    LOCK = 0x504C_5245_434F  # "PLRECO"

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Wait for the lock and hold it on a connection of its own."""
        connection = await asyncpg.connect(self._database_url)
        try:
            while not await self._try(connection):  # noqa: ASYNC110 - held by another process
                await asyncio.sleep(1)
            yield
        finally:
            await connection.close()

    async def _try(self, connection: asyncpg.Connection) -> bool:
        return bool(await connection.fetchval("select pg_try_advisory_lock($1)", self.LOCK))
