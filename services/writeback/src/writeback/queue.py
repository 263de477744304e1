"""The queue of one connection: effects that are due, with what their records last held."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from writeback.effects import Effect, SeenRecord
from writeback.gate import OPEN, WorkspaceFacts
from writeback.plan import PRIORITY_URGENT
from writeback.store import Connection

_EFFECT = ", ".join(f"e.{name}" for name in Effect._fields)
_SEEN = ", ".join(f"r.{name} as seen_{name}" for name in SeenRecord._fields[4:])

# The planner would rather sort the whole backlog; the index gives it in order. `offset 0` keeps the
# look-up of a record a look-up by its whole key, whatever the statistics say of a growing table.
_DUE = f"""
    select {_EFFECT}, {_SEEN},
           r.seen_at is null or r.seen_at < clock_timestamp() - make_interval(secs => $5) as stale
    from writeback.effects as e
    left join lateral (
        select * from writeback.records as known
        where known.workspace = e.workspace and known.connection = e.connection
          and known.kind = e.kind and known.vendor_id = e.vendor_id
        offset 0
    ) as r on true
    where e.workspace = $1 and e.connection = $2 and e.kind = $3 and e.state = 'pending'
      and e.next_attempt_at <= clock_timestamp() and e.vendor_id <> all($6::text[])
    order by e.priority, e.received_at limit $4
"""  # noqa: S608 - names are constants of this module

_WAITING = """
    select count(*) as n, min(priority) as first from (
        select e.priority from writeback.effects as e
        where e.workspace = $1 and e.connection = $2 and e.kind = $3 and e.state = 'pending'
          and e.next_attempt_at <= clock_timestamp() and e.vendor_id <> all($5::text[])
        order by e.priority, e.received_at limit $4
    ) as waiting
"""


_PAGE: Final = 500
_FORGET_SEEN: Final = """
    update writeback.records set properties = properties - $5::text[], seen_at = null
    where workspace = $1 and connection = $2 and kind = $3 and vendor_id = any($4::text[])
"""
_FORGET_APPLIED: Final = """
    update writeback.effects
    set applied = applied - $5::text[], echoed = echoed - $5::text[],
        conflicts = conflicts - $5::text[],
        state = case when state <> 'applied' then state when $6 = '' then 'pending'
                     else 'held' end,
        held_by = case when state = 'applied' then nullif($6, '') else held_by end,
        measured_from = case when state = 'applied' then null else measured_from end,
        revision = revision + 1
    where workspace = $1 and connection = $2 and kind = $3 and vendor_id = any($4::text[])
"""


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
    busy: Sequence[str] = (),
) -> list[Due]:
    """Effects to carry out: urgent first, then oldest first; without the `busy` records."""
    rows = await conn.fetch(_DUE, workspace, connection, kind, limit, max_age, busy)
    return [_due(list(row.values())) for row in rows]


class Waiting(NamedTuple):
    """How much is due, counted up to a batch."""

    rows: int
    urgent: bool


async def waiting(
    conn: Connection,
    workspace: str,
    connection: str,
    kind: str,
    *,
    limit: int,
    busy: Sequence[str],
) -> Waiting:
    """Whether another batch is worth a call while one is in the air."""
    row = await conn.fetchrow(_WAITING, workspace, connection, kind, limit, busy)
    return Waiting(row["n"], row["first"] == PRIORITY_URGENT)


def _due(values: list[Any]) -> Due:
    width = len(Effect._fields)
    effect = Effect(*values[:width])
    last = values[width:-1]
    seen = None if last[0] is None else SeenRecord(*effect.id, *last)
    # A body whose answer is unknown may have been taken: look before it goes out again.
    return Due(effect, seen, bool(values[-1]) or effect.sending_since is not None)


async def to_look_at(
    conn: Connection,
    workspace: str,
    connection: str,
    kind: str,
    *,
    limit: int,
    busy: Sequence[str] = (),
) -> list[Effect]:
    """Effects whose record is to be looked at for a write without an answer."""
    rows = await conn.fetch(
        f"""select {_EFFECT} from writeback.effects as e
            where e.workspace = $1 and e.connection = $2 and e.kind = $3
              and e.look_at <= clock_timestamp() and e.vendor_id <> all($5::text[])
            order by e.look_at limit $4""",  # noqa: S608 - names are constants of this module
        workspace,
        connection,
        kind,
        limit,
        busy,
    )
    return [Effect(*row.values()) for row in rows]


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


async def forget(
    conn: Connection, facts: WorkspaceFacts, connection: str, kind: str, names: Sequence[str]
) -> None:
    """These properties are empty on every record of the kind now, which is nobody's edit.

    Every record is compared again, some hundreds a transaction, in the order senders lock in.
    """
    key = (facts.workspace, connection, kind)
    last = ""
    while True:
        async with conn.transaction():
            rows = await conn.fetch(
                """select vendor_id from writeback.effects
                   where workspace = $1 and connection = $2 and kind = $3 and vendor_id > $4
                   order by vendor_id limit $5 for update""",
                *key, last, _PAGE,
            )  # fmt: skip
            ids = [row["vendor_id"] for row in rows]
            await conn.execute(_FORGET_SEEN, *key, ids, names)
            await conn.execute(_FORGET_APPLIED, *key, ids, names, facts.gate)
        if len(ids) < _PAGE:
            return
        last = ids[-1]


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
