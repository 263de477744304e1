"""Links from the database into the snapshot, a round trip a hop."""

from collections.abc import Collection

import asyncpg
from plumbline_schemas.ids import AccountId, ExternalKey

from matcher.loading import read_links
from matcher.snapshot import Snapshot


async def load_links(
    conn: asyncpg.Connection, snapshot: Snapshot, keys: Collection[ExternalKey]
) -> None:
    """Load all links of the accounts behind external keys."""
    unseen = {key for key in keys if key not in snapshot.links_known}
    snapshot.links_known |= unseen
    for link in await read_links(conn, snapshot.workspace.workspace, keys=unseen):
        snapshot.load_link(link)
        snapshot.links_known.add(link.key)


async def load_accounts_links(
    conn: asyncpg.Connection, snapshot: Snapshot, accounts: Collection[AccountId]
) -> None:
    """Load all links of accounts."""
    for link in await read_links(conn, snapshot.workspace.workspace, accounts=accounts):
        snapshot.load_link(link)
        snapshot.links_known.add(link.key)
