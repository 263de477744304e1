"""The working of a number: what a finance person reads to follow it (billing.md, first lines).

Amounts are exact and in minor units of the currency named beside them. `rules` are ids that
docs/mrr.md explains.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Literal

Level = Literal["item", "subscription", "customer", "invoice"]


@dataclass(frozen=True, slots=True)
class BillingError:
    """Bad input: what is wrong, and the vendor's id of the object that it is wrong with."""

    name: str
    where: str


@dataclass(frozen=True, slots=True)
class TierLine:
    """What one tier adds: `units` of the quantity at `unit_amount`, and its flat part."""

    up_to: int | None
    units: int
    unit_amount: Decimal
    flat_amount: Decimal
    amount: Fraction


@dataclass(frozen=True, slots=True)
class DiscountLine:
    """A discount and whether it counts; `before` and `after` only where it took something."""

    discount_id: str
    level: Level
    coupon: str | None
    percent_off: Decimal | None
    amount_off: Decimal | None
    rule: str
    """`discount.percent`, `discount.amount`, or why it does not count."""
    before: Fraction | None = None
    after: Fraction | None = None


@dataclass(frozen=True, slots=True)
class ItemWorking:
    """How one item's MRR comes about, in the order of its fields."""

    item_id: str
    price_id: str
    quantity: int | None
    currency: str
    """The subscription's, lower case."""
    list_amount: Fraction | None
    tiers: tuple[TierLine, ...] = ()
    discounts: tuple[DiscountLine, ...] = ()
    tax: Fraction | None = None
    """Inclusive tax taken out of what the discounts left; None: none."""
    factor: Fraction | None = None
    """Billing periods per month."""
    rate: Fraction | None = None
    """Reported currency per unit of the subscription's; None where they are the same."""
    rate_day: date | None = None
    mrr: Fraction | None = None
    """In minor units of the reported currency; None while something is missing."""
    rules: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SubscriptionWorking:
    """How one subscription counts."""

    subscription_id: str
    status: str
    policy: str
    rule: str
    """`subscription.counted`, or why it counts zero."""
    items: tuple[ItemWorking, ...] = ()
    assumed: tuple[str, ...] = ()
    """Switches of the policy that were needed, and rules that were, on which its vendor states
    nothing: there it does as `plumbline` does."""
