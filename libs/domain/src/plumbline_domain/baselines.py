"""What `expanded` is measured against (billing.md, fine print of plan and lifecycle).

The MRR when a customer was first seen to pay above zero, in the subscriptions' own currencies. It
is stored with the account, so that a replay finds the same. Where several currencies are concerned
both sides are converted at the rates of one day, so that a rate alone expands nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from plumbline_schemas.ids import ExternalKey

from plumbline_domain.conversion import Conversion
from plumbline_domain.customer import Customer
from plumbline_domain.lifecycle import pays

Amounts = Mapping[str, Fraction]
"""Exact minor units by currency in lower case."""

Baselines = Mapping[ExternalKey, Amounts]
"""By billing customer."""


def _none_taken() -> Baselines:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class History:
    """What an account's fold takes from what was stored of it."""

    baselines: Baselines = field(default_factory=_none_taken)
    whole_book: bool = True
    """Whether the first walks are complete: until then a baseline is only the latest look."""
    expanded: bool = False
    """Whether the account was expanded: stands while its MRR is not known."""


NO_HISTORY: Final = History()


def taken(
    members: Sequence[Customer], history: History, beside: Conversion, *, at: datetime
) -> dict[ExternalKey, Amounts]:
    """The baselines after this fold, of those who pay or have paid.

    A baseline is taken at the first fold that sees the customer pay, and then stands for good.
    """
    found: dict[ExternalKey, Amounts] = {}
    for member in members:
        before, held = history.baselines.get(member.key), member.holdings
        paying = beside.currency is not None and not held.missing and member.deletion is None
        paying = paying and pays(member.subscriptions, member.invoices, at=at)
        if paying and (before is None or not history.whole_book):
            found[member.key] = dict(held.tally.own)
        elif before is not None:
            found[member.key] = before
    return found


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
