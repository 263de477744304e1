"""Folding a batch of either topic into effects: gather, decide, apply, in one transaction."""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import NamedTuple

from plumbline_runtime.attention import Item, close_items, open_attention
from plumbline_schemas.accounts import AccountState
from plumbline_schemas.observations import (
    ConfigObservation,
    DecisionObservation,
    WalkObservation,
)

from writeback import brake, store
from writeback.effects import HELD_BY_BRAKE, Effect, RecordId
from writeback.gate import OPEN, PLAN, WorkspaceFacts, gate_of
from writeback.outbox import close_record_attention
from writeback.plan import Moment, crm_links, fold_account
from writeback.sights import CrmObservation, fold_records, settled_by_sight
from writeback.store import Connection

_ATTENDED = frozenset({"failed", "skipped", "held"})
"""States of effects that a person may have been told of."""
OwnObservation = ConfigObservation | DecisionObservation | WalkObservation


class StateChange(NamedTuple):
    """A new state of an account, or its tombstone."""

    workspace: str | None
    """None for a tombstone, whose key names only the account."""
    account_id: str
    state: AccountState | None
    value: bytes | None = None
    """The state as it came."""


async def fold_states(
    conn: Connection, changes: Sequence[StateChange], moment: Moment
) -> set[RecordId]:
    """Bring effects up to the newest state of each account; returns the records that changed."""
    erased = [change.account_id for change in changes if change.state is None]
    homes = await store.workspaces_of(conn, erased) if erased else {}
    placed = [
        change._replace(workspace=change.workspace or homes.get(change.account_id))
        for change in changes
    ]
    known = [change for change in placed if change.workspace is not None]
    if not known:
        return set()
    facts = await store.lock_workspaces(conn, {str(change.workspace) for change in known})
    keys = {(str(change.workspace), change.account_id) for change in known}
    versions = await store.account_versions(conn, keys)
    newest = _newest(known, versions)
    if not newest:
        return set()
    links = {
        record
        for _, change in newest.values()
        if change.state is not None
        for record in crm_links(change.state)
    }
    effects = await store.lock_effects(conn, links, set(newest))
    before = dict(effects)
    changed: set[RecordId] = set()
    for key, (version, change) in newest.items():
        shown = change.state or _nothing(*key, version)
        changed |= fold_account(effects, shown, facts[key[0]], moment)
    await store.save_accounts(conn, {key: (at, one.value) for key, (at, one) in newest.items()})
    await _save(conn, facts, before, effects, changed)
    return changed


async def _save(
    conn: Connection,
    facts: Mapping[str, WorkspaceFacts],
    before: Mapping[RecordId, Effect],
    effects: MutableMapping[RecordId, Effect],
    changed: Iterable[RecordId],
) -> None:
    """Store folded effects, with what their change means for the brake and for attention."""
    await _settle_held(conn, facts, effects, changed)
    await store.save_effects(conn, (effects[record] for record in changed), before)
    known = [(before[record], effects[record]) for record in changed if record in before]
    for target in sorted({record[:2] for record in changed if effects[record].doubt}):
        await brake.check(conn, *target)
    left = {new.id[:2] for old, new in known if old.held_by == HELD_BY_BRAKE and not new.doubt}
    await brake.let_go(conn, left)
    over = [new for old, new in known if new.state == "applied" and old.state in _ATTENDED]
    await close_record_attention(conn, over)


def _newest(
    changes: Iterable[StateChange], versions: Mapping[tuple[str, str], int]
) -> dict[tuple[str, str], tuple[int, StateChange]]:
    """The newest change of each account that is newer than what is stored, with its version.

    A tombstone has no version of its own: it has that of whatever was there.
    """
    newest: dict[tuple[str, str], tuple[int, StateChange]] = {}
    for change in changes:
        key = (str(change.workspace), change.account_id)
        at = newest[key][0] if key in newest else versions.get(key, -1)
        if change.state is None:
            if at >= 0:
                newest[key] = (at, change)
        elif change.state.version > at:
            newest[key] = (change.state.version, change)
    return newest


