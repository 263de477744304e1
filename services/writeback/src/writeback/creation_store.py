"""The table of creations: what is due, what is out, what the brake holds."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final

import structlog
from plumbline_runtime.attention import Item, close_items, open_attention

from writeback import brake
from writeback.creations import Creation
from writeback.gate import WorkspaceFacts
from writeback.store import Connection

log = structlog.get_logger()

_COLUMNS: Final = ", ".join(f"c.{name}" for name in Creation._fields)
_NAMES: Final = ", ".join(Creation._fields)
_SAVE: Final = f"""
    insert into writeback.creations ({_NAMES})
    select {_NAMES} from jsonb_populate_recordset(null::writeback.creations, $1::jsonb)
    on conflict (workspace, account_id) do update
    set {", ".join(f"{name} = excluded.{name}" for name in Creation._fields[2:])}
"""  # noqa: S608 - names are constants of this module

# Of those with one lock only the first may go, and none while another is out or has just been
# linked: by then each account has been decided anew with the record that was made.
_DUE: Final = f"""
    select {_COLUMNS} from writeback.creations as c
    where c.workspace = $1 and c.connection = $2 and c.state in ('pending', 'sending')
      and c.next_attempt_at <= clock_timestamp() and c.kind = any($5::text[])
      and not exists (
          select from writeback.creations as o
          where o.workspace = c.workspace and o.lock = c.lock and o.account_id <> c.account_id
            and (o.state in ('sending', 'created')
                 or (o.state = 'done'
                     and o.since > clock_timestamp() - make_interval(secs => $4))
                 or (c.state = 'pending' and o.state = 'pending'
                     and (o.received_at, o.account_id) < (c.received_at, c.account_id))))
    order by c.kind, c.received_at, c.account_id limit $3
"""  # noqa: S608 - names are constants of this module

_COUNT: Final = """
    select (select count(*) from writeback.creations
            where workspace = $1 and connection = $2 and doubted
              and (state in ('pending', 'held', 'sending')
                   or since > clock_timestamp() - interval '1 hour')) as doubted,
           (select count(*) from writeback.effects
            where workspace = $1 and connection = $2) as records
"""


async def lock(
    conn: Connection, accounts: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Creation]:
    """Creations of these (workspace, account)s, locked, in the order of their keys."""
    ordered = sorted(accounts)
    rows = await conn.fetch(
        f"""select {_COLUMNS} from writeback.creations as c
            where (c.workspace, c.account_id) in
                  (select * from unnest($1::text[], $2::text[]))
            order by c.workspace, c.account_id for update""",  # noqa: S608 - constant names
        [workspace for workspace, _ in ordered],
        [account for _, account in ordered],
    )
    found = [Creation(*row.values()) for row in rows]
    return {(row.workspace, row.account_id): row for row in found}


async def save(conn: Connection, rows: Iterable[Creation]) -> None:
    """Insert or replace; a failed one asks a person, any other closes what was asked."""
    ordered = sorted(rows, key=lambda row: (row.workspace, row.account_id))
    if not ordered:
        return
    await conn.execute(_SAVE, [row._asdict() for row in ordered])
    for row in ordered:
        if row.state == "failed":
            await open_attention(
                conn,
                **_item(row)._asdict(),
                summary=f"no record can be made for {row.name}: {row.last_error}",
                details={"account": row.account_id, "error": row.last_error, "state": "failed"},
            )
    await close_items(conn, [_item(row) for row in ordered if row.state != "failed"])


async def drop(conn: Connection, rows: Iterable[Creation]) -> None:
    """Forget creations, and what was asked about them."""
    gone = sorted((row.workspace, row.account_id) for row in rows)
    if not gone:
        return
    await conn.execute(
        """delete from writeback.creations
           where (workspace, account_id) in (select * from unnest($1::text[], $2::text[]))""",
        [workspace for workspace, _ in gone],
        [account for _, account in gone],
    )
    await close_items(conn, [_item(row) for row in rows])


def _item(row: Creation) -> Item:
    return Item(row.workspace, "failed_effect", row.subject)


async def any_open(conn: Connection, workspace: str, connection: str) -> bool:
    """Whether there is anything to do, or to wait for."""
    found = await conn.fetchval(
        """select exists (select from writeback.creations
                          where workspace = $1 and connection = $2)""",
        workspace,
        connection,
    )
    return bool(found)


async def due(
    conn: Connection,
    workspace: str,
    connection: str,
    *,
    kinds: Sequence[str],
    limit: int,
    settle: float,
) -> list[Creation]:
    """Creations whose turn it is, of one of the kinds."""
    rows = await conn.fetch(_DUE, workspace, connection, limit, settle, list(kinds))
    found = [Creation(*row.values()) for row in rows]
    return [row for row in found if row.kind == found[0].kind]


async def unlinked(conn: Connection, workspace: str, connection: str) -> list[Creation]:
    """Created ones whose records were to be known by now: they are asked for again. Locked."""
    rows = await conn.fetch(
        f"""select {_COLUMNS} from writeback.creations as c
            where c.workspace = $1 and c.connection = $2 and c.state = 'created'
              and c.next_attempt_at <= clock_timestamp()
            order by c.workspace, c.account_id for update""",  # noqa: S608 - constant names
        workspace,
        connection,
    )
    return [Creation(*row.values()) for row in rows]


async def forget_done(conn: Connection, workspace: str, connection: str) -> None:
    """Finished ones are kept for an hour: the brake counts them."""
    await conn.execute(
        """delete from writeback.creations
           where workspace = $1 and connection = $2 and state = 'done'
             and since < clock_timestamp() - interval '1 hour'""",
        workspace,
        connection,
    )


async def want_looks(
    conn: Connection, keys: Sequence[str], reason: str, requested_at: datetime
) -> None:
    """Have records looked at: the outbox asks for it."""
    if keys:
        await conn.execute(
            """insert into writeback.looks (key, reason, requested_at)
               select key, $2, $3 from unnest($1::text[]) as key""",
            sorted(set(keys)),
            reason,
            requested_at,
        )


async def check(conn: Connection, workspace: str, connection: str) -> None:
    """Hold what the configuration wants made when it is too much (design 7, the brake).

    Call it in the transaction that saved doubted ones, under the workspace's lock.
    """
    row = await conn.fetchrow(_COUNT, workspace, connection)
    limit = brake.allowed(row["records"])
    if row["doubted"] <= limit:
        return
    status = await conn.execute(
        """update writeback.creations set state = 'held', since = clock_timestamp()
           where workspace = $1 and connection = $2 and doubted and state = 'pending'""",
        workspace,
        connection,
    )
    if status == "UPDATE 0":
        return
    await open_attention(
        conn,
        **Item(workspace, "mass_change", connection)._asdict(),
        summary=f"{connection}: the configuration would create more than {limit} records; "
        f"they wait: look at `plumbline plan`, then `plumbline plan --apply`",
        details={"allowed": limit},
    )
    log.warning("mass_creation_held", target=f"{workspace}/{connection}", allowed=limit)


async def release(conn: Connection, facts: WorkspaceFacts) -> None:
    """A person approved: what the brake holds is made."""
    await conn.execute(
        """update writeback.creations
           set doubted = false, since = clock_timestamp(),
               state = case when state = 'held' then 'pending' else state end
           where workspace = $1 and doubted""",
        facts.workspace,
    )
