"""The queue of one connection: effects that are due, with what their records last held."""

from datetime import datetime
from typing import Any, NamedTuple

from writeback.effects import Effect, SeenRecord
from writeback.gate import OPEN, WorkspaceFacts
from writeback.store import Connection

_EFFECT = ", ".join(f"e.{name}" for name in Effect._fields)
_SEEN = ", ".join(f"r.{name} as seen_{name}" for name in SeenRecord._fields[4:])

# The planner would rather sort the whole backlog; the index gives it in order. `offset 0` keeps the
# look-up of a record a look-up by its whole key, whatever the statistics say of a growing table.
_DUE = f"""
    select {_EFFECT}, {_SEEN},
           r.seen_at is null or r.seen_at < $6::timestamptz - make_interval(secs => $5) as stale
    from writeback.effects as e
    left join lateral (
        select * from writeback.records as known
        where known.workspace = e.workspace and known.connection = e.connection
          and known.kind = e.kind and known.vendor_id = e.vendor_id
        offset 0
    ) as r on true
    where e.workspace = $1 and e.connection = $2 and e.kind = $3 and e.state = 'pending'
      and e.next_attempt_at <= $6
    order by e.priority, e.received_at limit $4
"""  # noqa: S608 - names are constants of this module


class Due(NamedTuple):
    """An effect whose time has come."""

    effect: Effect
    seen: SeenRecord | None
    stale: bool
    """The record must be read before it is written."""


async def due(
    conn: Connection,
    workspace: str,
    connection: str,
    kind: str,
    *,
    limit: int,
    max_age: float,
    now: datetime,
) -> list[Due]:
    """Effects to carry out: urgent first, then oldest first."""
    rows = await conn.fetch(_DUE, workspace, connection, kind, limit, max_age, now)
    return [_due(list(row.values())) for row in rows]


def _due(values: list[Any]) -> Due:
    width = len(Effect._fields)
    effect = Effect(*values[:width])
    last = values[width:-1]
    seen = None if last[0] is None else SeenRecord(*effect.id, *last)
    # A body whose answer is unknown may have been taken: look before it goes out again.
    return Due(effect, seen, bool(values[-1]) or effect.sending_since is not None)


async def backlog(conn: Connection, workspace: str, connection: str) -> dict[str, int]:
    """Unfinished effects by state."""
    rows = await conn.fetch(
        """select state, n from writeback.pending_effects
           where workspace = $1 and connection = $2""",
        workspace,
        connection,
    )
    return {row["state"]: row["n"] for row in rows}


async def save_conflicts(conn: Connection, rows: list[tuple[str, ...]]) -> None:
    """Add to the conflict log: key, property, observed, applied, desired, resolution."""
    if rows:
        await conn.executemany(
            """insert into writeback.conflicts (workspace, connection, kind, vendor_id, property,
                   observed, applied, desired, resolution)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
            rows,
        )


async def look_again(conn: Connection, facts: WorkspaceFacts, connection: str, kind: str) -> None:
    """A property can be written now that could not: every record of the kind is compared again."""
    await conn.execute(
        """update writeback.effects
           set state = $4, held_by = $5, revision = revision + 1, measured_from = null
           where workspace = $1 and connection = $2 and kind = $3 and state = 'applied'""",
        facts.workspace,
        connection,
        kind,
        "pending" if facts.gate == OPEN else "held",
        facts.gate or None,
    )
