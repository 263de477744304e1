"""MRR of one subscription, item by item, as exact fractions (billing.md, policy `plumbline`).

Only plain prices can be computed so far. Whatever else the number would need is named, never
guessed: the account then keeps its last value and is flagged incomplete (design 5).
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

from plumbline_schemas.billing import Subscription, SubscriptionItem
from plumbline_schemas.catalogue import Price, Recurring

from plumbline_domain.subscriptions import started

COUNTED: Final = frozenset({"active", "past_due"})
ZERO: Final = frozenset(
    {"trialing", "incomplete", "incomplete_expired", "unpaid", "paused", "canceled"}
)
NOTHING: Final = Fraction(0)

_MONTHS_PER: Final = {
    "month": Fraction(1),
    "year": Fraction(1, 12),
    "week": Fraction(52, 12),
    "day": Fraction(365, 12),
}


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a subscription adds to its customer's MRR, in minor units of the asked currency.

    `amount` is exact and only to be used when `missing` is empty. `missing` names what the number
    would need, e.g. `tiers:price_1`, `discount:di_1`, `rate:EUR`, `items:sub_1`.
    """

    amount: Fraction
    missing: tuple[str, ...] = ()


def interval_factor(recurring: Recurring) -> Fraction | None:
    """Billing periods per month, exact: month 1/n, year 1/(12n), week 52/(12n), day 365/(12n).

    None for an interval that is not known.
    """
    return _factor(recurring.interval, recurring.interval_count)


@lru_cache(maxsize=256)
def _factor(interval: str, count: int) -> Fraction | None:
    per_month = _MONTHS_PER.get(interval)
    return None if per_month is None or count < 1 else per_month / count


@lru_cache(maxsize=4096)
def _exact(amount: Decimal, quantity: int, factor: Fraction) -> Fraction:
    """Exact fractions are slow to make, and a book has few different prices."""
    return Fraction(amount) * quantity * factor


def collection_paused(subscription: Subscription, at: datetime) -> bool:
    """A `pause_collection` whose `resumes_at` has passed no longer pauses."""
    pause = subscription.pause_collection
    return pause is not None and (pause.resumes_at is None or pause.resumes_at > at)


def subscription_mrr(
    subscription_id: str, subscription: Subscription, *, currency: str, at: datetime
) -> Contribution:
    """Sum the items of one subscription at the instant `at`.

    `currency` is the workspace's, in lower case. A subscription that does not count needs nothing.
    """
    if subscription.status in ZERO:
        return Contribution(NOTHING)
    if not started(subscription, at) or collection_paused(subscription, at):
        return Contribution(NOTHING)
    if subscription.status not in COUNTED:
        return Contribution(NOTHING, (f"status:{subscription_id}:{subscription.status}",))
    amount = NOTHING
    missing: set[str] = set()
    for item in subscription.items:
        if _in_trial(item, at):
            continue
        part = _item(item, subscription, currency)
        amount = part.amount if amount is NOTHING else amount + part.amount
        missing.update(part.missing)
    if amount or missing:
        missing.update(f"discount:{discount}" for discount in subscription.discounts)
    if subscription.items_truncated:
        missing.add(f"items:{subscription_id}")
    return Contribution(NOTHING if missing else amount, tuple(sorted(missing)))


def _in_trial(item: SubscriptionItem, at: datetime) -> bool:
    """An item in a trial of its own, from its start to before its end, counts zero."""
    if item.trial_end is None:
        return False
    return (item.trial_start is None or item.trial_start <= at) and at < item.trial_end


def _item(item: SubscriptionItem, subscription: Subscription, currency: str) -> Contribution:
    price = item.price
    recurring = price.recurring
    if recurring is None or recurring.usage_type == "metered" or item.quantity == 0:
        return Contribution(NOTHING)
    factor = interval_factor(recurring)
    missing = _unpriceable(price)
    if factor is None:
        missing.add(f"interval:{price.price_id}")
    if missing or factor is None or price.unit_amount is None:
        return Contribution(NOTHING, tuple(missing))
    quantity = 1 if item.quantity is None else item.quantity
    if price.unit_amount == 0:
        return Contribution(NOTHING)
    if (price.unit_amount < 0) != (quantity < 0):
        return Contribution(NOTHING, (f"negative:{price.price_id}",))
    missing = _unadjustable(item, subscription, currency)
    return Contribution(_exact(price.unit_amount, quantity, factor), tuple(missing))


def _unpriceable(price: Price) -> set[str]:
    """What the list amount of a price needs and we do not have."""
    missing = set()
    if price.billing_scheme == "tiered" or price.tiers_mode is not None:
        missing.add(f"tiers:{price.price_id}")
    elif price.unit_amount is None:
        missing.add(f"amount:{price.price_id}")
    if price.transform_quantity:
        missing.add(f"transform_quantity:{price.price_id}")
    return missing


def _unadjustable(item: SubscriptionItem, subscription: Subscription, currency: str) -> set[str]:
    """What stands between a list amount above zero and MRR and can't be computed yet."""
    price = item.price
    missing = {f"discount:{discount}" for discount in item.discounts}
    taxed_by_hand = item.tax_rates_inclusive or subscription.tax_rates_inclusive
    taxed_by_stripe = price.tax_behavior == "inclusive" and subscription.automatic_tax is not False
    if taxed_by_hand or taxed_by_stripe:
        missing.add(f"tax:{item.item_id}")
    billed_in = (subscription.currency or price.currency).lower()
    if price.currency.lower() != billed_in:
        missing.add(f"currency_option:{price.price_id}:{billed_in.upper()}")
    elif billed_in != currency.lower():
        missing.add(f"rate:{billed_in.upper()}")
    return missing
