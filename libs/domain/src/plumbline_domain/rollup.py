"""Several billing customers of one account: who counts, and what each one's share is (design 9).

Live and test mode never mix (billing.md, MRR): beside a live customer one of test mode stands in
the list and counts nowhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from plumbline_schemas.accounts import State
from plumbline_schemas.ids import ExternalKey
from plumbline_schemas.money import Money

from plumbline_domain.customer import Customer
from plumbline_domain.money import to_minor
from plumbline_domain.plan import plan
from plumbline_domain.sighting import Catalogue
from plumbline_domain.standing import Standing


@dataclass(frozen=True, slots=True)
class MemberShare:
    """What one billing customer adds to its account; `mrr` None while it is not known."""

    customer: ExternalKey
    test_mode: bool
    counted: bool
    mrr: Money | None
    plan: str | None
    payment_status: str
    state: State


def counting(members: Sequence[Customer]) -> list[Customer]:
    """The members whose objects make the account's values: of both modes only the live ones."""
    live = [member for member in members if not member.test_mode]
    return live or list(members)


def shares_of(
    members: Sequence[Customer],
    counted: Sequence[Customer],
    standings: Mapping[ExternalKey, Standing],
    catalogue: Catalogue,
    *,
    currency: str | None,
    at: datetime,
) -> tuple[MemberShare, ...]:
    """Each member's share, by key; nothing for a single member, whose share is the account's."""
    if len(members) < 2:
        return ()
    known = {m.key: m.holdings.amount for m in counted if not m.holdings.missing}
    amounts = apportioned(known) if len(known) == len(counted) else _rounded(known)
    aside = {m.key: m.holdings.amount for m in members if not m.holdings.missing}
    amounts = {**_rounded(aside), **amounts}
    inside = {member.key for member in counted}
    return tuple(
        MemberShare(
            customer=member.key,
            test_mode=member.test_mode,
            counted=member.key in inside,
            mrr=_money(amounts.get(member.key), currency),
            plan=plan(member.subscriptions, catalogue, at=at).value,
            payment_status=standings[member.key].health.value,
            state=standings[member.key].lifecycle.state,
        )
        for member in members
    )


def apportioned(amounts: Mapping[ExternalKey, Fraction]) -> dict[ExternalKey, int]:
    """Whole minor units that add up to the sum, rounded once, of these exact amounts.

    The units that rounding down leaves over go to the greatest remainders, of equal ones to the
    smallest key.
    """
    found = {key: amount.numerator // amount.denominator for key, amount in amounts.items()}
    left = to_minor(sum(amounts.values(), Fraction(0))) - sum(found.values())
    by_remainder = sorted(amounts, key=lambda key: (found[key] - amounts[key], key))
    for key in by_remainder[:left]:
        found[key] += 1
    return found


def _rounded(amounts: Mapping[ExternalKey, Fraction]) -> dict[ExternalKey, int]:
    return {key: to_minor(amount) for key, amount in amounts.items()}


def _money(minor: int | None, currency: str | None) -> Money | None:
    if minor is None or currency is None:
        return None
    return Money(minor=minor, currency=currency.lower())
