"""What an account's fold needs of one subscription or invoice, without the whole of it.

Kept beside each stored object, so that folding an account reads nothing whole that did not change
(design 6). Attributes are named as in `plumbline_schemas.billing`: the rules take either. The MRR
needs more than this; its result is kept as the subscription's `Share`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final, NamedTuple

from plumbline_schemas.billing import Invoice, Subscription, SubscriptionItem

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

PLANNED_WITHIN: Final = timedelta(days=90)
"""A `cancel_at` further away is a fixed term and no risk yet."""


class Pause(NamedTuple):
    """A `pause_collection`."""

    behavior: str
    resumes_at: datetime | None


class PriceNames(NamedTuple):
    """What a price may be called."""

    price_id: str
    product: str | None
    product_name: str | None
    lookup_key: str | None
    nickname: str | None


class NamedItem(NamedTuple):
    """An item as far as it names a plan."""

    item_id: str
    created: datetime | None
    price: PriceNames


class SubscriptionFacts(NamedTuple):
    """A subscription; of its items only the one created first, which names the plan."""

    status: str
    created: datetime | None
    start_date: datetime | None
    ended_at: datetime | None
    canceled_at: datetime | None
    cancel_at: datetime | None
    cancel_at_period_end: bool
    pause_collection: Pause | None
    paused_by_payment_failure: bool
    items: tuple[NamedItem, ...]
    instants: tuple[datetime, ...]
    """When a rule may answer otherwise though nothing happens, in order."""


class InvoiceFacts(NamedTuple):
    """An invoice, as payment health and the lifecycle see it."""

    status: str | None
    subscription: str | None
    created: datetime | None
    finalized_at: datetime | None
    amount_paid: int
    attempted: bool
    collection_method: str | None
    due_date: datetime | None
    next_payment_attempt: datetime | None
    uncollectible_reason: str | None


class Share(NamedTuple):
    """What a subscription adds to its account's MRR, until `valid_until` (None: for good)."""

    amount: Fraction
    missing: tuple[str, ...] = ()
    valid_until: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Whether it is still true at that instant."""
        return self.valid_until is None or at < self.valid_until


def subscription_facts(body: Subscription) -> SubscriptionFacts:
    """The facts of a subscription."""
    pause = body.pause_collection
    return SubscriptionFacts(
        status=body.status,
        created=body.created,
        start_date=body.start_date,
        ended_at=body.ended_at,
        canceled_at=body.canceled_at,
        cancel_at=body.cancel_at,
        cancel_at_period_end=body.cancel_at_period_end,
        pause_collection=None if pause is None else Pause(pause.behavior, pause.resumes_at),
        paused_by_payment_failure=body.paused_by_payment_failure,
        items=_first_item(body.items),
        instants=instants_of(body),
    )


def _first_item(items: tuple[SubscriptionItem, ...]) -> tuple[NamedItem, ...]:
    if not items:
        return ()
    first = items[0] if len(items) == 1 else min(items, key=item_age)
    price = first.price
    names = PriceNames(
        price.price_id, price.product, price.product_name, price.lookup_key, price.nickname
    )
    return (NamedItem(first.item_id, first.created, names),)


def item_age(item: SubscriptionItem | NamedItem) -> tuple[datetime, str]:
    """Sorts items, the one created first first; one without a date is older than all."""
    return (item.created or EPOCH, item.item_id)


def instants_of(body: Subscription) -> tuple[datetime, ...]:
    """When a rule may answer otherwise about a subscription though nothing happens, in order."""
    return tuple(sorted({at for at in _instants(body) if at is not None}))


def _instants(body: Subscription) -> Iterator[datetime | None]:
    if body.status in {"canceled", "incomplete_expired"}:
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


def invoice_facts(body: Invoice) -> InvoiceFacts:
    """The facts of an invoice."""
    return InvoiceFacts(
        status=body.status,
        subscription=body.subscription,
        created=body.created,
        finalized_at=body.finalized_at,
        amount_paid=body.amount_paid,
        attempted=body.attempted,
        collection_method=body.collection_method,
        due_date=body.due_date,
        next_payment_attempt=body.next_payment_attempt,
        uncollectible_reason=body.uncollectible_reason,
    )
