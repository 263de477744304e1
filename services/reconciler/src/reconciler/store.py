"""SQL of the reconciler."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import asyncpg
from plumbline_runtime.attention import close_attention, open_attention
from plumbline_runtime.postgres import UNREACHABLE, transaction

from reconciler.walks import Walk, begin, to_renew

_ERROR_LIMIT = 500
_WATCH_SECONDS = 1.0


class LeadershipLost(Exception):  # noqa: N818 - says what happened
    """The session that held the lock is gone: another process may lead."""


class WalkStore:
    """The table of walks: one row per workspace, connection and scope."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def load_or_begin(self, fresh: Walk, asked: Mapping[str, str]) -> Walk:
        """Return the stored walk, or store and return `fresh`, of which this is asked."""
        await self._pool.execute(
            """insert into reconciler.walks (workspace, connection, scope, kind, asked)
               values ($1, $2, $3, $4, $5) on conflict do nothing""",
            fresh.workspace, fresh.connection, fresh.scope, fresh.kind, dict(asked),
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

    async def renewal(self, initial: Walk, asked: Mapping[str, str]) -> Walk | None:
        """The walk of the kinds of which more is asked now than the initial walk did, if any.

        One that was begun for something else again is begun anew.
        """
        row = await self._pool.fetchrow(
            """select asked from reconciler.walks
               where workspace = $1 and connection = $2 and scope = $3""",
            initial.workspace, initial.connection, initial.scope,
        )  # fmt: skip
        kinds = to_renew(initial.kinds, asked, {} if row is None else row["asked"])
        if not kinds:
            return None
        await self._pool.execute(
            """delete from reconciler.walks
               where workspace = $1 and connection = $2 and scope = 'renewed' and asked <> $3""",
            initial.workspace, initial.connection, dict(asked),
        )  # fmt: skip
        fresh = begin(initial.workspace, initial.connection, kinds, scope="renewed")
        return await self.load_or_begin(fresh, asked)

    async def renewed(self, initial: Walk, asked: Mapping[str, str]) -> None:
        """That walk is over."""

        async def write(conn: asyncpg.Connection) -> None:
            await conn.execute(
                """update reconciler.walks set asked = $4
                   where workspace = $1 and connection = $2 and scope = $3""",
                initial.workspace, initial.connection, initial.scope, dict(asked),
            )  # fmt: skip
            await conn.execute(
                """delete from reconciler.walks
                   where workspace = $1 and connection = $2 and scope = 'renewed'""",
                initial.workspace, initial.connection,
            )  # fmt: skip

        await transaction(self._pool, write)

    async def leave_out(self, walk: Walk) -> None:
        """Note that nothing was asked of the walk's kind: a renewal asks."""
        await self._pool.execute(
            """update reconciler.walks set asked = asked - $4::text
               where workspace = $1 and connection = $2 and scope = $3""",
            walk.workspace, walk.connection, walk.scope, walk.kind,
        )  # fmt: skip

    async def save(self, walk: Walk) -> None:
        """Store the position; called only after the rows before it are in Kafka."""

        async def write(conn: asyncpg.Connection) -> None:
            await self._save(conn, walk)
            await close_attention(
                conn, workspace=walk.workspace, kind="failed_walk", subject=_subject(walk)
            )

        await transaction(self._pool, write)

    async def tell_failing(self, walk: Walk, error: str) -> None:
        """Open attention until a position is stored again; the walk is tried on."""
        async with self._pool.acquire() as conn:
            await open_attention(
                conn,
                workspace=walk.workspace,
                kind="failed_walk",
                subject=_subject(walk),
                summary=f"the {walk.scope} walk of {walk.workspace}/{walk.connection} fails and is "
                f"tried on from where it is: {error[:_ERROR_LIMIT]}",
                details={"connection": walk.connection, "scope": walk.scope, "kind": walk.kind},
            )

    async def _save(self, conn: asyncpg.Connection, walk: Walk) -> None:
        await conn.execute(
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
        self._session: asyncpg.Connection | None = None

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Wait for the lock and hold it on a connection of its own."""
        connection = await asyncpg.connect(self._database_url)
        try:
            while not await self._try(connection):  # noqa: ASYNC110 - held by another process
                await asyncio.sleep(1)
            self._session = connection
            yield
        finally:
            self._session = None
            connection.terminate()

    async def watch(self) -> None:
        """Return never; raises LeadershipLost when the session that holds the lock is gone."""
        while True:
            try:
                async with asyncio.timeout(5 * _WATCH_SECONDS):
                    assert self._session is not None, "held() comes before"
                    await self._session.execute("select 1")
            except UNREACHABLE as error:
                raise LeadershipLost(f"{type(error).__name__}: {error}") from error
            await asyncio.sleep(_WATCH_SECONDS)

    async def _try(self, connection: asyncpg.Connection) -> bool:
        return bool(await connection.fetchval("select pg_try_advisory_lock($1)", self.LOCK))


def _subject(walk: Walk) -> str:
    return f"{walk.connection}/{walk.scope}"
