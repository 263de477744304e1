"""Fold an account again and, if anything changed, number the change and write it down."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from plumbline_domain.account import FOLD_VERSION, FoldedAccount, fold_account
from plumbline_domain.due import sooner
from plumbline_domain.instants import instant_text
from plumbline_domain.lifecycle import BOTH, Triggers
from plumbline_domain.valued import stamp
from plumbline_schemas.accounts import MAX_LINKS
from plumbline_schemas.ids import AccountId

from matcher.account_events import News, account_events
from matcher.attention import attention_items, note_incomplete, patience_ends
from matcher.cause import RecordCause
from matcher.documents import (
    NOT_TOLD,
    LinkDocument,
    OriginalDocument,
    StateDocument,
    announced_in,
    no_flags,
    originals_document,
    originals_in,
    share_document,
)
from matcher.facts import catalogue
from matcher.history import history_of, plain_baselines, plain_trails
from matcher.lacking import unseen_cards, wonder
from matcher.members import members_of
from matcher.mrr_change import mrr_change
from matcher.rows import AccountRow, ChangeRow, WorkspaceRow
from matcher.shares import fixed_rates
from matcher.snapshot import Snapshot
from matcher.wishes import wanted_record


def refold(snapshot: Snapshot, account: AccountId, cause: RecordCause) -> bool:
    """Fold one account; True when that made a new version of it."""
    row = snapshot.accounts[account]
    workspace = snapshot.workspace
    version = workspace.sequence + 1
    if row.merged_into is not None:
        return _close(snapshot, row, cause, version)
    at = workspace.now or cause.vendor_time
    members, at = members_of(snapshot, snapshot.customers_of(account), at)
    folded = fold_account(
        members,
        catalogue(snapshot, members),
        currency=None if workspace.config is None else workspace.config.currency,
        at=at,
        unsure_match=bool(row.candidates),
        rates=snapshot.rates,
        triggers=_triggers(workspace),
        history=history_of(row, whole_book=workspace.whole_book),
        fixed_rates=fixed_rates(snapshot),
    )
    cards = unseen_cards(snapshot, members)
    for key in sorted({*folded.wanted, *snapshot.lacking, *cards}):
        wonder(snapshot, key, cause)
    snapshot.lacking.clear()
    row.baselines = plain_baselines(folded.baselines)
    state = _state(snapshot, row, folded, cause, version)
    now = workspace.now or cause.vendor_time
    news = row.state is None or not _same(row.state, state)
    noted = note_incomplete(row, state, now)
    if news:
        _record(snapshot, row, state, _mover(row, cause), folded)
    held = dict(row.attention)
    attention_items(snapshot, row, state, cause, now)
    due_at = sooner(folded.due_at, patience_ends(row))
    if noted or held != row.attention or row.due_at != due_at or (row.fold_version != FOLD_VERSION):
        row.due_at, row.fold_version = due_at, FOLD_VERSION
        snapshot.changed_accounts.add(account)
    return news


def _triggers(workspace: WorkspaceRow) -> Triggers:
    if workspace.config is None:
        return BOTH
    named = workspace.config.at_risk
    return Triggers(
        payment_trouble="payment_trouble" in named,
        planned_cancellation="planned_cancellation" in named,
    )


def _announced(row: AccountRow, folded: FoldedAccount) -> dict[str, str]:
    """The instants that were told of, those that are near now among them."""
    known: Mapping[str, str] = {} if row.state is None else announced_in(row.state)
    coming = {str(name): instant_text(one.at) for name, one in folded.near.items()}
    return {name: coming.get(name) or known[name] for name in sorted({*known, *coming})}


def _mover(row: AccountRow, cause: RecordCause) -> RecordCause:
    """Whatever the record was: the first fold by other rules than before restates."""
    upgraded = row.state is not None and row.fold_version != FOLD_VERSION
    return replace(cause, kind="rules") if upgraded else cause


def _links(snapshot: Snapshot, account: AccountId, version: int) -> list[LinkDocument]:
    """CRM records first, so that a cut at the limit never hides where values are written."""
    found = snapshot.records_of(account) + snapshot.customers_of(account)
    links = (snapshot.link(key) for key in found)
    return [link.published(version) for link in links if link is not None]


def _state(
    snapshot: Snapshot, row: AccountRow, folded: FoldedAccount, cause: RecordCause, version: int
) -> StateDocument:
    links = _links(snapshot, row.account_id, version)
    return {
        "id": row.account_id,
        "workspace": snapshot.workspace.workspace,
        "version": version,
        "links": links[:MAX_LINKS],
        "state": folded.state,
        "stage": folded.stage,
        "fields": stamp(
            folded.values,
            {} if row.state is None else row.state["fields"],
            version,
            whole_book=snapshot.workspace.whole_book,
            cause=cause.change,
        ),
        "flags": {
            "ambiguous": folded.ambiguous,
            "incomplete": list(folded.incomplete),
            "links_truncated": len(links) > MAX_LINKS,
        },
        "due_at": None if folded.due_at is None else instant_text(folded.due_at),
        "merged_into": None,
        "baselines": row.baselines,
        "trails": plain_trails(folded.trails),
        "announced": _announced(row, folded),
        "originals": _originals(row.state, folded),
        "wanted_record": wanted_record(snapshot, row),
        "shares": [share_document(share) for share in folded.shares[:MAX_LINKS]],
        "effective_at": cause.document["vendor_time"],
        "cause": cause.change,
        "received_at": cause.document["received_at"],
    }


def _originals(before: StateDocument | None, folded: FoldedAccount) -> dict[str, OriginalDocument]:
    """With an MRR that is kept, what it was made of is kept."""
    known = originals_in(before) if folded.exact is None else folded.originals
    return originals_document(known)


_BESIDE_FIELDS: Final = (
    "links",
    "state",
    "stage",
    "flags",
    "merged_into",
    "baselines",
    "trails",
    "announced",
    "originals",
    "wanted_record",
    "shares",
)
_COMPARED: Final = (*_BESIDE_FIELDS, "fields")


def _same(before: StateDocument, after: StateDocument) -> bool:
    """Equal but for the version, the next wake-up and what caused it."""
    return all(before.get(name, NOT_TOLD.get(name)) == after[name] for name in _COMPARED)


def _close(snapshot: Snapshot, row: AccountRow, cause: RecordCause, version: int) -> bool:
    """A merged-away account: once more, without links, naming the survivor (design 4)."""
    before = row.state
    if before is not None and before["merged_into"] == row.merged_into:
        return False
    state: StateDocument = {
        "id": row.account_id,
        "workspace": snapshot.workspace.workspace,
        "version": version,
        "links": [],
        "state": "prospect" if before is None else before["state"],
        "stage": "prospect" if before is None else before["stage"],
        "fields": {},
        "flags": no_flags(),
        "due_at": None,
        "merged_into": row.merged_into,
        "baselines": {},
        "trails": {},
        "announced": {},
        "originals": {},
        "wanted_record": None,
        "shares": [],
        "effective_at": cause.document["vendor_time"],
        "cause": cause.change,
        "received_at": cause.document["received_at"],
    }
    row.due_at = row.incomplete_since = None
    row.fold_version = FOLD_VERSION
    _record(snapshot, row, state, cause)
    attention_items(snapshot, row, state, cause, cause.vendor_time)
    return True


def _record(
    snapshot: Snapshot,
    row: AccountRow,
    state: StateDocument,
    cause: RecordCause,
    folded: FoldedAccount | None = None,
) -> None:
    """Number the change; ledger row, events and attention follow from before and after."""
    before = row.state
    workspace = snapshot.workspace
    workspace.sequence = state["version"]
    if row.founded_sequence is None:
        row.founded_sequence = state["version"]
    mrr = mrr_change(snapshot, row, state, cause, folded)
    row.state = state
    row.had_mrr = row.had_mrr or bool(mrr.after)
    row.last_mrr = row.last_mrr if mrr.after is None else mrr.after
    snapshot.number_links(row.account_id, state["version"])
    snapshot.changed_accounts.add(row.account_id)
    news = News(mrr.named, mrr.planned, {} if folded is None else folded.near)
    events = account_events(before, state, news, cause, opening=not workspace.whole_book)
    was, now = _difference(before, state)
    now |= mrr.told_beside()
    snapshot.changes.append(
        ChangeRow(
            sequence=state["version"],
            account_id=row.account_id,
            effective_at=cause.vendor_time,
            cause=cause.ledger,
            before=was,
            after=now,
            movement=mrr.movement,
            mrr_before=mrr.before,
            mrr_after=mrr.after,
            events=events,
            config_revision=workspace.config_revision,
        )
    )


def _difference(
    before: StateDocument | None, after: StateDocument
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What changed, before and after, as the ledger keeps it."""
    was = {} if before is None else before["fields"]
    now = after["fields"]
    changed = [name for name in sorted({*was, *now}) if was.get(name) != now.get(name)]
    old: dict[str, Any] = {f"fields.{name}": was[name] for name in changed if name in was}
    new: dict[str, Any] = {f"fields.{name}": now[name] for name in changed if name in now}
    for name in _BESIDE_FIELDS:
        had = None if before is None else before.get(name, NOT_TOLD.get(name))
        has = after[name]
        if had != has:
            old |= {} if before is None else {name: had}
            new[name] = has
    return old, new
