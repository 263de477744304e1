"""The fold of an account: its customers' objects in, fields with provenance out (design 5, 9).

Pure and repeatable: the same objects at the same instant give the same answer. What the numbers
need and is not there is named in `incomplete`; such a field keeps its last value.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from plumbline_schemas.accounts import ChangeCause, Stage, State
from plumbline_schemas.ids import ExternalKey
from plumbline_schemas.money import Money

from plumbline_domain.customer import Customer
from plumbline_domain.due import sooner
from plumbline_domain.holdings import Holdings
from plumbline_domain.instants import instant_text
from plumbline_domain.lifecycle import BOTH, Lifecycle, Triggers, lifecycle
from plumbline_domain.money import to_minor
from plumbline_domain.mrr import NOTHING
from plumbline_domain.payment_status import PaymentHealth, payment_health
from plumbline_domain.plan import plan
from plumbline_domain.sighting import Catalogue, SeenInvoice, SeenSubscription, Sighting
from plumbline_domain.subscriptions import ended_by, start_of
from plumbline_domain.telling import Told

FOLD_VERSION: Final = 2
"""Accounts carry it; after a change of the rules an older one is folded again (design 6)."""

Value = str | bool | Money | None

FieldDocument = dict[str, Any]
"""A `FieldValue` of `accounts.state.v1` as JSON has it: every key, in the contract's order."""

_NOTHING_THERE: Final = frozenset({"mrr.no_subscription", "plan.no_subscription"})

_STATES_IN_ORDER: Final[tuple[State, ...]] = ("at_risk", "active", "trial", "churned", "prospect")
_STAGES_IN_ORDER: Final[tuple[Stage, ...]] = (
    "at_risk",
    "expanded",
    "paying",
    "activated",
    "trial",
    "churned",
    "prospect",
)


@dataclass(frozen=True, slots=True)
class Valued:
    """A value, the rule that made it, and the object that decided. `keep`: the last one stands."""

    value: Value
    rule: str
    by: Sighting | None = None
    keep: bool = False


@dataclass(frozen=True, slots=True)
class FoldedAccount:
    """What the rules say of an account at one instant."""

    state: State
    stage: Stage
    values: Mapping[str, Valued]
    ambiguous: bool
    incomplete: tuple[str, ...]
    due_at: datetime | None
    wanted: tuple[ExternalKey, ...]
    """Objects that must be read before the account is complete."""


def fold_account(
    customers: Sequence[Customer],
    catalogue: Catalogue,
    *,
    currency: str | None,
    at: datetime,
    unsure_match: bool = False,
    triggers: Triggers = BOTH,
) -> FoldedAccount:
    """Fold an account of at least one customer at the instant `at`, for which all were summed up.

    `currency` is the workspace's; None while its configuration is unknown. `unsure_match`: several
    CRM records could be this customer's.
    """
    members = sorted((_settle(customer) for customer in customers), key=lambda c: c.key)
    subscriptions = [seen for member in members for seen in member.subscriptions]
    wanted = {member.key for member in members if member.body is None and not member.deletion}
    mrr, incomplete = _mrr(members, subscriptions, currency)
    named = plan(subscriptions, catalogue, at=at)
    if named.missing is not None:
        incomplete.add("product:" + named.missing.split("/", 3)[3])
        wanted.add(named.missing)
    payment, where = _standing(members, at, triggers)
    ambiguous = unsure_match or len(members) > 1
    newest = _newest([c.sighting for c in members] + [c.deletion for c in members])
    values = {
        "mrr": mrr,
        "plan": Valued(named.value, named.rule, named.by, keep=named.missing is not None),
        "payment_status": payment,
        "state": Valued(where.state, where.rule, where.by),
        "stage": Valued(where.stage, where.rule, where.by),
        "billing_started_at": _started(subscriptions),
        **_references(members, newest),
        "ambiguous": Valued(ambiguous, _why_ambiguous(members, unsure_match), newest),
    }
    return FoldedAccount(
        state=where.state,
        stage=where.stage,
        values=values,
        ambiguous=ambiguous,
        incomplete=tuple(sorted(incomplete)),
        due_at=_due(members),
        wanted=tuple(sorted(wanted)),
    )


def present(at: datetime, seen: Iterable[datetime]) -> datetime:
    """`at`, or the newest vendor time of the account's own objects when that is later.

    What Stripe has already said has already happened: without this a subscription made since the
    last tick would not have started yet. A function of what is stored, so a replay finds the same.
    """
    return max([at, *seen])


def _settle(customer: Customer) -> Customer:
    """A deleted customer's subscriptions are over and its invoices are owed no more."""
    if customer.deletion is None:
        return customer
    over = tuple(ended_by(customer.deletion, seen) for seen in customer.subscriptions)
    return replace(customer, holdings=Holdings(Told(over)))


def _due(members: Sequence[Customer]) -> datetime | None:
    """The first instant at which any member's answers may change by themselves."""
    due: datetime | None = None
    for member in members:
        due = sooner(due, member.holdings.until)
    return due


def _newest(sightings: Sequence[Sighting | None]) -> Sighting | None:
    return max((s for s in sightings if s is not None), key=lambda s: s.age, default=None)


