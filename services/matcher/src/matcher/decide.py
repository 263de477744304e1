"""Decide what one record of the log changes, over rows in memory; no I/O, no clock (design 6)."""

from collections.abc import Iterable

from plumbline_domain.order import Glance, fold, is_deleted, rules_for
from plumbline_schemas.billing import Charge, Invoice
from plumbline_schemas.ids import AccountId, ExternalKey, external_key
from plumbline_schemas.observations import (
    AnyObservation,
    ConfigObservation,
    DecisionObservation,
    RatesObservation,
    TickObservation,
    WalkObservation,
)
from plumbline_schemas.topics import DECISIONS

from matcher.apart import succeed
from matcher.cause import RecordCause, cause_of
from matcher.facts import keep
from matcher.kept import KEPT_KINDS
from matcher.lacking import answered, wonder
from matcher.matching import (
    found,
    index_customer,
    index_record,
    question,
    rematch,
    waiting_mates,
    waiting_on,
)
from matcher.outbox import enqueue
from matcher.rate_tables import take_table
from matcher.reads import want_read
from matcher.record_moves import adopt_created, follow_merged_records, let_go_of_deleted
from matcher.refold import refold
from matcher.rows import DecisionRow, ObjectRow, WorkspaceRow
from matcher.rulings import rule
from matcher.shares import needs_of
from matcher.snapshot import Snapshot
from matcher.stored import body_of, glance_of
from matcher.told import parts_of, take_parts

OwnObservation = TickObservation | WalkObservation | ConfigObservation | RatesObservation
"""Plumbline's own, which may touch every account."""


def decide(snapshot: Snapshot, observation: AnyObservation, glance: Glance | None = None) -> None:
    """Fold one record that has no fan-out. Repeated or older ones change nothing."""
    cause = cause_of(observation)
    snapshot.next_record()
    if isinstance(observation, DecisionObservation):
        take_decision(snapshot, observation, cause)
    elif isinstance(observation, OwnObservation):
        take_own(snapshot.workspace, observation)
    elif take_object(snapshot, observation, cause, glance):
        follow(snapshot, observation, cause)


def take_object(
    snapshot: Snapshot,
    observation: AnyObservation,
    cause: RecordCause,
    glance: Glance | None = None,
) -> bool:
    """Put an observation into its object; True when what the object means has changed."""
    key = observation.key
    snapshot.replaced.clear()
    row = snapshot.objects.get(key)
    rules = rules_for(observation.kind)
    held = None if row is None else row.held
    glance = glance or glance_of(observation)
    told = take_parts(snapshot, parts_of(observation))
    folded = fold(held, glance, rules)
    if not folded.changed:
        if row is not None and told:
            _retell(snapshot, row)
        return told
    snapshot.changed_objects.add(key)
    before = None if row is None else (_meaning(row), row.deleted)
    if row is None:
        row = ObjectRow(key, observation.kind, observation.parent_key, folded.held)
    row.held = folded.held
    if observation.body is not None:
        row.typed = (glance.content_hash, observation.body)
    row.deleted = is_deleted(folded.held, rules)
    row.parent_key = row.parent_key or observation.parent_key
    snapshot.load_object(row)
    row.needs = needs_of(snapshot, row)
    snapshot.fresh_needs.add(key)
    keep(snapshot, row)
    if told:
        _retell(snapshot, row)
    if folded.tie:
        want_read(snapshot, key, "tie", cause, later=True)
    if observation.seen == "read":
        answered(snapshot, key)
    return told or before != (_meaning(row), row.deleted)


def _retell(snapshot: Snapshot, row: ObjectRow) -> None:
    """An object with new knowledge of what it only names: its share is to be worked out again."""
    row.needs = needs_of(snapshot, row)
    snapshot.fresh_needs.add(row.key)
    snapshot.changed_objects.add(row.key)
    kept = snapshot.book(row.parent_key).get(row.key)
    if kept is not None:
        snapshot.load_kept(kept._replace(needs=row.needs, priced=None))


def _meaning(row: ObjectRow) -> tuple[int, str | None]:
    standing = row.held.standing
    return (row.held.vendor_time_ms, None if standing is None else standing.content_hash)


