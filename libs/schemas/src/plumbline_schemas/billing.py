"""Normalised billing objects: what an observation of a billing vendor holds in its body.

These are ours, never the vendor's shape. Amounts are decimal strings of *minor units* (Stripe's
`unit_amount_decimal`), times are UTC. Fields are only ever added.
"""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Body(BaseModel):
    """A frozen model of one whole vendor object; unknown fields of a newer producer are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class BillingCustomer(Body):
    """A Stripe customer. A deleted one keeps only its id (vendors 1.11)."""

    email: str | None = None
    name: str | None = None
    phone: str | None = None
    created: datetime | None = None
    currency: str | None = None
    crm_id: str | None = None
    """The CRM record named by the metadata key that the connection's `metadata.crm_id` names."""
    company: str | None = None
    """The company named by the metadata key that the connection's `metadata.company` names."""
    discounts: tuple[str, ...] = ()
    """Ids of the customer's own discounts."""


class Recurring(Body):
    """How often a price bills: every `interval_count` `interval`s."""

    interval: str
    interval_count: int = 1
    usage_type: str = "licensed"


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
    transform_quantity: dict[str, str | int] | None = None
    recurring: Recurring | None = None
    """None for a one-time price."""
    tax_behavior: str | None = None
    active: bool = True


class SubscriptionItem(Body):
    """One line of a subscription."""

    item_id: str
    created: datetime | None = None
    quantity: int | None = None
    price: Price
    current_period_start: datetime | None = None
    current_period_end: datetime | None = None
    trial_start: datetime | None = None
    trial_end: datetime | None = None
    """The item's own trial (endive's `current_trial`)."""
    discounts: tuple[str, ...] = ()
    tax_rates_inclusive: bool = False


class PauseCollection(Body):
    """Collection is paused until `resumes_at`, or until further notice."""

    behavior: str
    resumes_at: datetime | None = None


class Subscription(Body):
    """A Stripe subscription with all its items."""

    status: str
    currency: str | None = None
    created: datetime | None = None
    start_date: datetime | None = None
    ended_at: datetime | None = None
    canceled_at: datetime | None = None
    cancel_at: datetime | None = None
    cancel_at_period_end: bool = False
    trial_start: datetime | None = None
    trial_end: datetime | None = None
    collection_method: str | None = None
    pause_collection: PauseCollection | None = None
    paused_by_payment_failure: bool = False
    items: tuple[SubscriptionItem, ...] = ()
    items_truncated: bool = False
    """The vendor's page of items said `has_more`: the rest must be read."""
    discounts: tuple[str, ...] = ()
    """Ids of the subscription's own discounts, embedded or not."""
    tax_rates_inclusive: bool = False
    latest_invoice: str | None = None
    automatic_tax: bool | None = None
    """Whether the vendor works out taxes itself; None when the producer does not say."""


class Invoice(Body):
    """A Stripe invoice, as far as payment health needs it. Amounts are integer minor units."""

    status: str | None = None
    subscription: str | None = None
    currency: str | None = None
    created: datetime | None = None
    amount_due: int = 0
    amount_paid: int = 0
    amount_remaining: int = 0
    total: int = 0
    attempted: bool = False
    attempt_count: int = 0
    collection_method: str | None = None
    due_date: datetime | None = None
    next_payment_attempt: datetime | None = None
    billing_reason: str | None = None
    finalized_at: datetime | None = None
    paid_at: datetime | None = None
    marked_uncollectible_at: datetime | None = None
    voided_at: datetime | None = None
    uncollectible_reason: str | None = None


class Product(Body):
    """A Stripe product: the name a plan falls back to."""

    name: str | None = None
    active: bool = True


BillingKind = Literal["customer", "subscription", "invoice", "product", "price"]
CATALOGUE_KINDS = frozenset({"product", "price"})


class PreviousAttributes(BaseModel):
    """Names of the top-level attributes an update changed, with the values before.

    Kept in the vendor's words: only used to resolve ties of the same second (design 5).
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    names: tuple[str, ...] = Field(default=())
