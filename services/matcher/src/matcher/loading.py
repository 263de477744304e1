"""Reads of the matcher's tables, many keys a round trip."""

from collections.abc import Collection

import asyncpg
import orjson
from plumbline_schemas.ids import AccountId, ExternalKey
from plumbline_schemas.internal import WorkspaceConfig

from matcher.facts import kept_of
from matcher.kept import KEPT_KINDS, unpack
from matcher.rows import AccountRow, DecisionRow, LinkRow, ObjectRow, WorkspaceRow
from matcher.snapshot import Snapshot
from matcher.stored import unpack_held


async def read_workspace(conn: asyncpg.Connection, workspace: str) -> WorkspaceRow:
    """The workspace's row; a new one for a workspace never seen."""
    row = await conn.fetchrow(
        """select sequence, outbox_sequence, now, config_revision, config::text, walks::text,
                  rates::text, fold_cursor::text, index_basis, decided_basis, agencies::text
           from matcher.workspaces where workspace = $1""",
        workspace,
    )
    if row is None:
        return WorkspaceRow(workspace)
    config = row["config"]
    return WorkspaceRow(
        workspace=workspace,
        sequence=row["sequence"],
        outbox_sequence=row["outbox_sequence"],
        now=row["now"],
        config_revision=row["config_revision"],
        config=None if config is None else WorkspaceConfig.model_validate_json(config),
        walks=orjson.loads(row["walks"]),
        rates=orjson.loads(row["rates"]),
        index_basis=row["index_basis"],
        decided_basis=row["decided_basis"],
        agencies=orjson.loads(row["agencies"]),
        cursor=None if row["fold_cursor"] is None else orjson.loads(row["fold_cursor"]),
    )


async def read_links(
    conn: asyncpg.Connection,
    workspace: str,
    *,
    keys: Collection[ExternalKey] = (),
    accounts: Collection[AccountId] = (),
) -> list[LinkRow]:
    """Open links of external keys or of accounts."""
    if not keys and not accounts:
        return []
    rows = await conn.fetch(
        f"""select l.* from unnest($2::text[]) as wanted (name)
            cross join lateral (
                select key, account_id, opened_version, method, evidence, proof::text, decided_by
                from matcher.links
                where workspace = $1 and closed_version is null
                  and {"key" if keys else "account_id"} = wanted.name offset 0) l""",  # noqa: S608
        workspace,
        list(keys or accounts),
    )
    return [LinkRow(**dict(row)) for row in rows]


async def load_accounts(
    conn: asyncpg.Connection, snapshot: Snapshot, accounts: Collection[AccountId]
) -> None:
    """Put accounts into the snapshot."""
    if not accounts:
        return
    snapshot.accounts_known.update(accounts)
    rows = await conn.fetch(
        """select a.* from unnest($2::text[]) as wanted (account_id)
           cross join lateral (
               select account_id, founder_key, founded_sequence, state::text, due_at,
                      fold_version, had_mrr, candidates, attention::text, merged_into,
                      incomplete_since, last_mrr, kept_merged
               from matcher.accounts
               where workspace = $1 and account_id = wanted.account_id offset 0) a""",
        snapshot.workspace.workspace,
        list(accounts),
    )
    for row in rows:
        state = orjson.loads(row["state"])
        account = AccountRow(
            account_id=AccountId(row["account_id"]),
            founder_key=ExternalKey(row["founder_key"]),
            founded_sequence=row["founded_sequence"],
            state=state,
            due_at=row["due_at"],
            fold_version=row["fold_version"],
            had_mrr=row["had_mrr"],
            candidates=tuple(row["candidates"]),
            attention=orjson.loads(row["attention"]),
            incomplete_since=row["incomplete_since"],
            last_mrr=row["last_mrr"],
            kept_merged=row["kept_merged"],
            merged_into=row["merged_into"],
            baselines={} if state is None else state.get("baselines", {}),
        )
        snapshot.accounts[account.account_id] = account


async def load_objects(
    conn: asyncpg.Connection, snapshot: Snapshot, keys: Collection[ExternalKey]
) -> None:
    """Put whole objects into the snapshot, and what is kept beside them."""
    if not keys:
        return
    rows = await conn.fetch(
        """select o.* from unnest($2::text[]) as wanted (key)
           cross join lateral (
               select key, kind, parent_key, vendor_time_ms, deleted, body::text, held::text, needs,
                      case when facts_version = $3 then facts::text end as facts
               from matcher.objects where workspace = $1 and key = wanted.key offset 0) o""",
        snapshot.workspace.workspace,
        list(keys),
        snapshot.workspace.kept_version,
    )
    snapshot.looked_up(keys)
    for row in rows:
        load_row(snapshot, row)


async def load_kept(
    conn: asyncpg.Connection, snapshot: Snapshot, parents: Collection[ExternalKey]
) -> None:
    """Put what is kept beside the objects of billing customers into the snapshot."""
    if not parents:
        return
    rows = await conn.fetch(
        """select o.* from unnest($2::text[]) as wanted (key)
           cross join lateral (
               select key, kind, parent_key, vendor_time_ms, deleted, needs, fresh,
                      case when fresh then facts::text end as facts,
                      case when not fresh then body::text end as body,
                      case when not fresh then held::text end as held
               from (select *, coalesce(facts_version = $4, false) as fresh
                     from matcher.objects
                     where workspace = $1 and parent_key = wanted.key and key <> all($3::text[])
                       and kind = any($5::text[])
                     offset 0) children) o""",
        snapshot.workspace.workspace,
        list(parents),
        [key for key, row in snapshot.objects.items() if row.kind in KEPT_KINDS],
        snapshot.workspace.kept_version,
        sorted(KEPT_KINDS),
    )
    for row in rows:
        if row["fresh"]:
            key, parent = ExternalKey(row["key"]), ExternalKey(row["parent_key"])
            snapshot.load_kept(unpack(key, parent, row["facts"], row["needs"]))
        else:
            load_row(snapshot, row)


def load_row(snapshot: Snapshot, row: asyncpg.Record) -> None:
    """An object read whole."""
    whole = _object(row)
    snapshot.load_object(whole)
    if whole.kind not in KEPT_KINDS or whole.parent_key in snapshot.complete:
        return
    if row["facts"] is None:
        snapshot.load_kept(kept_of(whole, snapshot.workspace.scope(whole.key.split("/", 2)[1])))
        snapshot.changed_kept[whole.key] = whole.parent_key
    else:
        snapshot.load_kept(unpack(whole.key, whole.parent_key, row["facts"], row["needs"]))


def _object(row: asyncpg.Record) -> ObjectRow:
    body = None if row["body"] is None else orjson.loads(row["body"])
    held = unpack_held(orjson.loads(row["held"]), body, row["vendor_time_ms"])
    return ObjectRow(
        key=ExternalKey(row["key"]),
        kind=row["kind"],
        parent_key=row["parent_key"],
        held=held,
        deleted=row["deleted"],
        needs=frozenset(ExternalKey(key) for key in row["needs"]),
    )


async def load_decisions(
    conn: asyncpg.Connection, snapshot: Snapshot, keys: Collection[ExternalKey]
) -> None:
    """Put decisions into the snapshot."""
    if not keys:
        return
    rows = await conn.fetch(
        """select key, revision, body::text from matcher.decisions
           where workspace = $1 and key = any($2::text[])""",
        snapshot.workspace.workspace,
        list(keys),
    )
    for row in rows:
        key = ExternalKey(row["key"])
        snapshot.decisions[key] = DecisionRow(key, row["revision"], orjson.loads(row["body"]))
