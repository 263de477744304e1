"""What an account's fold needs of one subscription or invoice, without the whole of it.

Kept beside each stored object, so that folding an account reads nothing whole that did not change
(design 6). Attributes are named as in `plumbline_schemas.billing`: the rules take either. The MRR
needs more than this; its result is kept as the subscription's `Share`.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final, NamedTuple

from plumbline_schemas.billing import (
    Charge,
    CreditNote,
    Invoice,
    PaymentMethod,
    Subscription,
    SubscriptionItem,
)
from plumbline_schemas.events import (
    CARD_EXPIRING_DAYS,
    RENEWAL_APPROACHING_DAYS,
    TRIAL_ENDING_DAYS,
)

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

PLANNED_WITHIN: Final = timedelta(days=90)
"""A `cancel_at` further away is a fixed term and no risk yet."""


TRIAL_LEAD: Final = timedelta(days=TRIAL_ENDING_DAYS)
RENEWAL_LEAD: Final = timedelta(days=RENEWAL_APPROACHING_DAYS)
CARD_LEAD: Final = timedelta(days=CARD_EXPIRING_DAYS)
"""How long before they come the end of a trial, a renewal and a card's expiry are near."""


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
    renews_at: datetime | None = None
    """Earliest end of an item's billing period."""
    trial_end: datetime | None = None
    intervals: tuple[str, ...] = ()
    """How often its items bill, each once, such as `month` or `3 months`."""
    method: str | None = None
    """Its own default payment method."""
    currency: str | None = None
    often: bool = False
    """Renews so often that a renewal is always near."""


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
    currency: str | None = None
    attempt_count: int = 0
    paid_at: datetime | None = None


class GivenBack(NamedTuple):
    """What a charge or a credit note took from the lifetime value, in minor units."""

    currency: str | None
    minor: int


class CardFacts(NamedTuple):
    """A payment method that expires: with the first instant that it is not good any more."""

    created: datetime | None
    expires_at: datetime


class Share(NamedTuple):
    """What a subscription adds to its account's MRR, until `valid_until` (None: for good)."""

    amount: Fraction
    missing: tuple[str, ...] = ()
    valid_until: datetime | None = None
    own: Fraction = Fraction(0)
    """The same in the subscription's own currency."""
    own_currency: str = ""
    """Lower case."""
    discounts: tuple[str, ...] = ()
    """The discounts in effect in words; an empty one is not known."""

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
        instants=turns_of(body),
        renews_at=renews_at(body.items),
        trial_end=body.trial_end,
        intervals=tuple(sorted({_interval(one) for one in body.items if one.price.recurring})),
        method=body.default_payment_method,
        currency=body.currency,
        often=any(_often(one) for one in body.items),
    )


def _often(item: SubscriptionItem) -> bool:
    """Whether its period is no longer than a renewal is told ahead."""
    recurring = item.price.recurring
    days = {"day": 1, "week": 7}.get("" if recurring is None else recurring.interval)
    return days is not None and timedelta(days=days * _count(item)) <= RENEWAL_LEAD


def _count(item: SubscriptionItem) -> int:
    return 1 if item.price.recurring is None else item.price.recurring.interval_count


def turns_of(body: Subscription) -> tuple[datetime, ...]:
    """When any answer about a subscription may change, MRR and reminders alike, in order."""
    return tuple(sorted({*instants_of(body), *_reminders(body)}))


def renews_at(items: Iterable[SubscriptionItem]) -> datetime | None:
    """The earliest end of a billing period."""
    ends = [one.current_period_end for one in items if one.current_period_end is not None]
    return min(ends, default=None)


def _interval(item: SubscriptionItem) -> str:
    """In words: `month`, `3 months`."""
    recurring = item.price.recurring
    if recurring is None:
        return ""
    count = recurring.interval_count
    return recurring.interval if count == 1 else f"{count} {recurring.interval}s"


def _reminders(body: Subscription) -> Iterator[datetime]:
    """When a renewal or the end of a trial comes near."""
    if body.status in {"canceled", "incomplete_expired"}:
        return
    renewal = renews_at(body.items)
    if renewal is not None and not any(_often(one) for one in body.items):
        yield renewal - RENEWAL_LEAD
        yield renewal
    if body.trial_end is not None:
        yield body.trial_end - TRIAL_LEAD


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
        currency=body.currency,
        attempt_count=body.attempt_count,
        paid_at=body.paid_at,
    )


def refunded(body: Charge) -> GivenBack | None:
    """What was refunded of a charge that paid an invoice; None when nothing was.

    The money of a charge without an invoice is not in the lifetime value, so its refund takes
    nothing from it. From basil on only a read tells; until then it is taken to have paid one.
    """
    if body.amount_refunded <= 0 or body.invoiced is False:
        return None
    return GivenBack(body.currency, body.amount_refunded)


def credited(body: CreditNote) -> GivenBack | None:
    """What a credit note gave back after payment and not as a refund; None when nothing.

    A refund is in its charge's `amount_refunded` already. Before there were amounts before and
    after payment a credit note was for the one or the other: with a refund it was for paid money.
    """
    if body.status == "void":
        return None
    after = body.post_payment_amount
    if after is None:
        after = body.amount - (body.pre_payment_amount or 0) if body.refunds else 0
    paid_out = body.refunded_amount
    if paid_out is None:
        paid_out = after if body.refunds else 0
    left = after - paid_out
    return GivenBack(body.currency, left) if left > 0 else None


def card_facts(body: PaymentMethod) -> CardFacts | None:
    """The end of the card's month: the first instant of the next, UTC; None: does not expire."""
    year, month = body.exp_year, body.exp_month
    if year is None or month is None or not (1 <= month <= 12 and 1970 <= year < 9999):
        return None
    return CardFacts(body.created, datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC))
