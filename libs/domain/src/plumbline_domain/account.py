"""The fold of an account: its customers' objects in, fields with provenance out (design 5, 9).

Pure and repeatable: the same objects at the same instant give the same answer. What the numbers
need and is not there is named in `incomplete`; such a field keeps its last value.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from plumbline_schemas.accounts import Reminder, Stage, State
from plumbline_schemas.ids import ExternalKey
from plumbline_schemas.money import Money

from plumbline_domain.baselines import NO_HISTORY, Baselines, History, expanded, taken
from plumbline_domain.conversion import Conversion
from plumbline_domain.customer import Customer
from plumbline_domain.due import sooner
from plumbline_domain.holdings import Holdings
from plumbline_domain.lifecycle import BOTH, Lifecycle, Triggers, lifecycle
from plumbline_domain.money import to_minor
from plumbline_domain.mrr import NOTHING
from plumbline_domain.payment_status import PaymentHealth, payment_health
from plumbline_domain.plan import plan
from plumbline_domain.rates import NO_RATES, Rates
from plumbline_domain.reminders import Coming, near
from plumbline_domain.sighting import Catalogue, SeenInvoice, SeenSubscription, Sighting
from plumbline_domain.subscriptions import ended_by
from plumbline_domain.tally import history_of
from plumbline_domain.telling import Told
from plumbline_domain.tenure import dates, references, tenure
from plumbline_domain.valued import Valued

FOLD_VERSION: Final = 3
"""Accounts carry it; after a change of the rules an older one is folded again (design 6)."""

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
    baselines: Baselines
    """By customer, those taken now among them."""
    near: Mapping[Reminder, Coming]
    """What is about to come by time alone."""


def fold_account(
    customers: Sequence[Customer],
    catalogue: Catalogue,
    *,
    currency: str | None,
    at: datetime,
    unsure_match: bool = False,
    rates: Rates = NO_RATES,
    triggers: Triggers = BOTH,
    history: History = NO_HISTORY,
) -> FoldedAccount:
    """Fold an account of at least one customer at the instant `at`, for which all were summed up.

    `currency` is the workspace's; None while its configuration is unknown. `unsure_match`: several
    CRM records could be this customer's. `triggers` make it at_risk.
    """
    members = sorted((_settle(customer) for customer in customers), key=lambda c: c.key)
    subscriptions = [seen for member in members for seen in member.subscriptions]
    wanted = {member.key for member in members if member.body is None and not member.deletion}
    mrr, incomplete = _mrr(members, subscriptions, currency)
    named = plan(subscriptions, catalogue, at=at)
    if named.missing is not None:
        incomplete.add("product:" + named.missing.split("/", 3)[3])
        wanted.add(named.missing)
    beside = Conversion(currency and currency.lower(), at.astimezone(UTC).date(), rates)
    baselines = taken(members, history, beside, at=at)
    grown = {m.key: expanded(m, baselines.get(m.key), history, beside) for m in members}
    payment, where = _standing(members, grown, triggers, at)
    others, lacking = tenure(members, reported=mrr, beside=beside)
    values = {
        "mrr": mrr,
        "plan": Valued(named.value, named.rule, named.by, keep=named.missing is not None),
        "payment_status": payment,
        "state": Valued(where.state, where.rule, where.by),
        "stage": Valued(where.stage, where.rule, where.by),
        **references(members, unsure_match=unsure_match),
        **dates(members, at=at),
        **others,
    }
    return FoldedAccount(
        state=where.state,
        stage=where.stage,
        values=values,
        ambiguous=unsure_match or len(members) > 1,
        incomplete=tuple(sorted(incomplete | lacking)),
        due_at=_due(members, beside),
        wanted=tuple(sorted(wanted)),
        baselines=baselines,
        near=near(members, at),
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
    tally = history_of(customer.holdings.tally)
    return replace(customer, holdings=Holdings(Told(over), tally=tally))


def _due(members: Sequence[Customer], beside: Conversion) -> datetime | None:
    """The first instant at which any member's answers may change by themselves.

    What was paid in another currency is converted at the rate of the day, like the MRR.
    """
    due: datetime | None = None
    for member in members:
        due = sooner(due, member.holdings.until)
        due = sooner(due, beside.turns(code for code, _ in member.holdings.tally.paid))
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
    members: Sequence[Customer],
    grown: Mapping[ExternalKey, bool],
    triggers: Triggers,
    at: datetime,
) -> tuple[Valued, Lifecycle]:
    """Payment status and lifecycle; one customer's own health is the account's."""
    alive = [member for member in members if member.deletion is None]
    if not alive:
        by = _newest([member.deletion for member in members])
        payment = Valued("none", "payment_status.customer_deleted", by)
        return payment, _where([_ended(member, at) for member in members])
    health = _health(alive, at)
    single = health if len(alive) == 1 else None
    found = [
        _ended(member, at)
        if member.deletion is not None
        else lifecycle(
            member.subscriptions,
            member.invoices,
            single or _health([member], at),
            at=at,
            triggers=triggers,
            expanded=grown[member.key],
        )
        for member in members
    ]
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


def _ended(member: Customer, at: datetime) -> Lifecycle:
    """Where a deleted customer stands."""
    nothing_owed = PaymentHealth("none", "payment_status.customer_deleted")
    left = lifecycle(member.subscriptions, (), nothing_owed, at=at)
    return replace(left, rule="lifecycle.customer_deleted", by=member.deletion)
