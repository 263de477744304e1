"""What writeback wants on CRM records, read from its view: how our own writes are told apart."""

from collections.abc import Sequence

import asyncpg


async def view_exists(pool: asyncpg.Pool) -> bool:
    """Whether writeback's view is there: this service may be migrated before it."""
    return bool(await pool.fetchval("select to_regclass('writeback.desired_values') is not null"))


async def desired_values(
    pool: asyncpg.Pool, workspace: str, connection: str, vendor_ids: Sequence[str]
) -> dict[str, dict[str, str | None]]:
    """What writeback wants on these records: record id -> property -> value."""
    rows = await pool.fetch(
        """
        select vendor_id, properties from writeback.desired_values
        where workspace = $1 and connection = $2 and vendor_id = any($3::text[])
        """,
        workspace,
        connection,
        list(vendor_ids),
    )
    return {row["vendor_id"]: row["properties"] for row in rows}
