"""Tables of this service: workspaces, accounts, last seen records, effects.

Handlers take the workspace's row first, so what two partitions say about one record is folded one
after the other; rows of every statement are sorted by key.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from plumbline_schemas.accounts import AccountState
from plumbline_schemas.internal import WorkspaceConfig

from writeback.effects import Effect, RecordId, SeenRecord
from writeback.gate import HOLDS, OPEN, WorkspaceFacts
from writeback.partial import NOTHING, REST, changed_columns, row_of, statement

Connection = Any
"""An asyncpg connection, pooled or not."""

_WANTED: Final = """unnest($1::text[], $2::text[], $3::text[], $4::text[])
    as wanted (workspace, connection, kind, vendor_id)"""
_BY_WANTED: Final = """known.workspace = wanted.workspace and known.connection = wanted.connection
    and known.kind = wanted.kind and known.vendor_id = wanted.vendor_id offset 0"""
"""`offset 0` keeps each look-up one by the whole key, whatever the statistics say of the table."""
_COLUMNS: Final = Effect._fields
_PAGE: Final = 500


def _upsert(table: str, columns: tuple[str, ...], key: int) -> str:
    names = ", ".join(columns)
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns[key:])
    return f"""
        insert into writeback.{table} ({names})
        select {names} from jsonb_populate_recordset(null::writeback.{table}, $1::jsonb)
        on conflict ({", ".join(columns[:key])}) do update set {changes}
    """  # noqa: S608 - names are constants of this module


_SAVE_RECORDS: Final = _upsert("records", SeenRecord._fields, 4)


_LOCK_WORKSPACES: Final = """
    select workspace, config::text, config_revision, approved_revision, gate
    from writeback.workspaces where workspace = any($1::text[]) order by workspace for update
"""


async def lock_workspaces(conn: Connection, names: Collection[str]) -> dict[str, WorkspaceFacts]:
    """Take the workspaces' rows for this transaction and return what the log said about them."""
    ordered = sorted(set(names))
    rows = await conn.fetch(_LOCK_WORKSPACES, ordered)
    if len(rows) < len(ordered):
        await conn.execute(
            """insert into writeback.workspaces (workspace) select unnest($1::text[])
               on conflict (workspace) do nothing""",
            ordered,
        )
        rows = await conn.fetch(_LOCK_WORKSPACES, ordered)
    return {row["workspace"]: _facts(row) for row in rows}


async def workspace(conn: Connection, name: str) -> WorkspaceFacts:
    """What the log said about one workspace so far."""
    row = await conn.fetchrow(
        """select workspace, config::text, config_revision, approved_revision, gate
           from writeback.workspaces where workspace = $1""",
        name,
    )
    return WorkspaceFacts(name) if row is None else _facts(row)


def _facts(row: Mapping[str, Any]) -> WorkspaceFacts:
    config = row["config"]
    return WorkspaceFacts(
        row["workspace"],
        None if config is None else _config(config),
        row["config_revision"],
        row["approved_revision"],
        row["gate"],
    )


@lru_cache(maxsize=64)
def _config(text: str) -> WorkspaceConfig:
    """Decoded once: it is asked for with every batch and changes about never."""
    return WorkspaceConfig.model_validate_json(text)


async def save_workspace(conn: Connection, facts: WorkspaceFacts) -> None:
    """Store what the log said."""
    config = None if facts.config is None else facts.config.model_dump(mode="json")
    await conn.execute(
        """update writeback.workspaces
           set config = $2, config_revision = $3, approved_revision = $4, gate = $5
           where workspace = $1""",
        facts.workspace,
        config,
        facts.config_revision,
        facts.approved_revision,
        facts.gate,
    )


async def walked(conn: Connection, name: str) -> dict[str, int]:
    """Connections whose initial walk is complete, with the marker's revision."""
    rows = await conn.fetch(
        "select connection, revision from writeback.walks where workspace = $1", name
    )
    return {row["connection"]: row["revision"] for row in rows}


async def save_walks(conn: Connection, name: str, walks: Mapping[str, int]) -> None:
    """Store completed walks."""
    await conn.execute(
        """insert into writeback.walks (workspace, connection, revision)
           select $1, * from unnest($2::text[], $3::bigint[])
           on conflict (workspace, connection) do update set revision = excluded.revision""",
        name,
        sorted(walks),
        [walks[connection] for connection in sorted(walks)],
    )


async def regate(conn: Connection, name: str, gate: str) -> None:
    """Hold or release every unfinished effect of the workspace that no conflict holds."""
    await _lock_all(conn, name)
    if gate == OPEN:
        await conn.execute(
            """update writeback.effects
               set state = 'pending', held_by = null, revision = revision + 1
               where workspace = $1 and state = 'held' and held_by = any($2::text[])""",
            name,
            sorted(HOLDS),
        )
        return
    await conn.execute(
        """update writeback.effects
           set state = 'held', held_by = $2, revision = revision + 1, measured_from = null
           where workspace = $1
             and (state = 'pending' or (state = 'held' and held_by = any($3::text[])))""",
        name,
        gate,
        sorted(HOLDS),
    )


async def _lock_all(conn: Connection, name: str) -> None:
    """Lock in key order, as senders do, before a statement that goes by no order."""
    await conn.execute(
        """select from writeback.effects
           where workspace = $1 and (state <> 'applied' or conflicts <> '{}')
           order by workspace, connection, kind, vendor_id for update""",
        name,
    )


