"""A database of its own beside the deployment's, to rebuild into and compare."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from plumbline_runtime.migrations import migrate


@asynccontextmanager
async def scratch_database(database_url: str) -> AsyncIterator[str]:
    """Create a migrated database on the same server; it is dropped afterwards.

    The role needs CREATEDB; asyncpg's InsufficientPrivilegeError says so when it lacks it.
    """
    name = f"plumbline_rebuild_{secrets.token_hex(4)}"
    await _execute(database_url, f'create database "{name}" template template0')
    try:
        url = urlunsplit(urlsplit(database_url)._replace(path=f"/{name}"))
        await migrate(url)
        yield url
    finally:
        await _execute(database_url, f'drop database if exists "{name}" with (force)')


async def _execute(database_url: str, statement: str) -> None:
    conn = await asyncpg.connect(database_url)
    try:
        await conn.execute(statement)
    finally:
        await conn.close()
