"""Apply: everything a decided run changed, in one transaction."""

import asyncio
from collections.abc import Iterator

import asyncpg
from plumbline_runtime.records import Fenced

from matcher.identity_parties import basis_of, decided_by
from matcher.rows import WorkspaceRow
from matcher.snapshot import Snapshot
from matcher.statements import Statement, dumps, statements


async def apply(
    conn: asyncpg.Connection, snapshot: Snapshot, *, was: WorkspaceRow, silent: bool
) -> None:
    """Store the snapshot's changes; `was` is the workspace's row as it was gathered.

    `silent`: a rebuild, which publishes nothing; its outbox stays empty and counts as published.
    Raises Fenced when somebody else moved the workspace meanwhile.
    """
    await _execute_all(conn, statements(snapshot, silent=silent))
    await save_workspace(conn, snapshot.workspace, was=was, silent=silent)


async def _execute_all(conn: asyncpg.Connection, wanted: Iterator[Statement]) -> None:
    """One after the other; while the database works on one, the next one's rows are written."""
    running: asyncio.Task[str] | None = None
    try:
        for statement in wanted:
            if running is not None:
                await running
            running = asyncio.create_task(conn.execute(statement.query, *statement.arguments))
            await asyncio.sleep(0)
        if running is not None:
            await running
    except BaseException:
        # A connection in the middle of a statement can't even roll back.
        if running is not None:
            await asyncio.wait({running})
        raise


async def save_workspace(
    conn: asyncpg.Connection, now: WorkspaceRow, *, was: WorkspaceRow, silent: bool
) -> None:
    """Move the workspace's row by compare-and-set of its sequence and cursor."""
    if now == was:
        return
    config = None if now.config is None else now.config.model_dump_json()
    status = await conn.execute(
        """insert into matcher.workspaces as w
               (workspace, sequence, outbox_sequence, now, config_revision, config, walks,
                rates, fold_cursor, index_basis, agencies, decided_basis,
                published_up_to, outbox_published)
           values ($1, $2::bigint, $3::bigint, $4, $5, $6::text::jsonb, $7::text::jsonb,
                   $12::text::jsonb, $8::text::jsonb, $13::text, $14::text::jsonb,
                   $15::text,
                   case when $11::boolean then $2::bigint else 0 end,
                   case when $11::boolean then $3::bigint else 0 end)
           on conflict (workspace) do update set
               sequence = excluded.sequence, outbox_sequence = excluded.outbox_sequence,
               now = excluded.now, config_revision = excluded.config_revision,
               config = excluded.config, walks = excluded.walks,
               index_basis = excluded.index_basis, decided_basis = excluded.decided_basis,
               agencies = excluded.agencies,
               rates = excluded.rates, fold_cursor = excluded.fold_cursor,
               published_up_to = case when $11::boolean then $2::bigint else w.published_up_to end,
               outbox_published = case when $11::boolean then $3::bigint else w.outbox_published end
           where w.sequence = $9::bigint
             and w.fold_cursor is not distinct from $10::text::jsonb""",
        now.workspace,
        now.sequence,
        now.outbox_sequence,
        now.now,
        now.config_revision,
        config,
        dumps(now.walks),
        None if now.cursor is None else dumps(now.cursor),
        was.sequence,
        None if was.cursor is None else dumps(was.cursor),
        silent,
        dumps(now.rates),
        now.index_basis or basis_of(now),
        dumps(now.agencies),
        now.decided_basis or (decided_by(now) if was.index_basis is None else None),
    )
    if status != "INSERT 0 1":
        raise Fenced(f"matcher: workspace {now.workspace} was moved by another process")