def _nothing(workspace: str, account_id: str, version: int) -> AccountState:
    return AccountState.model_validate(
        {
            "id": account_id,
            "workspace": workspace,
            "version": version,
            "state": "prospect",
            "stage": "prospect",
        }
    )


async def _settle_held(
    conn: Connection,
    facts: Mapping[str, WorkspaceFacts],
    effects: MutableMapping[RecordId, Effect],
    changed: Iterable[RecordId],
) -> None:
    """A held effect whose record already holds every value is no part of any plan."""
    held = [record for record in changed if effects[record].state == "held"]
    for record, last in (await store.seen(conn, held) if held else {}).items():
        effects[record] = settled_by_sight(effects[record], last, facts[record.workspace])


async def fold_observations(
    conn: Connection,
    workspace: str,
    records: Sequence[CrmObservation],
    own: Sequence[OwnObservation],
    moment: Moment,
) -> bool:
    """Take in what the log says about one workspace; True when effects may have become due."""
    facts = (await store.lock_workspaces(conn, {workspace}))[workspace]
    looked = await fold_records(conn, facts, records, moment)
    return await _fold_own(conn, facts, own, moment) or looked


async def _fold_own(
    conn: Connection, facts: WorkspaceFacts, own: Sequence[OwnObservation], moment: Moment
) -> bool:
    if not own:
        return False
    walks = await store.walked(conn, facts.workspace)
    before = dict(walks)
    now = facts
    for observation in own:
        now = _learn(now, walks, observation)
    now = now._replace(gate=gate_of(now, walks))
    if walks != before:
        await store.save_walks(conn, facts.workspace, walks)
    if now == facts:
        return False
    await store.save_workspace(conn, now)
    if now.approved_revision != facts.approved_revision:
        await brake.release(conn, now)
    if now.config != facts.config:
        await _recompute(conn, now, moment, moved=facts.gate == OPEN)
        await store.release_conflicts(conn, facts.workspace, now.gate)
    if now.gate != facts.gate:
        await store.regate(conn, facts.workspace, now.gate)
        await _tell_plan(conn, now)
        if now.gate == OPEN:
            await brake.check_all(conn, facts.workspace)
    return True


def _learn(
    facts: WorkspaceFacts, walks: dict[str, int], observation: OwnObservation
) -> WorkspaceFacts:
    """Own observations carry a revision per subject; an older or equal one is no change."""
    revision = observation.vendor_time_ms
    if isinstance(observation, ConfigObservation):
        if observation.body is not None and revision > facts.config_revision:
            return facts._replace(config=observation.body, config_revision=revision)
    elif isinstance(observation, DecisionObservation):
        decided = observation.body is not None and observation.body.action == "approve_plan"
        if decided and revision > (facts.approved_revision or 0):
            return facts._replace(approved_revision=revision)
    elif observation.body is not None and observation.body.scope == "initial":
        walks[observation.connection] = max(revision, walks.get(observation.connection, 0))
    return facts


async def _recompute(
    conn: Connection, facts: WorkspaceFacts, moment: Moment, *, moved: bool
) -> None:
    """The mapping may have changed: every account says again what it wants.

    `moved`: records are being written already, so the brake counts what changes.
    """
    async for page in store.states(conn, facts.workspace):
        links = {record for state in page for record in crm_links(state)}
        accounts = {(facts.workspace, str(state.id)) for state in page}
        effects = await store.lock_effects(conn, links, accounts)
        before = dict(effects)
        changed: set[RecordId] = set()
        for state in page:
            changed |= fold_account(effects, state, facts, moment, recompute=True, moved=moved)
        await _save(conn, {facts.workspace: facts}, before, effects, changed)


async def _tell_plan(conn: Connection, facts: WorkspaceFacts) -> None:
    item = Item(facts.workspace, "plan_approval", "first_write")
    if facts.gate == PLAN:
        summary = "The first writes to the CRM wait for approval: plumbline plan --apply"
        await open_attention(conn, **item._asdict(), summary=summary)
    else:
        await close_items(conn, [item])
