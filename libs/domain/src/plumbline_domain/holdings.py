"""What a customer holds, summed up: the sum of its shares and the objects that tell (design 6)."""

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from typing import Final, NamedTuple

from plumbline_domain.due import next_instant, sooner
from plumbline_domain.facts import Share
from plumbline_domain.sighting import SeenBeside, SeenInvoice, SeenSubscription
from plumbline_domain.tally import (
    NOTHING_COUNTED,
    Tally,
    counted_together,
    tally,
)
from plumbline_domain.telling import NOTHING_TOLD, Told, telling

_ZERO: Final = Fraction(0)


class Holdings(NamedTuple):
    """Any number of subscriptions and invoices at one instant."""

    told: Told = NOTHING_TOLD
    amount: Fraction = _ZERO
    """Exact MRR in minor units; only to be used when nothing is missing."""
    missing: frozenset[str] = frozenset()
    tally: Tally = NOTHING_COUNTED
    until: datetime | None = None
    """The first later instant at which any of this may be otherwise; None: never by itself."""

    def holds(self, at: datetime) -> bool:
        """Whether it still is so at a later instant."""
        return self.until is None or at < self.until


NOTHING_HELD: Final = Holdings()


def hold(
    subscriptions: Sequence[SeenSubscription],
    shares: Sequence[Share],
    invoices: Sequence[SeenInvoice],
    *,
    at: datetime,
    beside: Sequence[SeenBeside] = (),
) -> Holdings:
    """Sum up objects at the instant `at`; each of the shares is its subscription's and holds then.

    `beside` is what was given back, and the cards.
    """
    amount, missing = _ZERO, set[str]()
    until = next_instant(subscriptions, invoices, beside, at=at)
    for share in shares:
        if share.amount:
            amount = amount + share.amount if amount else share.amount
        missing.update(share.missing)
        until = sooner(until, share.valid_until)
    told = telling(subscriptions, invoices, at=at)
    counted = tally(subscriptions, shares, invoices, beside, at=at)
    return Holdings(told, amount, frozenset(missing), counted, until)


def together(parts: Sequence[Holdings], *, at: datetime) -> Holdings:
    """Sum up sums that all hold at the instant `at`."""
    if len(parts) == 1:
        return parts[0]
    amount, missing = _ZERO, set[str]()
    until: datetime | None = None
    subscriptions: list[SeenSubscription] = []
    invoices: list[SeenInvoice] = []
    for part in parts:
        amount += part.amount
        missing |= part.missing
        until = sooner(until, part.until)
        subscriptions += part.told.subscriptions
        invoices += part.told.invoices
    told = telling(subscriptions, invoices, at=at)
    counted = counted_together([part.tally for part in parts])
    return Holdings(told, amount, frozenset(missing), counted, until)
