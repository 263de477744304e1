"""The table of fields: our name, the vendor property, its type, unit and enumeration.

CRM properties, documentation and the default of `[fields]` come from here (design 4).
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, get_args

from plumbline_schemas.accounts import PaymentStatus, Stage, State, SubscriptionStatus

FieldType = Literal["string", "number", "datetime", "enumeration", "bool"]
GROUP_NAME: Final = "plumbline"
GROUP_LABEL: Final = "Billing (Plumbline)"


class FieldSpec(NamedTuple):
    """One field that Plumbline can keep on a CRM record."""

    name: str
    type: FieldType
    label: str
    description: str
    options: tuple[str, ...] = ()
    default: bool = True
    """Part of the default mapping."""

    @property
    def default_property(self) -> str:
        """Vendor property used when the configuration has no `[fields]`."""
        return f"plumbline_{self.name}"


_TABLE: Final = (
    FieldSpec(
        "mrr",
        "number",
        "MRR",
        "Monthly recurring revenue, major units of the workspace's currency.",
    ),
    FieldSpec(
        "plan", "string", "Plan", "Lookup key of the first item's price, else the product's name."
    ),
    FieldSpec(
        "payment_status",
        "enumeration",
        "Payment status",
        "paid, past_due, failing (still retrying; Stripe calls that past_due) or none.",
        get_args(PaymentStatus),
    ),
    FieldSpec(
        "state", "enumeration", "Customer state", "Lifecycle state from billing.", get_args(State)
    ),
    FieldSpec(
        "stage", "enumeration", "Customer stage", "Lifecycle stage from billing.", get_args(Stage)
    ),
    FieldSpec(
        "billing_started_at", "datetime", "Billing started", "Earliest start of a subscription."
    ),
    FieldSpec(
        "stripe_customer_id",
        "string",
        "Stripe customer id",
        "All ids, sorted, joined by a semicolon.",
    ),
    FieldSpec("stripe_url", "string", "Stripe link", "Opens the customer in Stripe's dashboard."),
    FieldSpec(
        "ambiguous", "bool", "Ambiguous", "More than one billing customer, or an unsure match."
    ),
    FieldSpec(
        "subscription_status",
        "enumeration",
        "Subscription status",
        "Stripe's status of the worst live subscription, else of the one that ended last.",
        get_args(SubscriptionStatus),
    ),
    FieldSpec(
        "next_renewal_at",
        "datetime",
        "Next renewal",
        "Earliest end of a billing period of the live subscriptions.",
    ),
    FieldSpec(
        "billing_interval",
        "string",
        "Billing interval",
        "month, year, 3 months and the like, or mixed.",
    ),
    FieldSpec(
        "discount",
        "string",
        "Discount",
        "Discounts in effect, such as 20 % off forever; 10.00 EUR off until 2026-12-31.",
    ),
    FieldSpec(
        "failed_payment_count",
        "number",
        "Failed payments",
        "Attempts to collect the invoices that are open.",
    ),
    FieldSpec(
        "last_payment_at", "datetime", "Last payment", "When an invoice above zero was last paid."
    ),
    FieldSpec(
        "ltv",
        "number",
        "Lifetime value",
        "Paid invoices less refunds and credit notes, major units of the workspace's currency.",
    ),
    FieldSpec(
        "payment_method_expires_at",
        "datetime",
        "Card expires",
        "End of the last month of the card that is charged by default.",
    ),
    FieldSpec(
        "days_to_first_payment",
        "number",
        "Days to first payment",
        "Whole days from when the customer was made to its first payment.",
        default=False,
    ),
    FieldSpec(
        "planned_cancellation_at",
        "datetime",
        "Planned cancellation",
        "When the first subscription that was canceled ahead will end.",
    ),
    FieldSpec(
        "mrr_ending",
        "number",
        "MRR ending",
        "Part of the MRR that planned cancellations will end; 0 when none.",
    ),
    FieldSpec(
        "last_synced_at", "datetime", "Last synced", "When Plumbline last changed a value here."
    ),
)

ACCOUNT_ID_PROPERTY: Final = "plumbline_account_id"
"""On a record that was created for an account: its id. Unique, so that no second one can be.

It is no field: no mapping moves it, and no other record ever gets one.
"""

FIELDS: Final[Mapping[str, FieldSpec]] = {spec.name: spec for spec in _TABLE}

LAST_SYNCED: Final = "last_synced_at"
"""Outside the compared hash: it moves only together with another field (design 7)."""


def default_mapping() -> dict[str, str]:
    """Our field -> vendor property, when the configuration gives no `[fields]`."""
    return {spec.name: spec.default_property for spec in _TABLE if spec.default}