def follow(snapshot: Snapshot, observation: AnyObservation, cause: RecordCause) -> None:
    """Carry a changed object through to links and accounts."""
    row = snapshot.objects[observation.key]
    touched: set[AccountId] = set()
    if row.kind == "customer":
        touched = _follow_customer(snapshot, row.key, moved=index_customer(snapshot, row))
    elif row.kind in KEPT_KINDS and row.parent_key is not None:
        moved = snapshot.link(row.parent_key) is None
        touched = _follow_customer(snapshot, row.parent_key, moved=moved)
        _ask_for_subscription(snapshot, row, cause)
        _ask_for_invoice(snapshot, row, cause)
    elif row.kind in {"company", "contact"}:
        touched = follow_merged_records(snapshot, row)
        changed = index_record(snapshot, row)
        touched |= let_go_of_deleted(snapshot, row)
        touched |= adopt_created(snapshot, row)
        for account in waiting_on(snapshot, changed):
            touched |= rematch(snapshot, account)
    refold_all(snapshot, touched, cause)


def _ask_for_subscription(snapshot: Snapshot, row: ObjectRow, cause: RecordCause) -> None:
    """An invoice of a subscription that was never seen: its own event may be lost, so look."""
    invoice = body_of(row, Invoice) if row.kind == "invoice" else None
    if invoice is None or invoice.subscription is None:
        return
    workspace, connection, _, _ = row.key.split("/", 3)
    subscription = external_key(workspace, connection, "subscription", invoice.subscription)
    if snapshot.book(row.parent_key).get(subscription) is None:
        wonder(snapshot, subscription, cause)


def _ask_for_invoice(snapshot: Snapshot, row: ObjectRow, cause: RecordCause) -> None:
    """A charge with a refund that does not say whether it paid an invoice: a read does."""
    charge = body_of(row, Charge) if row.kind == "charge" else None
    if charge is not None and charge.amount_refunded > 0 and charge.invoiced is None:
        wonder(snapshot, row.key, cause)


def _follow_customer(snapshot: Snapshot, customer: ExternalKey, *, moved: bool) -> set[AccountId]:
    """Found the account if it is new; one that `moved` looks for its CRM record while it has none.

    Its domain's portrait moved with it, so the others there that wait are decided again.
    """
    account = found(snapshot, customer)
    touched = {account}
    if moved:
        question(snapshot, customer)
        touched |= rematch(snapshot, account)
        for mate in waiting_mates(snapshot, customer):
            if mate != account:
                touched |= rematch(snapshot, mate)
    return touched


def refold_all(snapshot: Snapshot, accounts: Iterable[AccountId], cause: RecordCause) -> None:
    """Fold accounts again: those merged away first, so that a link closes before it reopens."""
    rows = [snapshot.accounts[account] for account in accounts]
    for row in sorted(rows, key=lambda row: (row.merged_into is None, row.account_id)):
        refold(snapshot, row.account_id, cause)


def take_decision(snapshot: Snapshot, observation: DecisionObservation, cause: RecordCause) -> None:
    """Keep the newest decision on a subject and pass a copy on; an older one is no change."""
    known = snapshot.decisions.get(observation.key)
    if observation.body is None:
        return
    if known is not None and known.revision >= observation.vendor_time_ms:
        return
    body = observation.body.model_dump(mode="json", exclude_none=True)
    row = DecisionRow(observation.key, observation.vendor_time_ms, body)
    snapshot.decisions[observation.key] = row
    snapshot.changed_decisions.add(observation.key)
    enqueue(snapshot, DECISIONS, observation.key, observation.body, cause)
    refold_all(snapshot, rule(snapshot, observation.key, observation.body), cause)


def take_own(workspace: WorkspaceRow, observation: OwnObservation) -> bool:
    """Move time, configuration, rates or the list of complete walks; False when nothing is new."""
    if isinstance(observation, RatesObservation):
        return take_table(workspace, observation)
    if isinstance(observation, TickObservation):
        return _take_tick(workspace, observation)
    if isinstance(observation, ConfigObservation):
        return _take_config(workspace, observation)
    return _take_walk(workspace, observation)


def _take_tick(workspace: WorkspaceRow, observation: TickObservation) -> bool:
    """Only ticks move "now", the greatest `as_of` so far (design 5)."""
    if observation.body is None:
        return False
    as_of = observation.body.as_of
    if workspace.now is not None and as_of <= workspace.now:
        return False
    workspace.now = as_of
    return True


def _take_config(workspace: WorkspaceRow, observation: ConfigObservation) -> bool:
    revision, known = observation.vendor_time_ms, workspace.config_revision
    if observation.body is None or (known is not None and revision <= known):
        return False
    workspace.config_revision = revision
    workspace.config = succeed(workspace.config, observation.body)
    return True


def _take_walk(workspace: WorkspaceRow, observation: WalkObservation) -> bool:
    if observation.body is None or observation.body.scope != "initial":
        return False
    revision = observation.vendor_time_ms
    if workspace.walks.get(observation.connection, -1) >= revision:
        return False
    workspace.walks = {**workspace.walks, observation.connection: revision}
    return True
