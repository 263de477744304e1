"""SQL of exchange rates: a revision is stored before it is published, so a kill repeats it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

import asyncpg
from plumbline_runtime.attention import close_attention, open_attention
from plumbline_runtime.postgres import transaction
from plumbline_schemas.attention import STALE_RATES
from plumbline_schemas.internal import RateTable
from pydantic import TypeAdapter

from reconciler.rate_sources import Seen
from reconciler.rates import Days, StoredTable

SUBJECT: Final = "rates"
_DAYS: Final[TypeAdapter[Days]] = TypeAdapter(Days)

_SAVE: Final = """
insert into reconciler.rate_sources as s
    (workspace, source_digest, content_hash, etag, last_modified, days, newest_day, checked_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (workspace) do update set
    source_digest = excluded.source_digest, content_hash = excluded.content_hash,
    etag = excluded.etag, last_modified = excluded.last_modified, days = excluded.days,
    newest_day = excluded.newest_day, checked_at = excluded.checked_at,
    failing_since = null, broken = false, error = null
"""
_CHECKED: Final = """
update reconciler.rate_sources
set checked_at = $2, failing_since = null, broken = false, error = null
where workspace = $1
"""
_FAILED: Final = """
insert into reconciler.rate_sources as s (workspace, failing_since, broken, error)
values ($1, $2, $3, $4)
on conflict (workspace) do update set
    failing_since = coalesce(s.failing_since, excluded.failing_since),
    broken = excluded.broken, error = excluded.error
returning failing_since
"""
_TABLE: Final = """
insert into reconciler.rate_tables (workspace, id, body, received_at, published)
values ($1, $2, $3, $4, false)
on conflict (workspace, id) do update set
    body = excluded.body, received_at = excluded.received_at, published = false
"""
_PUBLISHED: Final = """
update reconciler.rate_tables set published = true
where workspace = $1 and id = $2 and (body ->> 'revision')::bigint = $3
"""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """What is known of a workspace's source; `digest` names source and choice of days."""

    digest: str | None = None
    seen: Seen = field(default_factory=Seen)
    newest_day: date | None = None
    checked_at: datetime | None = None
    failing: bool = False


class RateStore:
    """The rates of one workspace."""

    def __init__(self, pool: asyncpg.Pool, workspace: str) -> None:
        self._pool = pool
        self._workspace = workspace

    async def source(self) -> SourceRow:
        """What was seen last, nothing at first."""
        row = await self._pool.fetchrow(
            """select source_digest, content_hash, etag, last_modified, newest_day, checked_at,
                      failing_since from reconciler.rate_sources where workspace = $1""",
            self._workspace,
        )
        if row is None:
            return SourceRow()
        seen = Seen(row["content_hash"], row["etag"], row["last_modified"])
        return SourceRow(
            row["source_digest"], seen, row["newest_day"], row["checked_at"],
            row["failing_since"] is not None,
        )  # fmt: skip

    async def days(self) -> Days:
        """Days kept, in effect or not yet."""
        found = await self._pool.fetchval(
            "select days from reconciler.rate_sources where workspace = $1", self._workspace
        )
        return _DAYS.validate_python(found or {})

    async def tables(self, *, waiting: bool = False) -> dict[str, StoredTable]:
        """Tables by name, as their newest revision holds them; only unpublished if `waiting`."""
        rows = await self._pool.fetch(
            """select id, body, received_at, published from reconciler.rate_tables
               where workspace = $1 and not (published and $2) order by id""",
            self._workspace, waiting,
        )  # fmt: skip
        return {
            row["id"]: StoredTable(
                row["id"], RateTable.model_validate(row["body"]), row["received_at"],
                row["published"],
            )
            for row in rows
        }  # fmt: skip

    async def take(self, row: SourceRow, days: Days, tables: Sequence[StoredTable]) -> None:
        """Store what the source said, together with the tables that are to be published."""

        async def write(conn: asyncpg.Connection) -> None:
            seen = row.seen
            await conn.execute(
                _SAVE, self._workspace, row.digest, seen.content_hash, seen.etag,
                seen.last_modified, json.loads(_DAYS.dump_json(days)), row.newest_day,
                row.checked_at,
            )  # fmt: skip
            await self._put(conn, tables)
            await self._well(conn)

        await transaction(self._pool, write)

    async def put(self, tables: Sequence[StoredTable]) -> None:
        """Store tables that are to be published."""
        if not tables:
            return

        async def write(conn: asyncpg.Connection) -> None:
            await self._put(conn, tables)

        await transaction(self._pool, write)

    async def checked(self, at: datetime) -> None:
        """The source answered that nothing is new."""

        async def write(conn: asyncpg.Connection) -> None:
            await conn.execute(_CHECKED, self._workspace, at)
            await self._well(conn)

        await transaction(self._pool, write)

    async def failed(self, at: datetime, reason: str, *, broken: bool) -> datetime:
        """Note a failure; returns since when it fails."""

        async def write(conn: asyncpg.Connection) -> datetime:
            since: datetime = await conn.fetchval(_FAILED, self._workspace, at, broken, reason)
            return since

        return await transaction(self._pool, write)

    async def tell(self, summary: str, details: dict[str, str]) -> None:
        """Open attention, or change it, until the source is well again."""
        async with self._pool.acquire() as conn:
            await open_attention(
                conn, workspace=self._workspace, kind="failed_rates", subject=SUBJECT,
                summary=summary, details=details,
            )  # fmt: skip

    async def tell_age(self, summary: str | None) -> None:
        """Open attention to rates that nobody renews; None closes it."""
        async with self._pool.acquire() as conn:
            if summary is None:
                await close_attention(
                    conn, workspace=self._workspace, kind="failed_rates", subject=STALE_RATES
                )
                return
            await open_attention(
                conn, workspace=self._workspace, kind="failed_rates", subject=STALE_RATES,
                summary=summary, details={},
            )  # fmt: skip

    async def mark_published(self, table: StoredTable) -> None:
        """The broker has this revision; a newer one stays to be published."""
        await self._pool.execute(_PUBLISHED, self._workspace, table.id, table.body.revision)

    async def _put(self, conn: asyncpg.Connection, tables: Sequence[StoredTable]) -> None:
        for table in tables:
            body = table.body.model_dump(mode="json")
            await conn.execute(_TABLE, self._workspace, table.id, body, table.received_at)

    async def _well(self, conn: asyncpg.Connection) -> None:
        await close_attention(conn, workspace=self._workspace, kind="failed_rates", subject=SUBJECT)