def _mrr(
    members: Sequence[Customer],
    subscriptions: Sequence[SeenSubscription],
    currency: str | None,
) -> tuple[Valued, set[str]]:
    """Exact sum over all members, rounded once."""
    deletions = [member.deletion for member in members]
    if all(deletions):
        by = _newest(deletions)
        rule = "mrr.customer_deleted"
    else:
        by = _newest([s.sighting for s in subscriptions] + deletions)
        rule = "mrr.sum" if subscriptions else "mrr.no_subscription"
    if currency is None:
        return Valued(None, "mrr.incomplete", by, keep=True), {"config"}
    total = NOTHING
    missing: set[str] = set()
    for member in members:
        held = member.holdings
        total = held.amount if total is NOTHING else total + held.amount
        missing |= held.missing
    if missing:
        return Valued(None, "mrr.incomplete", by, keep=True), missing
    return Valued(Money(minor=to_minor(total), currency=currency.lower()), rule, by), missing


def _standing(
    members: Sequence[Customer], at: datetime, triggers: Triggers
) -> tuple[Valued, Lifecycle]:
    """Payment status and lifecycle; one customer's own health is the account's."""
    alive = [member for member in members if member.deletion is None]
    if not alive:
        by = _newest([member.deletion for member in members])
        payment = Valued("none", "payment_status.customer_deleted", by)
        return payment, _where([_lifecycle(member, None, at, triggers) for member in members])
    health = _health(alive, at)
    single = health if len(alive) == 1 else None
    found = [_lifecycle(member, single, at, triggers) for member in members]
    return Valued(health.value, health.rule, health.by), _where(found)


def _health(members: Sequence[Customer], at: datetime) -> PaymentHealth:
    """As if all objects were one customer's; deleted customers owe nothing (design 9)."""
    subscriptions = [seen for member in members for seen in member.subscriptions]
    invoices: list[SeenInvoice] = [seen for member in members for seen in member.invoices]
    return payment_health(subscriptions, invoices, at=at)


def _where(found: Sequence[Lifecycle]) -> Lifecycle:
    """The first of at_risk, active, trial, churned, prospect that any member has (design 9)."""
    return min(
        found,
        key=lambda one: (_STATES_IN_ORDER.index(one.state), _STAGES_IN_ORDER.index(one.stage)),
    )


def _lifecycle(
    member: Customer,
    health: PaymentHealth | None,
    at: datetime,
    triggers: Triggers,
) -> Lifecycle:
    """Where one customer stands; `health` is its own if that is known already."""
    if member.deletion is None:
        own = health or _health([member], at)
        return lifecycle(member.subscriptions, member.invoices, own, at=at, triggers=triggers)
    nothing_owed = PaymentHealth("none", "payment_status.customer_deleted")
    left = lifecycle(member.subscriptions, (), nothing_owed, at=at)
    return replace(left, rule="lifecycle.customer_deleted", by=member.deletion)


def _started(subscriptions: Sequence[SeenSubscription]) -> Valued:
    dated = [seen for seen in subscriptions if seen.body.start_date or seen.body.created]
    if not dated:
        return Valued(None, "billing_started_at.no_subscription")
    first = min(dated, key=start_of)
    return Valued(
        instant_text(start_of(first)[0]), "billing_started_at.earliest_start", first.sighting
    )


def _references(members: Sequence[Customer], newest: Sighting | None) -> dict[str, Valued]:
    """Ids sorted and joined; the link opens the first of them."""
    by_id = sorted(members, key=lambda member: (member.id, member.key))
    first = by_id[0]
    mode = "/test" if first.test_mode else ""
    url = f"https://dashboard.stripe.com{mode}/customers/{first.id}"
    ids = ";".join(member.id for member in by_id)
    return {
        "stripe_customer_id": Valued(ids, "stripe_customer_id.all", newest),
        "stripe_url": Valued(url, "stripe_url.first", first.sighting or newest),
    }


def _why_ambiguous(members: Sequence[Customer], unsure_match: bool) -> str:
    if len(members) > 1:
        return "ambiguous.several_customers"
    return "ambiguous.several_records" if unsure_match else "ambiguous.no"


def stamp(
    values: Mapping[str, Valued],
    previous: Mapping[str, FieldDocument],
    version: int,
    *,
    whole_book: bool = True,
    cause: ChangeCause | None = None,
) -> dict[str, FieldDocument]:
    """Give values their provenance and version; an equal value keeps both as they were.

    A value that can't be computed now keeps the last one, unless that only said that nothing was
    there yet, or was computed while the first walks had not shown the whole book: then it is
    unknown, whatever the order in which the objects came. `cause` is what makes it change.
    """
    fields = {}
    for name, valued in values.items():
        value = _plain(valued.value)
        before = previous.get(name)
        if before is not None and (
            before["value"] == value
            or (valued.keep and whole_book and before["rule"] not in _NOTHING_THERE)
        ):
            fields[name] = before
        else:
            fields[name] = _field(value, valued, version, cause)
    return fields


def _plain(value: Value) -> str | bool | dict[str, Any] | None:
    return {"minor": value.minor, "currency": value.currency} if isinstance(value, Money) else value


def _field(value: Any, valued: Valued, version: int, cause: ChangeCause | None) -> FieldDocument:
    by = valued.by
    return {
        "value": value,
        "rule": valued.rule,
        "connection": None if by is None else by.connection,
        "object": None if by is None else by.vendor_id,
        "event_id": None if by is None else by.event_id,
        "event_type": None if by is None else by.event_type,
        "vendor_time": None if by is None else instant_text(by.vendor_time),
        "received_at": None if by is None else instant_text(by.received_at),
        "origin": None if by is None else by.origin,
        "cause": cause,
        "version": version,
    }
