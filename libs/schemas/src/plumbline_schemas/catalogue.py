"""The catalogue in our words: prices, coupons, tax rates, and what holders embed of them.

These are ours, never the vendor's shape. Amounts are decimal strings of *minor units* (Stripe's
`unit_amount_decimal`), times are UTC. Fields are only ever added.
"""

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """A frozen model of one whole vendor object; unknown fields of a newer producer are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Recurring(Body):
    """How often a price bills: every `interval_count` `interval`s."""

    interval: str
    interval_count: int = 1
    usage_type: str = "licensed"


class Tier(Body):
    """One tier of a price: up to and with `up_to` units, the last one without a bound."""

    up_to: int | None = None
    unit_amount: Decimal | None = None
    """Minor units for each unit of the tier; None: nothing per unit."""
    flat_amount: Decimal | None = None
    """Minor units for having reached the tier; None: nothing."""


class CurrencyOption(Body):
    """A price in a further currency."""

    unit_amount: Decimal | None = None
    tiers: tuple[Tier, ...] | None = None
    """None: not said (the vendor lists tiers only when asked)."""
    tax_behavior: str | None = None


class TaxRate(Body):
    """A tax rate; `percentage` of 20 means 20 %."""

    tax_rate_id: str
    inclusive: bool = False
    percentage: Decimal | None = None


class Coupon(Body):
    """A coupon: either a percentage or an amount of minor units off."""

    coupon_id: str
    name: str | None = None
    percent_off: Decimal | None = None
    amount_off: Decimal | None = None
    currency: str | None = None
    """Of `amount_off`, lower case."""
    currency_options: dict[str, Decimal] | None = None
    """`amount_off` in further currencies; None: not said (only listed when asked)."""
    duration: str | None = None
    """`forever`, `repeating` or `once`."""
    duration_in_months: int | None = None
    applies_to: tuple[str, ...] | None = None
    """Ids of the products it is for, empty: all; None: not said (only listed when asked)."""


class Discount(Body):
    """A coupon applied to a customer, a subscription or an item, from `start` to before `end`."""

    discount_id: str
    coupon: str | None = None
    """Id of its coupon; None: not said."""
    coupon_object: Coupon | None = None
    """The coupon as far as the vendor embedded it."""
    promotion_code: str | None = None
    start: datetime | None = None
    end: datetime | None = None


class Price(Body):
    """A price, alone or inside a subscription item."""

    price_id: str
    product: str | None = None
    """Vendor id of the product."""
    product_name: str | None = None
    """Only when the vendor embedded the whole product."""
    lookup_key: str | None = None
    nickname: str | None = None
    currency: str
    unit_amount: Decimal | None = None
    """Minor units for one, up to 12 decimal places; None for tiered prices."""
    billing_scheme: str = "per_unit"
    tiers_mode: str | None = None
    tiers: tuple[Tier, ...] | None = None
    """None: not said (the vendor lists tiers only when asked)."""
    currency_options: dict[str, CurrencyOption] | None = None
    """By currency in lower case; None: not said (only listed when asked)."""
    transform_quantity: dict[str, str | int] | None = None
    """`divide_by` (above 0) and `round` (`up` or `down`): quantity counts in such blocks."""
    recurring: Recurring | None = None
    """None for a one-time price."""
    tax_behavior: str | None = None
    active: bool = True
    deleted: bool = False
    """The vendor left nothing but the id: `currency` is empty, and nothing else is said."""


class Product(Body):
    """A Stripe product: the name a plan falls back to."""

    name: str | None = None
    active: bool = True
