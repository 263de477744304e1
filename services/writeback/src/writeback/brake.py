"""The mass-change brake: a wrong key must not churn the book (design 7).

One allowance per connection: what no customer's event brought about (`doubt`) may touch
max(20, 2 %) of its records within an hour, and the configuration may move the values of 2 %.
What waits counts, and what was written within the last hour by the database's clock, so neither a
restart nor a wrong host clock gives it anew. Beyond that every such effect is held, until a person
approves, which gives the allowance anew, or the customer's own event changes the record. Single
events of customers are never held.
"""

from collections.abc import Collection, Iterable
from typing import Final

import structlog
from plumbline_runtime.attention import Item, close_items, open_attention

from writeback.effects import HELD_BY_BRAKE, Effect
from writeback.gate import WorkspaceFacts
from writeback.store import Connection

log = structlog.get_logger()

FEWEST: Final = 20
"""Records that may turn in any book, however small."""
_ONE_IN: Final = 50

_COUNT: Final = """
select (select count(*) from writeback.effects
        where workspace = $1 and connection = $2 and doubt is not null
          and state in ('pending', 'held'))
     + (select count(*) from writeback.doubted_writes as done
        where workspace = $1 and connection = $2
          and at > clock_timestamp() - interval '1 hour'
          and not exists (
              select from writeback.effects as e
              where (e.workspace, e.connection, e.kind, e.vendor_id)
                    = (done.workspace, done.connection, done.kind, done.vendor_id)
                and e.doubt is not null and e.state in ('pending', 'held'))) as doubted,
       (select count(*) from writeback.effects
        where workspace = $1 and connection = $2 and doubt = 'moved'
          and state in ('pending', 'held'))
     + (select count(*) from writeback.doubted_writes as done
        where workspace = $1 and connection = $2 and moved
          and at > clock_timestamp() - interval '1 hour'
          and not exists (
              select from writeback.effects as e
              where (e.workspace, e.connection, e.kind, e.vendor_id)
                    = (done.workspace, done.connection, done.kind, done.vendor_id)
                and e.doubt = 'moved' and e.state in ('pending', 'held'))) as moved,
       (select count(*) from writeback.effects
        where workspace = $1 and connection = $2) as records
"""

_HOLDS: Final = """
select exists (select from writeback.effects
               where workspace = $1 and connection = $2 and doubt is not null and held_by = $3)
    or exists (select from writeback.creations
               where workspace = $1 and connection = $2 and state = 'held')
"""

_LOCK: Final = """
select from writeback.effects
where workspace = $1 and connection = $2 and doubt is not null and state in ('pending', 'held')
order by workspace, connection, kind, vendor_id for update
"""

# A body whose answer is out may have been taken: it was within the allowance when it left.
_HOLD: Final = """
update writeback.effects
set state = 'held', held_by = $3, revision = revision + 1, measured_from = null
where workspace = $1 and connection = $2 and doubt is not null and state = 'pending'
  and sending is null
"""


def allowed(records: int) -> int:
    """How many records of a connection of that many may turn without a person."""
    return max(FEWEST, records // _ONE_IN)


def movable(records: int) -> int:
    """How many of them a change of the configuration may move without a person."""
    return records // _ONE_IN


async def check(conn: Connection, workspace: str, connection: str) -> None:
    """Hold every doubted effect of the connection when there are too many of them.

    Call it in the transaction that saved doubted effects, under the workspace's lock.
    """
    row = await conn.fetchrow(_COUNT, workspace, connection)
    limit, few = allowed(row["records"]), movable(row["records"])
    within = row["doubted"] <= limit and row["moved"] <= few
    if within and not await conn.fetchval(_HOLDS, workspace, connection, HELD_BY_BRAKE):
        return
    await conn.execute(_LOCK, workspace, connection)
    status = await conn.execute(_HOLD, workspace, connection, HELD_BY_BRAKE)
    if status == "UPDATE 0":
        return
    await open_attention(
        conn,
        **_item(workspace, connection)._asdict(),
        summary=f"{connection}: within an hour walks, reads or the configuration would turn more "
        f"than {limit} records churned or without MRR, or the configuration would move more than "
        f"{few}; they wait: look at `plumbline plan`, then `plumbline plan --apply`",
        details={"allowed": limit, "movable": few},
    )
    log.warning(
        "mass_change_held", target=f"{workspace}/{connection}", records=row["records"],
        doubted=row["doubted"], allowed=limit, moved=row["moved"], movable=few,
    )  # fmt: skip


async def check_all(conn: Connection, workspace: str) -> None:
    """The same for every connection of a workspace with doubted effects that may be written."""
    rows = await conn.fetch(
        """select distinct connection from writeback.effects
           where workspace = $1 and doubt is not null and state = 'pending' order by 1""",
        workspace,
    )
    for row in rows:
        await check(conn, workspace, row["connection"])


async def release(conn: Connection, facts: WorkspaceFacts) -> None:
    """A person approved: what the brake holds goes out, and the allowance begins anew."""
    rows = await conn.fetch(
        """select distinct connection from writeback.effects
           where workspace = $1 and doubt is not null and state in ('pending', 'held')
           order by 1""",
        facts.workspace,
    )
    for row in rows:
        await conn.execute(_LOCK, facts.workspace, row["connection"])
    await conn.execute(
        """update writeback.effects
           set doubt = null,
               state = case when held_by = $2 and $3 = '' then 'pending' else state end,
               held_by = case when held_by = $2 then nullif($3, '') else held_by end,
               next_attempt_at = case when sending is null then clock_timestamp()
                                      else next_attempt_at end,
               revision = revision + 1
           where workspace = $1 and doubt is not null and state in ('pending', 'held')""",
        facts.workspace,
        HELD_BY_BRAKE,
        facts.gate,
    )
    await conn.execute("delete from writeback.doubted_writes where workspace = $1", facts.workspace)
    config = facts.config
    names = [] if config is None else [connection.name for connection in config.connections]
    await close_items(conn, [_item(facts.workspace, name) for name in names])


async def let_go(conn: Connection, targets: Collection[tuple[str, str]]) -> None:
    """Effects of (workspace, connection) left the brake by themselves: with the last one its item
    closes."""
    for workspace, connection in sorted(targets):
        if not await conn.fetchval(_HOLDS, workspace, connection, HELD_BY_BRAKE):
            await close_items(conn, [_item(workspace, connection)])


async def written(conn: Connection, effects: Iterable[Effect]) -> None:
    """Count those of the written effects that were doubted; what left the window is forgotten."""
    ordered = sorted((one for one in effects if one.doubt), key=lambda one: one.id)
    if not ordered:
        return
    await conn.execute(
        """insert into writeback.doubted_writes (workspace, connection, kind, vendor_id, moved)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[])
           on conflict (workspace, connection, kind, vendor_id)
           do update set at = clock_timestamp(), moved = excluded.moved""",
        *([effect.id[place] for effect in ordered] for place in range(4)),
        [effect.doubt == "moved" for effect in ordered],
    )
    await conn.execute(
        """delete from writeback.doubted_writes
           where workspace = $1 and connection = $2
             and at < clock_timestamp() - interval '1 hour'""",
        ordered[0].id.workspace,
        ordered[0].id.connection,
    )


def _item(workspace: str, connection: str) -> Item:
    return Item(workspace, "mass_change", connection)
