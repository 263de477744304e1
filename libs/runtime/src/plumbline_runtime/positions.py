"""Stored input positions: rows of `runtime.offsets`, one per group, topic and partition."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncpg

_READ: Final = """
select partition, next_offset from runtime.offsets
where group_id = $1 and topic = $2 and partition = any($3::int[])
"""

_CREATE: Final = """
insert into runtime.offsets (group_id, topic, partition, next_offset)
select $1, $2, * from unnest($3::int[], $4::bigint[])
on conflict (group_id, topic, partition) do nothing
"""


class PositionBeyondLog(Exception):  # noqa: N818 - a fact about the log
    """A stored position lies past the log's end: the log is not the one the database knows."""


async def read_positions(
    pool: "asyncpg.Pool", group: str, topic: str, partitions: Iterable[int]
) -> dict[int, int]:
    """Stored positions by partition; a partition never consumed is missing."""
    rows = await pool.fetch(_READ, group, topic, sorted(partitions))
    return {row["partition"]: row["next_offset"] for row in rows}


async def create_positions(
    pool: "asyncpg.Pool", group: str, topic: str, first: Mapping[int, int]
) -> None:
    """Add the partitions that have no position yet, each at the log's first offset."""
    if first:
        partitions = sorted(first)
        await pool.execute(_CREATE, group, topic, partitions, [first[p] for p in partitions])


def check_positions(
    group: str, topic: str, stored: Mapping[int, int], ends: Mapping[int, int]
) -> None:
    """Raises PositionBeyondLog naming every partition whose position the log doesn't reach."""
    beyond = [
        f"partition {partition}: found position {offset}, the log ends at {ends[partition]}"
        for partition, offset in sorted(stored.items())
        if offset > ends[partition]
    ]
    if beyond:
        raise PositionBeyondLog(
            f"{group}: {topic}: {'; '.join(beyond)}. The log was lost or replaced: restore it, or "
            f"restore the database that belongs to it"
        )
