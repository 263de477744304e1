"""A run's changes as sorted unnest upserts, a statement a table."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson
from plumbline_domain.account import FOLD_VERSION
from plumbline_domain.identity.index import Side
from plumbline_schemas.ids import ExternalKey

from matcher.identity_index import put_arguments, remove_arguments
from matcher.kept import pack
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


class Statement(NamedTuple):
    """A query and its arguments."""

    query: str
    arguments: tuple[Any, ...]


def statements(snapshot: Snapshot, *, silent: bool) -> Iterator[Statement]:
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


def _objects(snapshot: Snapshot) -> Iterator[Statement]:
    rows = [snapshot.objects[key] for key in sorted(snapshot.changed_objects)]
    if not rows:
        return
    standing = [row.held.standing for row in rows]
    yield Statement(
        """insert into matcher.objects
               (workspace, key, kind, parent_key, vendor_time_ms, deleted, content_hash, body,
                held, needs, facts, facts_version)
           select $1, key, kind, parent_key, vendor_time_ms, deleted, content_hash, body::json,
                  held::json, needs::text[], facts::json,
                  case when facts is not null then $12::int end
           from unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::boolean[],
                       $7::text[], $8::text[], $9::text[], $10::text[], $11::text[])
                as fresh (key, kind, parent_key, vendor_time_ms, deleted, content_hash, body,
                          held, needs, facts)
           on conflict (workspace, key) do update set
               parent_key = excluded.parent_key, vendor_time_ms = excluded.vendor_time_ms,
               deleted = excluded.deleted, content_hash = excluded.content_hash,
               body = excluded.body, held = excluded.held, needs = excluded.needs,
               facts = excluded.facts, facts_version = excluded.facts_version""",
        (
            snapshot.workspace.workspace,
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
            snapshot.workspace.kept_version,
        ),
    )


def _facts(snapshot: Snapshot, key: ExternalKey, parent: ExternalKey | None) -> str | None:
    kept = snapshot.book(parent).get(key)
    return None if kept is None else pack(kept)


def _kept(snapshot: Snapshot) -> Iterator[Statement]:
    """Shares worked out again of objects that did not change."""
    keys = sorted(snapshot.changed_kept.keys() - snapshot.changed_objects)
    if not keys:
        return
    yield Statement(
        """update matcher.objects o set facts = fresh.facts::json, facts_version = $4
           from unnest($2::text[], $3::text[]) as fresh (key, facts)
           where o.workspace = $1 and o.key = fresh.key""",
        (
            snapshot.workspace.workspace,
            keys,
            [_facts(snapshot, key, snapshot.changed_kept[key]) for key in keys],
            snapshot.workspace.kept_version,
        ),
    )


def _identity(snapshot: Snapshot) -> Iterator[Statement]:
    """Profiles that changed, with their keys."""
    workspace = snapshot.workspace.workspace
    sides: tuple[Side, ...] = ("customer", "record")
    for side in sides:
        put, gone = snapshot.identity.changes(side)
        if gone:
            yield Statement(*remove_arguments(workspace, side, gone))
        if put:
            yield Statement(*put_arguments(workspace, side, put))


def _accounts(snapshot: Snapshot) -> Iterator[Statement]:
    rows = [snapshot.accounts[key] for key in sorted(snapshot.changed_accounts)]
    if not rows:
        return
    states = [row.state for row in rows]
    yield Statement(
        """insert into matcher.accounts as a
               (workspace, account_id, founder_key, founded_sequence, version, state, due_at,
                fold_version, waiting, had_mrr, candidates, attention, merged_into,
                incomplete_since, last_mrr, kept_merged)
           select $1, account_id, founder_key, founded_sequence, version, state::json, due_at,
                  fold_version, waiting, had_mrr,
                  candidates::text[], attention::json,
                  merged_into, incomplete_since, last_mrr, kept_merged
           from unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[],
                       $7::timestamptz[], $8::integer[], $9::boolean[], $10::boolean[],
                       $11::text[], $12::text[], $13::text[], $14::timestamptz[],
                       $15::bigint[], $16::boolean[])
                as fresh (account_id, founder_key, founded_sequence, version, state, due_at,
                          fold_version, waiting, had_mrr, candidates, attention, merged_into,
                          incomplete_since, last_mrr, kept_merged)
           on conflict (workspace, account_id) do update set
               version = excluded.version, state = excluded.state, due_at = excluded.due_at,
               fold_version = excluded.fold_version, waiting = excluded.waiting,
               had_mrr = excluded.had_mrr, candidates = excluded.candidates,
               attention = excluded.attention, merged_into = excluded.merged_into,
               incomplete_since = excluded.incomplete_since, last_mrr = excluded.last_mrr,
               kept_merged = excluded.kept_merged,
               updated_at = clock_timestamp()""",
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


def _links(snapshot: Snapshot) -> Iterator[Statement]:
    rows = [snapshot.changed_links[name] for name in sorted(snapshot.changed_links)]
    if not rows:
        return
    yield Statement(
        """insert into matcher.links
               (workspace, key, account_id, opened_version, closed_version, method, evidence,
                proof, decided_by)
           select $1, key, account_id, opened_version, closed_version, method, evidence,
                  proof::json, decided_by
           from unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
                       $8::text[], $9::text[])
                as fresh (key, account_id, opened_version, closed_version, method, evidence,
                          proof, decided_by)
           on conflict (workspace, key, opened_version) do update set
               closed_version = excluded.closed_version""",
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


def _changes(snapshot: Snapshot) -> Iterator[Statement]:
    rows = snapshot.changes
    if not rows:
        return
    yield Statement(
        """insert into matcher.account_changes
               (workspace, sequence, account_id, effective_at, cause, before, after, movement,
                mrr_before, mrr_after, events, config_revision, rule_version)
           select $1, sequence, account_id, effective_at, cause::json, before::json,
                  after::json, movement, mrr_before, mrr_after, events::json, config_revision,
                  $13
           from unnest($2::bigint[], $3::text[], $4::timestamptz[], $5::text[], $6::text[],
                       $7::text[], $8::text[], $9::bigint[], $10::bigint[], $11::text[],
                       $12::bigint[])
                as fresh (sequence, account_id, effective_at, cause, before, after, movement,
                          mrr_before, mrr_after, events, config_revision)""",
        (
            snapshot.workspace.workspace,
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
            FOLD_VERSION,
        ),
    )


def _outbox(snapshot: Snapshot) -> Iterator[Statement]:
    rows = snapshot.outbox
    if not rows:
        return
    yield Statement(
        """insert into matcher.outbox (workspace, position, topic, key, value, occurred_at)
           select $1, position, topic, key, value::json, occurred_at
           from unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
                as fresh (position, topic, key, value, occurred_at)""",
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


def _asked(snapshot: Snapshot) -> Iterator[Statement]:
    keys = sorted(snapshot.asked)
    if not keys:
        return
    yield Statement(
        """insert into matcher.asked (workspace, key, basis)
           select $1, key, basis from unnest($2::text[], $3::text[]) as fresh (key, basis)
           on conflict (workspace, key) do update set basis = excluded.basis""",
        (snapshot.workspace.workspace, keys, [snapshot.asked[key] for key in keys]),
    )
