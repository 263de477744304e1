"""The mass-change brake: a wrong key must not churn the book (design 7).

One allowance per connection: what no customer's event brought about (`doubt`) may change
max(20, 2 %) of its records within an hour. What waits counts, and what was written within the last
hour by the database's clock, so neither a restart nor a wrong host clock gives it anew. Beyond
that every such effect is held, until a person approves, which gives the allowance anew, or the
customer's own event changes the record. Single events of customers are never held.
"""

from collections.abc import Collection
from typing import Final

import structlog

from writeback.effects import HELD_BY_BRAKE, RecordId
from writeback.gate import WorkspaceFacts
from writeback.outbox import Subject, close_attention, open_attention
from writeback.store import Connection

log = structlog.get_logger()

FEWEST: Final = 20
"""Records that may change in any book: else a small one would wait for every edit of the file."""
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
        where workspace = $1 and connection = $2) as records
"""

_HOLDS: Final = """
select exists (select from writeback.effects
               where workspace = $1 and connection = $2 and doubt is not null and held_by = $3)
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
    """How many records of a connection of that many may change without a person."""
    return max(FEWEST, records // _ONE_IN)


async def check(conn: Connection, workspace: str, connection: str) -> None:
    """Hold every doubted effect of the connection when there are too many of them.

    Call it in the transaction that saved doubted effects, under the workspace's lock.
    """
    row = await conn.fetchrow(_COUNT, workspace, connection)
    limit = allowed(row["records"])
    if row["doubted"] <= limit and not await conn.fetchval(
        _HOLDS, workspace, connection, HELD_BY_BRAKE
    ):
        return
    await conn.execute(_LOCK, workspace, connection)
    status = await conn.execute(_HOLD, workspace, connection, HELD_BY_BRAKE)
    if status == "UPDATE 0":
        return
    await open_attention(
        conn,
        _subject(workspace, connection),
        f"{connection}: a walk, reads or the configuration would change more than {limit} records "
        f"within an hour; they wait: look at `plumbline plan`, then `plumbline plan --apply`",
        {"allowed": limit},
    )
    log.warning(
        "mass_change_held", target=f"{workspace}/{connection}", records=row["records"],
        doubted=row["doubted"], allowed=limit,
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
    await close_attention(conn, [_subject(facts.workspace, name) for name in names])


async def let_go(conn: Connection, targets: Collection[tuple[str, str]]) -> None:
    """Effects of (workspace, connection) left the brake by themselves: with the last one its item
    closes."""
    for workspace, connection in sorted(targets):
        if not await conn.fetchval(_HOLDS, workspace, connection, HELD_BY_BRAKE):
            await close_attention(conn, [_subject(workspace, connection)])


async def written(conn: Connection, records: Collection[RecordId]) -> None:
    """Count doubted effects that were written; what left the window is forgotten."""
    if not records:
        return
    ordered = sorted(records)
    await conn.execute(
        """insert into writeback.doubted_writes (workspace, connection, kind, vendor_id)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::text[])
           on conflict (workspace, connection, kind, vendor_id)
           do update set at = clock_timestamp()""",
        *([record[place] for record in ordered] for place in range(4)),
    )
    await conn.execute(
        """delete from writeback.doubted_writes
           where workspace = $1 and connection = $2
             and at < clock_timestamp() - interval '1 hour'""",
        ordered[0].workspace,
        ordered[0].connection,
    )


def _subject(workspace: str, connection: str) -> Subject:
    return Subject(workspace, "mass_change", connection)
