"""A run's changes as sorted upserts, a statement a table; most are functions (migration 0014)."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from plumbline_domain.account import FOLD_VERSION
from plumbline_domain.identity.index import Side
from plumbline_schemas.ids import ExternalKey

from matcher.calls import Call, Statement
from matcher.identity_index import put_profiles, remove_arguments
from matcher.kept import pack
from matcher.rows import WorkspaceRow
from matcher.ruled import ruling_statements
from matcher.snapshot import Snapshot
from matcher.stored import pack_held


def dumps(value: Any) -> str:
    """JSON text for a jsonb column; keys sorted, so that equal rows are equal bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def array_text(values: Iterable[str]) -> str:
    """A text[] as PostgreSQL writes it."""
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"


def statements(snapshot: Snapshot, *, silent: bool) -> Iterator[Statement | Call]:
    """What is to be stored, written one table after the other."""
    yield from _objects(snapshot)
    yield from _kept(snapshot)
    yield from _identity(snapshot)
    yield from _accounts(snapshot)
    yield from _links(snapshot)
    yield from _changes(snapshot)
    if not silent:
        yield from _outbox(snapshot)
    yield from _decisions(snapshot)
    for statement in ruling_statements(snapshot.workspace.workspace, snapshot.rulings):
        yield Statement(*statement)
    yield from _asked(snapshot)


def _objects(snapshot: Snapshot) -> Iterator[Call]:
    rows = [snapshot.objects[key] for key in sorted(snapshot.changed_objects)]
    if not rows:
        return
    standing = [row.held.standing for row in rows]
    yield Call(
        "put_objects",
        (
            snapshot.workspace.workspace,
            snapshot.workspace.kept_version,
            [row.key for row in rows],
            [row.kind for row in rows],
            [row.parent_key for row in rows],
            [row.held.vendor_time_ms for row in rows],
            [row.deleted for row in rows],
            [None if version is None else version.content_hash for version in standing],
            [None if version is None else dumps(version.content) for version in standing],
            [dumps(pack_held(row.held)) for row in rows],
            [array_text(sorted(row.needs)) for row in rows],
            [_facts(snapshot, row.key, row.parent_key) for row in rows],
        ),
    )


def _facts(snapshot: Snapshot, key: ExternalKey, parent: ExternalKey | None) -> str | None:
    kept = snapshot.book(parent).get(key)
    return None if kept is None else pack(kept)


def _kept(snapshot: Snapshot) -> Iterator[Call]:
    """Shares worked out again of objects that did not change."""
    keys = sorted(snapshot.changed_kept.keys() - snapshot.changed_objects)
    if not keys:
        return
    facts = [_facts(snapshot, key, snapshot.changed_kept[key]) for key in keys]
    workspace = snapshot.workspace
    yield Call("put_facts", (workspace.workspace, workspace.kept_version, keys, facts))


def _identity(snapshot: Snapshot) -> Iterator[Statement | Call]:
    """Profiles that changed, with their keys."""
    workspace = snapshot.workspace.workspace
    sides: tuple[Side, ...] = ("customer", "record")
    for side in sides:
        put, gone = snapshot.identity.changes(side)
        if gone:
            yield Statement(*remove_arguments(workspace, side, gone))
        if put:
            yield put_profiles(workspace, side, put)


def _accounts(snapshot: Snapshot) -> Iterator[Call]:
    rows = [snapshot.accounts[key] for key in sorted(snapshot.changed_accounts)]
    if not rows:
        return
    states = [row.state for row in rows]
    yield Call(
        "put_accounts",
        (
            snapshot.workspace.workspace,
            [row.account_id for row in rows],
            [row.founder_key for row in rows],
            [row.founded_sequence for row in rows],
            [None if state is None else state["version"] for state in states],
            [None if state is None else orjson.dumps(state).decode() for state in states],
            [row.due_at for row in rows],
            [row.fold_version for row in rows],
            [row.merged_into is None and not snapshot.records_of(row.account_id) for row in rows],
            [row.had_mrr for row in rows],
            [array_text(row.candidates) for row in rows],
            [dumps(row.attention) for row in rows],
            [row.merged_into for row in rows],
            [row.incomplete_since for row in rows],
            [row.last_mrr for row in rows],
            [row.kept_merged for row in rows],
        ),
    )


def _links(snapshot: Snapshot) -> Iterator[Call]:
    rows = [snapshot.changed_links[name] for name in sorted(snapshot.changed_links)]
    if not rows:
        return
    yield Call(
        "put_links",
        (
            snapshot.workspace.workspace,
            [row.key for row in rows],
            [row.account_id for row in rows],
            [row.opened_version for row in rows],
            [row.closed_version for row in rows],
            [row.method for row in rows],
            [row.evidence for row in rows],
            [row.proof for row in rows],
            [row.decided_by for row in rows],
        ),
    )


def _changes(snapshot: Snapshot) -> Iterator[Call]:
    rows = snapshot.changes
    if not rows:
        return
    yield Call(
        "put_changes",
        (
            snapshot.workspace.workspace,
            FOLD_VERSION,
            [row.sequence for row in rows],
            [row.account_id for row in rows],
            [row.effective_at for row in rows],
            [dumps(row.cause) for row in rows],
            [dumps(row.before) for row in rows],
            [dumps(row.after) for row in rows],
            [row.movement for row in rows],
            [row.mrr_before for row in rows],
            [row.mrr_after for row in rows],
            [dumps(row.events) for row in rows],
            [row.config_revision for row in rows],
        ),
    )


def _outbox(snapshot: Snapshot) -> Iterator[Call]:
    rows = snapshot.outbox
    if not rows:
        return
    yield Call(
        "put_outbox",
        (
            snapshot.workspace.workspace,
            [row.position for row in rows],
            [row.topic for row in rows],
            [row.key for row in rows],
            [dumps(row.value) for row in rows],
            [row.occurred_at for row in rows],
        ),
    )


def _decisions(snapshot: Snapshot) -> Iterator[Statement]:
    rows = [snapshot.decisions[key] for key in sorted(snapshot.changed_decisions)]
    if not rows:
        return
    yield Statement(
        """insert into matcher.decisions (workspace, key, revision, body)
           select $1, key, revision, body::jsonb
           from unnest($2::text[], $3::bigint[], $4::text[]) as fresh (key, revision, body)
           on conflict (workspace, key) do update set
               revision = excluded.revision, body = excluded.body""",
        (
            snapshot.workspace.workspace,
            [row.key for row in rows],
            [row.revision for row in rows],
            [dumps(row.body) for row in rows],
        ),
    )


def _asked(snapshot: Snapshot) -> Iterator[Call]:
    keys = sorted(snapshot.asked)
    if not keys:
        return
    bases = [snapshot.asked[key] for key in keys]
    yield Call("put_asked", (snapshot.workspace.workspace, keys, bases))


def move_workspace(now: WorkspaceRow, *, was: WorkspaceRow, silent: bool) -> Call:
    """Moves the workspace's row by compare-and-set of its sequence and cursor: true, or too late.

    `silent`: a rebuild, which publishes nothing; its outbox stays empty and counts as published.
    """
    return Call(
        "move_workspace",
        (
            now.workspace,
            now.sequence,
            now.outbox_sequence,
            now.now,
            now.config_revision,
            None if now.config is None else now.config.model_dump_json(),
            dumps(now.walks),
            dumps(now.rates),
            None if now.cursor is None else dumps(now.cursor),
            now.index_basis,
            dumps(now.agencies),
            now.decided_basis,
            was.sequence,
            None if was.cursor is None else dumps(was.cursor),
            silent,
        ),
    )
