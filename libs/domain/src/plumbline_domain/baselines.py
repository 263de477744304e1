"""What `expanded` is measured against (billing.md, fine print of plan and lifecycle).

The MRR when a customer was first seen to pay above zero, in the subscriptions' own currencies. It
is stored with the account, so that a replay finds the same. Where several currencies are concerned
both sides are converted at the rates of one day, so that a rate alone expands nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from plumbline_schemas.ids import ExternalKey

from plumbline_domain.conversion import Conversion
from plumbline_domain.customer import Customer
from plumbline_domain.lifecycle import pays, runs
from plumbline_domain.tally import Dated

Amounts = Mapping[str, Fraction]
"""Exact minor units by currency in lower case."""

Baselines = Mapping[ExternalKey, Amounts]
"""By billing customer."""


class Step(NamedTuple):
    """What a running customer's MRR became, and when its subscriptions say so."""

    at: datetime
    mrr: Amounts


Trails = Mapping[ExternalKey, tuple[Step, ...]]
"""By billing customer, oldest first: until its first payment, and the last steps before it."""

_AT_ONCE: Final = timedelta(minutes=1)
_LONGEST: Final = 10
"""Steps of one trail; of more the oldest are forgotten."""


def _nothing() -> Mapping[ExternalKey, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class History:
    """What an account's fold takes from what was stored of it."""

    baselines: Baselines = field(default_factory=_nothing)
    whole_book: bool = True
    """Whether the first walks are complete: until then a baseline is only the latest look."""
    expanded: bool = False
    """Whether the account was expanded: stands while its MRR is not known."""
    trails: Trails = field(default_factory=_nothing)


NO_HISTORY: Final = History()


def _walked(
    members: Sequence[Customer], history: History, beside: Conversion, *, at: datetime
) -> dict[ExternalKey, tuple[Step, ...]]:
    """The trails after this fold: of those who run, or ran, with an MRR that is known."""
    found: dict[ExternalKey, tuple[Step, ...]] = {}
    for member in members:
        trail, held = history.trails.get(member.key, ()), member.holdings
        known = beside.currency is not None and not held.missing and member.deletion is None
        open_ended = member.key not in history.baselines or not history.whole_book
        if known and open_ended and runs(member.subscriptions, at=at):
            trail = _longer(trail if history.whole_book else (), member, at)
        if trail:
            found[member.key] = trail
    return found


def _longer(trail: tuple[Step, ...], member: Customer, at: datetime) -> tuple[Step, ...]:
    tally = member.holdings.tally
    mrr = dict(tally.own)
    if trail and (trail[-1].mrr == mrr or _is_paid_before(trail[-1], tally.first_paid)):
        return trail
    newest = max(seen.sighting.vendor_time for seen in member.subscriptions)
    if trail and newest <= trail[-1].at:
        newest = max(at, trail[-1].at)
    return (*trail, Step(newest, mrr))[-_LONGEST:]


def _is_paid_before(step: Step, paid: Dated | None) -> bool:
    return paid is not None and paid.at < step.at


def taken(
    members: Sequence[Customer], history: History, beside: Conversion, *, at: datetime
) -> tuple[dict[ExternalKey, Amounts], Trails]:
    """The baselines after this fold, of those who pay or have paid, and the trails.

    The MRR when the first invoice above zero was paid, whenever that is told of; if nothing was
    seen by then, the MRR when the customer is first seen to pay, which then stands. A payment that
    turns out to be the first takes the baseline back to its own time.
    """
    trails = _walked(members, history, beside, at=at)
    found: dict[ExternalKey, Amounts] = {}
    for member in members:
        before, held = history.baselines.get(member.key), member.holdings
        paying = beside.currency is not None and not held.missing and member.deletion is None
        paying = paying and pays(member.subscriptions, member.invoices, at=at)
        # One of before there were trails stands, once the book is whole.
        fresh = before is None or not history.whole_book
        told = _when_paid(trails.get(member.key, ()), held.tally.first_paid)
        if paying and told is not None and (fresh or member.key in history.trails):
            found[member.key] = told
        elif paying and fresh:
            found[member.key] = dict(held.tally.own)
        elif before is not None:
            found[member.key] = before
    return found, trails


def _when_paid(trail: Sequence[Step], paid: Dated | None) -> Amounts | None:
    """The last step by then; one that the payment itself has set off counts as before it."""
    steps = () if paid is None else [step for step in trail if step.at <= paid.at + _AT_ONCE]
    return steps[-1].mrr if steps else None


def expanded(
    member: Customer, baseline: Amounts | None, history: History, beside: Conversion
) -> bool:
    """Whether a member's MRR is above its baseline; what it was while the MRR is not known."""
    if baseline is None:
        return False
    if member.holdings.missing or beside.currency is None:
        return history.expanded
    return above(dict(member.holdings.tally.own), baseline, beside)


def above(now: Amounts, baseline: Amounts, beside: Conversion) -> bool:
    """Whether the MRR is above the baseline, exchange rates aside.

    What is in one currency on both sides is not converted. Where several moved, all are converted
    at the rates of one day; without such a rate nobody can say, and the answer is no.
    """
    difference = {
        code: now.get(code, Fraction(0)) - baseline.get(code, Fraction(0))
        for code in sorted({*now, *baseline})
    }
    moved = {code: amount for code, amount in difference.items() if amount}
    if len(moved) <= 1:
        return any(amount > 0 for amount in moved.values())
    total = Fraction(0)
    for code, amount in moved.items():
        reported = beside.converted(amount, code)
        if reported is None:
            return False
        total += reported
    return total > 0