async def release_conflicts(conn: Connection, name: str, gate: str) -> None:
    """The policy may have changed: look again at every record on which a person disagrees."""
    await _lock_all(conn, name)
    await conn.execute(
        """update writeback.effects
           set state = case when $2 = '' then 'pending' else 'held' end,
               held_by = nullif($2, ''), revision = revision + 1, measured_from = null
           where workspace = $1
             and (held_by = 'conflict' or (state = 'applied' and conflicts <> '{}'))""",
        name,
        gate,
    )


async def account_versions(
    conn: Connection, accounts: Collection[tuple[str, str]]
) -> dict[tuple[str, str], int]:
    """Version each (workspace, account) is at."""
    rows = await conn.fetch(
        """select found.* from unnest($1::text[], $2::text[]) as wanted (workspace, account_id)
           cross join lateral (
               select workspace, account_id, version from writeback.accounts as known
               where known.workspace = wanted.workspace and known.account_id = wanted.account_id
               offset 0
           ) as found""",
        [workspace for workspace, _ in accounts],
        [account for _, account in accounts],
    )
    return {(row["workspace"], row["account_id"]): row["version"] for row in rows}


async def workspaces_of(conn: Connection, accounts: Collection[str]) -> dict[str, str]:
    """The workspace of each known account; ids are unique over all of them (design 4)."""
    rows = await conn.fetch(
        "select workspace, account_id from writeback.accounts where account_id = any($1::text[])",
        sorted(accounts),
    )
    return {row["account_id"]: row["workspace"] for row in rows}


async def save_accounts(
    conn: Connection, states: Mapping[tuple[str, str], tuple[int, bytes | None]]
) -> None:
    """Store the newest state of each account as it came; None keeps only that it was erased."""
    keys = sorted(states)
    await conn.execute(
        """insert into writeback.accounts (workspace, account_id, version, state)
           select workspace, account_id, version, state::jsonb
           from unnest($1::text[], $2::text[], $3::bigint[], $4::text[])
               as came (workspace, account_id, version, state)
           on conflict (workspace, account_id)
           do update set version = excluded.version, state = excluded.state""",
        [key[0] for key in keys],
        [key[1] for key in keys],
        [states[key][0] for key in keys],
        [None if (state := states[key][1]) is None else state.decode() for key in keys],
    )


async def states(conn: Connection, name: str) -> AsyncIterator[list[AccountState]]:
    """All account states of a workspace, page by page."""
    last = ""
    while True:
        rows = await conn.fetch(
            """select account_id, state from writeback.accounts
               where workspace = $1 and account_id > $2 and state is not null
               order by account_id limit $3""",
            name,
            last,
            _PAGE,
        )
        if not rows:
            return
        yield [AccountState.model_validate(row["state"]) for row in rows]
        last = rows[-1]["account_id"]


async def lock_effects(
    conn: Connection, records: Iterable[RecordId], accounts: Collection[tuple[str, str]] = ()
) -> dict[RecordId, Effect]:
    """Effects of these records and of these (workspace, account)s, locked, sorted by key."""
    rows = await conn.fetch(
        f"""select found.* from (
                select * from {_WANTED}
                union
                select owned.* from unnest($5::text[], $6::text[]) as account (workspace, id)
                cross join lateral (
                    select workspace, connection, kind, vendor_id from writeback.effects as known
                    where known.workspace = account.workspace and known.account_id = account.id
                    offset 0
                ) as owned
                order by 1, 2, 3, 4
            ) as wanted
            cross join lateral (
                select {", ".join(_COLUMNS)} from writeback.effects as known
                where {_BY_WANTED} for update
            ) as found""",  # noqa: S608 - names are constants of this module
        *_arrays(records),
        [workspace for workspace, _ in accounts],
        [account for _, account in accounts],
    )
    effects = [Effect(*row.values()) for row in rows]
    return {effect.id: effect for effect in effects}


async def save_effects(
    conn: Connection, effects: Iterable[Effect], locked: Mapping[RecordId, Effect]
) -> None:
    """Insert effects, or replace what has changed of those that this transaction has `locked`."""
    ordered = sorted(effects, key=lambda effect: effect.id)
    new = [effect for effect in ordered if effect.id not in locked]
    known = [effect for effect in ordered if effect.id in locked]
    columns = changed_columns(known, locked)
    for some, names in ((new, REST), (known, tuple(columns))):
        if some and names:
            rows = [row_of(effect, names) for effect in some]
            await conn.execute(statement(names), rows, NOTHING)


async def seen(conn: Connection, records: Iterable[RecordId]) -> dict[RecordId, SeenRecord]:
    """Last seen values of these records, locked, sorted by key."""
    rows = await conn.fetch(
        f"""select found.* from (select * from {_WANTED} order by 1, 2, 3, 4) as wanted
            cross join lateral (
                select {", ".join(SeenRecord._fields)} from writeback.records as known
                where {_BY_WANTED} for update
            ) as found""",  # noqa: S608 - names are constants of this module
        *_arrays(records),
    )
    found = [SeenRecord(*row.values()) for row in rows]
    return {record.id: record for record in found}


async def save_seen(conn: Connection, records: Iterable[SeenRecord]) -> None:
    """Store what records were seen to hold."""
    rows = [record._asdict() for record in sorted(records, key=lambda record: record.id)]
    if rows:
        await conn.execute(_SAVE_RECORDS, rows)


def _arrays(records: Iterable[RecordId]) -> list[list[str]]:
    ordered = sorted(records)
    return [[record[place] for record in ordered] for place in range(4)]
