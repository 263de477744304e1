"""The fold of an account: its customers' objects in, fields with provenance out (design 5, 9).

Pure and repeatable: the same objects at the same instant give the same answer. What the numbers
need and is not there is named in `incomplete`; such a field keeps its last value.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from plumbline_schemas.accounts import Reminder, Stage, State
from plumbline_schemas.ids import ExternalKey
from plumbline_schemas.money import Money

from plumbline_domain.baselines import (
    NO_HISTORY,
    Baselines,
    History,
    Trails,
    expanded,
    taken,
)
from plumbline_domain.conversion import Conversion
from plumbline_domain.customer import Customer
from plumbline_domain.due import sooner
from plumbline_domain.holdings import Holdings
from plumbline_domain.lifecycle import BOTH, Lifecycle, Triggers
from plumbline_domain.money import to_minor
from plumbline_domain.mrr import NOTHING
from plumbline_domain.originals import Original, Originals, originals_of
from plumbline_domain.payment_status import PaymentHealth
from plumbline_domain.plan import Plan, plan
from plumbline_domain.rates import NO_RATES, Rates
from plumbline_domain.reminders import Coming, near
from plumbline_domain.rollup import MemberShare, counting, shares_of
from plumbline_domain.sighting import Catalogue, SeenSubscription, Sighting
from plumbline_domain.standing import standings_of
from plumbline_domain.subscriptions import ended_by
from plumbline_domain.tally import counted_together, history_of
from plumbline_domain.telling import Told
from plumbline_domain.tenure import dates, references, tenure
from plumbline_domain.valued import Valued

FOLD_VERSION: Final = 4
"""Accounts carry it; after a change of the rules an older one is folded again (design 6)."""


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
    trails: Trails
    """By customer, what baselines are taken from."""
    near: Mapping[Reminder, Coming]
    """What is about to come by time alone."""
    exact: Fraction | None = None
    """MRR in minor units before it was rounded; None while it is not known."""
    originals: Originals = field(default_factory=dict)
    """What of it is in other currencies."""
    shares: tuple[MemberShare, ...] = ()
    """Each customer's own, by key, where there are several."""


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
    fixed_rates: bool = False,
) -> FoldedAccount:
    """Fold an account of at least one customer at the instant `at`, for which all were summed up.

    `currency` None: no configuration yet. `unsure_match`: several CRM records could be it.
    `fixed_rates`: by the policy a subscription's own day has its rate."""
    everyone = sorted((_settle(customer) for customer in customers), key=lambda c: c.key)
    members = counting(everyone)
    subscriptions = [seen for member in members for seen in member.subscriptions]
    mrr, exact, incomplete = _mrr(members, subscriptions, currency)
    named = plan(subscriptions, catalogue, at=at)
    beside = Conversion(currency and currency.lower(), at.astimezone(UTC).date(), rates)
    baselines, trails = taken(everyone, history, beside, at=at)
    grown = {m.key: expanded(m, baselines.get(m.key), history, beside) for m in everyone}
    health, where, standings = standings_of(everyone, members, at, triggers, grown)
    others, lacking = tenure(members, reported=mrr, beside=beside)
    values = {
        "mrr": mrr,
        "plan": Valued(named.value, named.rule, named.by, keep=named.missing is not None),
        **_standing(health, where),
        **references(members, unsure_match=unsure_match),
        **dates(members, at=at),
        **others,
    }
    return FoldedAccount(
        state=where.state,
        stage=where.stage,
        values=values,
        ambiguous=unsure_match or len(everyone) > 1,
        incomplete=tuple(sorted(incomplete | lacking | _unnamed(named))),
        due_at=_due(everyone, beside),
        wanted=_wanted(everyone, named),
        baselines=baselines,
        trails=trails,
        near=near(members, at),
        exact=exact,
        originals=_originals(members, beside, fixed_rates=fixed_rates),
        shares=shares_of(everyone, members, standings, catalogue, currency=currency, at=at),
    )


def _standing(health: PaymentHealth, where: Lifecycle) -> dict[str, Valued]:
    return {
        "payment_status": Valued(health.value, health.rule, health.by),
        "state": Valued(where.state, where.rule, where.by),
        "stage": Valued(where.stage, where.rule, where.by),
    }


def _unnamed(named: Plan) -> set[str]:
    return set() if named.missing is None else {"product:" + named.missing.split("/", 3)[3]}


def _wanted(everyone: Sequence[Customer], named: Plan) -> tuple[ExternalKey, ...]:
    """What nothing was seen of so far though it is named."""
    found = {one.key for one in everyone if one.body is None and not one.deletion}
    if named.missing is not None:
        found.add(named.missing)
    return tuple(sorted(found))


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
) -> tuple[Valued, Fraction | None, set[str]]:
    """Exact sum over all members, rounded once; the sum; what is missing for it."""
    deletions = [member.deletion for member in members]
    if all(deletions):
        by = _newest(deletions)
        rule = "mrr.customer_deleted"
    else:
        by = _newest([s.sighting for s in subscriptions] + deletions)
        rule = "mrr.sum" if subscriptions else "mrr.no_subscription"
    if currency is None:
        return Valued(None, "mrr.incomplete", by, keep=True), None, {"config"}
    total = NOTHING
    missing: set[str] = set()
    for member in members:
        held = member.holdings
        total = held.amount if total is NOTHING else total + held.amount
        missing |= held.missing
    if missing:
        return Valued(None, "mrr.incomplete", by, keep=True), None, missing
    reported = Money(minor=to_minor(total), currency=currency.lower())
    return Valued(reported, rule, by), total, missing


def _originals(
    members: Sequence[Customer], beside: Conversion, *, fixed_rates: bool
) -> dict[str, Original]:
    own = counted_together([member.holdings.tally for member in members]).own
    return originals_of(dict(own), beside, fixed_rates=fixed_rates)
