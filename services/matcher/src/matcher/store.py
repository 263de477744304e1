"""Apply: everything a decided run changed, in one transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

import asyncpg
from plumbline_runtime.records import Executes, Fenced

from matcher.calls import Call, Statement, together
from matcher.identity_parties import basis_of, decided_by
from matcher.rows import WorkspaceRow
from matcher.snapshot import Snapshot
from matcher.statements import move_workspace, statements

FEW: Final = 20
"""Changed objects and accounts that are stored in one round trip; of more, the rows of one table
are written while the database works on another's."""


Advance = Callable[[Executes], Awaitable[None]]


async def apply(
    conn: asyncpg.Connection,
    snapshot: Snapshot,
    *,
    was: WorkspaceRow,
    silent: bool,
    advance: Advance | None = None,
    looks: Sequence[Call] = (),
) -> list[Any]:
    """Store the snapshot's changes; `was` is the workspace's row as it was gathered.

    `silent`: a rebuild, which publishes nothing; its outbox stays empty and counts as published.
    `advance` moves the position, in the same round trip. `looks` see what was stored; what they
    return is returned. Raises Fenced when somebody else moved the workspace meanwhile.
    """
    now = snapshot.workspace
    wanted = statements(snapshot, silent=silent)
    last = _Last(conn)
    if len(snapshot.changed_objects) + len(snapshot.changed_accounts) <= FEW:
        several = list(wanted)
        last.calls = [one for one in several if isinstance(one, Call)]
        wanted = (one for one in several if isinstance(one, Statement))
    await _execute_all(conn, wanted)
    seen = slice(len(last.calls), len(last.calls) + len(looks))
    last.calls += looks
    if now != was:
        now.decided_basis = now.decided_basis or (None if was.index_basis else decided_by(now))
        now.index_basis = now.index_basis or basis_of(now)
        last.calls.append(move_workspace(now, was=was, silent=silent))
    if advance is not None:
        await advance(last)
    elif last.calls:
        last.returned = await conn.fetchrow(*_flat(together(last.calls)))
    if now != was and not last.returned[len(last.calls) - 1]:
        raise Fenced(f"matcher: workspace {now.workspace} was moved by another process")
    return list(last.returned)[seen]


class _Last:
    """The last round trip: calls, and with them the update of the position."""

    def __init__(self, conn: asyncpg.Connection) -> None:
        self._conn = conn
        self.calls: list[Call] = []
        self.returned: Any = ()

    async def execute(self, query: str, *args: Any) -> str:
        """Run the update and the calls."""
        if not self.calls:
            return str(await self._conn.execute(query, *args))
        called, arguments = together(self.calls, before=args)
        joined = f"with moved as ({query} returning 1) {called}, (select count(*) from moved)"  # noqa: S608 - both are ours
        self.returned = await self._conn.fetchrow(joined, *arguments)
        return f"UPDATE {self.returned[-1]}"


def _flat(statement: Statement) -> tuple[Any, ...]:
    return (statement.query, *statement.arguments)


async def _execute_all(conn: asyncpg.Connection, wanted: Iterator[Statement | Call]) -> None:
    """One after the other; while the database works on one, the next one's rows are written."""
    running: asyncio.Task[str] | None = None
    try:
        for one in wanted:
            query, arguments = together([one]) if isinstance(one, Call) else one
            if running is not None:
                await running
            running = asyncio.create_task(conn.execute(query, *arguments))
            await asyncio.sleep(0)
        if running is not None:
            await running
    except BaseException:
        # A connection in the middle of a statement can't even roll back.
        if running is not None:
            await asyncio.wait({running})
        raise
