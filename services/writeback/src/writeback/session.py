"""The sender's database session, shared by its rounds one statement or transaction at a time.

The advisory lock that makes it the only sender lives on this very session: a lost session stops
every round at its next step.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from writeback.store import Connection


class Session:
    """One connection, taken in turns."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._turn = asyncio.Lock()

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
