"""Reads of the matcher's tables, many keys a round trip."""

from collections.abc import Collection
from typing import Final

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


_BEHIND_KEYS: Final = "select * from matcher.linked($1, $2)"
_OF_ACCOUNTS: Final = """
select l.* from unnest($2::text[]) as wanted (name)
cross join lateral (
    select key, account_id, opened_version, method, evidence, proof::text, decided_by
    from matcher.links
    where workspace || '' = $1 and closed_version is null and account_id = wanted.name offset 0) l
"""


async def read_links(
    conn: asyncpg.Connection,
    workspace: str,
    *,
    keys: Collection[ExternalKey] = (),
    accounts: Collection[AccountId] = (),
) -> list[LinkRow]:
    """All open links of the accounts behind external keys, or of accounts."""
    if not keys and not accounts:
        return []
    query = _BEHIND_KEYS if keys else _OF_ACCOUNTS
    rows = await conn.fetch(query, workspace, list(keys or accounts))
    return [LinkRow(**dict(row)) for row in rows]


async def load_accounts(
    conn: asyncpg.Connection, snapshot: Snapshot, accounts: Collection[AccountId]
) -> None:
    """Put accounts into the snapshot, but for those that are known there."""
    unknown = set(accounts) - snapshot.accounts_known
    if not unknown:
        return
    snapshot.accounts_known |= unknown
    rows = await conn.fetch(
        """select a.* from unnest($2::text[]) as wanted (account_id)
           cross join lateral (
               select account_id, founder_key, founded_sequence, state::text, due_at,
                      fold_version, had_mrr, candidates, attention::text, merged_into,
                      incomplete_since, last_mrr, kept_merged
               from matcher.accounts
               where workspace = $1 and account_id = wanted.account_id offset 0) a""",
        snapshot.workspace.workspace,
        list(unknown),
    )
    for row in rows:
        snapshot.accounts[AccountId(row["account_id"])] = account_of(row)


def account_of(row: asyncpg.Record) -> AccountRow:
    """An account as it was read."""
    state = orjson.loads(row["state"])
    return AccountRow(
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


async def load_objects(
    conn: asyncpg.Connection, snapshot: Snapshot, keys: Collection[ExternalKey]
) -> None:
    """Put whole objects into the snapshot that were not looked up, and what is kept beside them."""
    unseen = snapshot.unseen(keys)
    if not unseen:
        return
    rows = await conn.fetch(
        """select o.* from unnest($2::text[]) as wanted (key)
           cross join lateral (
               select key, kind, parent_key, vendor_time_ms, deleted, body::text, held::text, needs,
                      case when facts_version = $3 then facts::text end as facts
               from matcher.objects where workspace = $1 and key = wanted.key offset 0) o""",
        snapshot.workspace.workspace,
        list(unseen),
        snapshot.workspace.kept_version,
    )
    snapshot.looked_up(unseen)
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
                     where workspace || '' = $1 and parent_key = wanted.key
                       and key <> all($3::text[]) and kind = any($5::text[])
                     offset 0) children) o""",
        snapshot.workspace.workspace,
        list(parents),
        [key for key, row in snapshot.objects.items() if row.kind in KEPT_KINDS],
        snapshot.workspace.kept_version,
        sorted(KEPT_KINDS),
    )
    for row in rows:
        load_kept_row(snapshot, row, fresh=row["fresh"])


def load_kept_row(snapshot: Snapshot, row: asyncpg.Record, *, fresh: bool) -> None:
    """What is kept of an object; of one that is kept otherwise than now, it itself."""
    if fresh:
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
