"""Normalised billing objects: what an observation of a billing vendor holds in its body.

These are ours, never the vendor's shape. Amounts are decimal strings of *minor units* (Stripe's
`unit_amount_decimal`), times are UTC. Fields are only ever added.
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from plumbline_schemas.catalogue import Body, Discount, Price, TaxRate


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
    discount_objects: tuple[Discount, ...] = ()
    """Those of them that the vendor embedded; the others are bare ids."""
    default_payment_method: str | None = None
    """`invoice_settings.default_payment_method`, else `default_source`."""
    city: str | None = None
    country: str | None = None
    """ISO code. Town, country and postal code are the address's, else the shipping address's."""
    postal_code: str | None = None
    told_type: Literal["company", "individual"] | None = None
    """What the vendor's `business_name` or `individual_name` says it is; None: neither is set."""
    tax_id: str | None = None
    """The tax id in the metadata key that the connection's `metadata.tax_id` names."""
    tax_ids: tuple[str, ...] | None = None
    """Numbers of the vendor's own tax ids; None: not told, as in an event (vendors 1.7)."""


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
    discount_objects: tuple[Discount, ...] = ()
    """Those of them that the vendor embedded; the others are bare ids."""
    tax_rates: tuple[TaxRate, ...] = ()
    """The item's own; if it has any they replace the subscription's."""
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
    discount_objects: tuple[Discount, ...] = ()
    """Those of them that the vendor embedded; the others are bare ids."""
    default_tax_rates: tuple[TaxRate, ...] = ()
    tax_rates_inclusive: bool = False
    latest_invoice: str | None = None
    automatic_tax: bool | None = None
    """Whether the vendor works out taxes itself; None when the producer does not say."""
    default_payment_method: str | None = None
    """`default_payment_method`, else `default_source`."""
    schedule: str | None = None


class InvoiceLine(Body):
    """One line of an invoice, as far as usage needs it."""

    subscription_item: str | None = None
    price: str | None = None
    """Vendor id of the price."""
    amount: int = 0
    """Minor units, before discounts and exclusive tax."""
    proration: bool = False
    period_start: datetime | None = None
    period_end: datetime | None = None


class Invoice(Body):
    """A Stripe invoice. Amounts are integer minor units."""

    status: str | None = None
    subscription: str | None = None
    currency: str | None = None
    created: datetime | None = None
    amount_due: int = 0
    amount_paid: int = 0
    amount_remaining: int = 0
    total: int = 0
    total_excluding_tax: int | None = None
    """None: not said."""
    post_payment_credit_notes: int = 0
    """Credited after it was paid (`post_payment_credit_notes_amount`)."""
    lines: tuple[InvoiceLine, ...] = ()
    """Those that the payload holds."""
    lines_truncated: bool = False
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


class Charge(Body):
    """A charge: what was taken and what was given back, in integer minor units."""

    status: str | None = None
    created: datetime | None = None
    currency: str | None = None
    amount: int = 0
    amount_captured: int = 0
    amount_refunded: int = 0
    invoice: str | None = None
    """Up to acacia, and of charges that were read because something was refunded."""
    invoiced: bool | None = None
    """Whether it paid an invoice; None: not told."""
    payment_intent: str | None = None


class CreditNote(Body):
    """A credit note. Only what was credited after payment takes from the lifetime value."""

    status: str | None = None
    created: datetime | None = None
    invoice: str | None = None
    currency: str | None = None
    amount: int = 0
    pre_payment_amount: int | None = None
    post_payment_amount: int | None = None
    refunds: tuple[str, ...] = ()
    """Refunds that paid it out: those are in their charges' `amount_refunded` already."""
    refunded_amount: int | None = None
    """Minor units of `post_payment_amount` that went out as refunds; None: not said."""


class PaymentMethod(Body):
    """A payment method; `exp_month` and `exp_year` only of cards."""

    type: str | None = None
    created: datetime | None = None
    exp_month: int | None = None
    exp_year: int | None = None


BillingKind = Literal[
    "customer",
    "subscription",
    "invoice",
    "product",
    "price",
    "coupon",
    "tax_rate",
    "charge",
    "credit_note",
    "payment_method",
]
CATALOGUE_KINDS = frozenset({"product", "price", "coupon", "tax_rate"})


class PreviousAttributes(BaseModel):
    """Names of the top-level attributes an update changed, with the values before.

    Kept in the vendor's words: only used to resolve ties of the same second (design 5).
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    names: tuple[str, ...] = Field(default=())
