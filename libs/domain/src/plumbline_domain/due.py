"""When the answer may change although no event comes (design 5, `due_at`)."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from plumbline_schemas.billing import Invoice, Subscription

from plumbline_domain.lifecycle import PLANNED_WITHIN
from plumbline_domain.sighting import SeenInvoice, SeenSubscription
from plumbline_domain.subscriptions import ENDED


def next_instant(
    subscriptions: Iterable[SeenSubscription], invoices: Iterable[SeenInvoice], *, at: datetime
) -> datetime | None:
    """The first instant after `at` at which some rule may answer otherwise; None when none may."""
    instants = [
        instant
        for seen in subscriptions
        for instant in _of_subscription(seen.body)
        if instant is not None and instant > at
    ]
    instants += [
        instant
        for seen in invoices
        for instant in _of_invoice(seen.body)
        if instant is not None and instant > at
    ]
    return min(instants, default=None)


def _of_subscription(body: Subscription) -> Iterator[datetime | None]:
    if body.status in ENDED:
        return
    yield body.start_date
    yield body.trial_end
    if body.cancel_at is not None:
        yield body.cancel_at
        yield body.cancel_at - PLANNED_WITHIN
    for item in body.items:
        yield item.trial_start
        yield item.trial_end
    if body.pause_collection is not None:
        yield body.pause_collection.resumes_at


def _of_invoice(body: Invoice) -> Iterator[datetime | None]:
    if body.status == "open":
        yield body.due_date
