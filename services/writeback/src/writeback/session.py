"""The sender's database session, shared by its rounds one statement or transaction at a time.

The advisory lock that makes it the only sender lives on this very session: a lost session stops
every round at its next step.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from writeback.store import Connection

_ASK_SECONDS: Final = 1.0


async def database_time(conn: Connection) -> datetime:
    """The database's clock: the only one that decides leases, due times and windows.

    Hosts disagree and are set back and forth; whoever takes over compares with what another wrote.
    """
    found: datetime = await conn.fetchval("select clock_timestamp()")
    return found.astimezone(UTC)


class Session:
    """One connection, taken in turns, with the database's time."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._turn = asyncio.Lock()
        self._told: tuple[datetime, float] | None = None

    async def ask_time(self) -> None:
        """Take the database's time anew, at most once a second."""
        if self._told is None or time.monotonic() - self._told[1] > _ASK_SECONDS:
            async with self.turn() as conn:
                before = time.monotonic()
                self._told = (await database_time(conn), before)

    def now(self) -> datetime:
        """The database's time, carried on by a clock that nobody sets; `ask_time` comes first."""
        assert self._told is not None
        moment, at = self._told
        return moment + timedelta(seconds=time.monotonic() - at)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Connection]:
        """The connection for some statements of their own."""
        async with self._turn:
            yield self._conn

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """The connection inside a transaction, committed at the end."""
        async with self._turn, self._conn.transaction():
            yield self._conn
