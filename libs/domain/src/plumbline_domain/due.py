"""When the answer may change although no event comes (design 5, `due_at`)."""

from collections.abc import Iterable
from datetime import datetime

from plumbline_domain.facts import CARD_LEAD, CardFacts, SubscriptionFacts, turns_of
from plumbline_domain.sighting import SeenBeside, SeenInvoice, SeenSubscription


def next_instant(
    subscriptions: Iterable[SeenSubscription],
    invoices: Iterable[SeenInvoice],
    beside: Iterable[SeenBeside] = (),
    *,
    at: datetime,
) -> datetime | None:
    """The first instant after `at` at which some rule may answer otherwise; None when none may."""
    earliest: datetime | None = None
    for seen in subscriptions:
        body = seen.body
        instants = body.instants if isinstance(body, SubscriptionFacts) else turns_of(body)
        earliest = sooner(earliest, first_after(instants, at))
    for owed in invoices:
        due = owed.body.due_date
        if owed.body.status == "open" and due is not None and due > at:
            earliest = sooner(earliest, due)
    for one in beside:
        if isinstance(one.body, CardFacts) and one.body.expires_at - CARD_LEAD > at:
            earliest = sooner(earliest, one.body.expires_at - CARD_LEAD)
    return earliest


def first_after(instants: Iterable[datetime], at: datetime) -> datetime | None:
    """The first of ordered instants that is after `at`."""
    return next((instant for instant in instants if instant > at), None)


def sooner(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two instants; None means never."""
    if one is None or other is None:
        return one or other
    return min(one, other)
