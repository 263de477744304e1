"""Stripe's customers, subscriptions and invoices in our words, whatever version rendered them.

Handled shapes: acacia and older (periods and plan on the subscription, `invoice.subscription`,
single `discount`), basil and clover (periods on items, `parent.subscription_details`, `discounts`),
dahlia and endive (`status_details`) (vendors 1.6). Unknown statuses and intervals pass as they are:
the domain decides. Text is as `decoding` leaves it: without U+0000.
"""

from datetime import datetime
from typing import Final, NamedTuple

from plumbline_schemas.billing import (
    BillingCustomer,
    Invoice,
    PauseCollection,
    Subscription,
    SubscriptionItem,
)

from plumbline_connectors.stripe.prices import plan_as_price, price_of_item
from plumbline_connectors.stripe.reading import Fields

_FAILED_PAYMENT: Final = frozenset({"first_payment_failure", "final_payment_failure"})


class MetadataKeys(NamedTuple):
    """Names of the metadata keys that mean something to us."""

    crm_id: str
    company: str


class _Period(NamedTuple):
    start: datetime | None
    end: datetime | None


def customer_body(obj: Fields, keys: MetadataKeys) -> BillingCustomer:
    """A customer. Without a `name`, the newer `business_name` or `individual_name` stands in."""
    metadata = obj.child("metadata") or Fields({}, f"{obj.where}.metadata")
    return BillingCustomer(
        email=obj.text("email"),
        name=obj.text("name") or obj.text("business_name") or obj.text("individual_name"),
        phone=obj.text("phone"),
        created=obj.time("created"),
        currency=_lower(obj.text("currency")),
        crm_id=metadata.text(keys.crm_id),
        company=metadata.text(keys.company),
        discounts=_discounts(obj),
    )


def subscription_body(obj: Fields) -> Subscription:
    """A subscription with the items that the payload holds."""
    pause = obj.child("pause_collection")
    items = obj.child("items")
    automatic_tax = obj.child("automatic_tax")
    return Subscription(
        status=obj.required_text("status"),
        currency=_lower(obj.text("currency")),
        created=obj.time("created"),
        start_date=obj.time("start_date"),
        ended_at=obj.time("ended_at"),
        canceled_at=obj.time("canceled_at"),
        cancel_at=obj.time("cancel_at"),
        cancel_at_period_end=obj.flag("cancel_at_period_end"),
        trial_start=obj.time("trial_start"),
        trial_end=obj.time("trial_end"),
        collection_method=obj.text("collection_method"),
        pause_collection=None if pause is None else _pause(pause),
        paused_by_payment_failure=_paused_by_payment_failure(obj),
        items=_items(obj, items),
        items_truncated=items is not None and items.flag("has_more"),
        discounts=_discounts(obj),
        tax_rates_inclusive=_any_inclusive(obj, "default_tax_rates"),
        automatic_tax=None if automatic_tax is None else automatic_tax.flag("enabled"),
        latest_invoice=obj.ref("latest_invoice"),
    )


def invoice_body(obj: Fields) -> Invoice:
    """An invoice."""
    moved = obj.child("status_transitions") or Fields({}, f"{obj.where}.status_transitions")
    return Invoice(
        status=obj.text("status"),
        subscription=_subscription_of(obj),
        currency=_lower(obj.text("currency")),
        created=obj.time("created"),
        amount_due=obj.amount("amount_due"),
        amount_paid=obj.amount("amount_paid"),
        amount_remaining=obj.amount("amount_remaining"),
        total=obj.amount("total"),
        attempted=obj.flag("attempted"),
        attempt_count=obj.amount("attempt_count"),
        collection_method=obj.text("collection_method"),
        due_date=obj.time("due_date"),
        next_payment_attempt=obj.time("next_payment_attempt"),
        billing_reason=obj.text("billing_reason"),
        finalized_at=moved.time("finalized_at"),
        paid_at=moved.time("paid_at"),
        marked_uncollectible_at=moved.time("marked_uncollectible_at"),
        voided_at=moved.time("voided_at"),
        uncollectible_reason=_uncollectible_reason(obj),
    )


def _items(subscription: Fields, items: Fields | None) -> tuple[SubscriptionItem, ...]:
    # Up to acacia all items share the subscription's period.
    shared = _Period(
        subscription.time("current_period_start"), subscription.time("current_period_end")
    )
    if items is not None:
        found = items.children("data")
        return tuple(_item(item, shared) for item in found if not item.flag("deleted"))
    plan = subscription.child("plan")
    if plan is None:
        raise subscription.unusable("items", "a list of items")
    return (
        SubscriptionItem(
            item_id=subscription.required_text("id"),
            created=subscription.time("created"),
            quantity=subscription.integer("quantity"),
            price=plan_as_price(plan),
            current_period_start=shared.start,
            current_period_end=shared.end,
        ),
    )


def _item(item: Fields, shared: _Period) -> SubscriptionItem:
    trial = item.child("current_trial") or Fields({}, f"{item.where}.current_trial")
    return SubscriptionItem(
        item_id=item.required_text("id"),
        created=item.time("created"),
        quantity=item.integer("quantity"),
        price=price_of_item(item),
        current_period_start=item.time("current_period_start") or shared.start,
        current_period_end=item.time("current_period_end") or shared.end,
        trial_start=trial.time("start_date"),
        trial_end=trial.time("end_date"),
        discounts=_discounts(item),
        tax_rates_inclusive=_any_inclusive(item, "tax_rates"),
    )


def _pause(pause: Fields) -> PauseCollection:
    return PauseCollection(
        behavior=pause.required_text("behavior"), resumes_at=pause.time("resumes_at")
    )


def _paused_by_payment_failure(obj: Fields) -> bool:
    """Since endive `status_details` says why a subscription is paused (vendors 1.6)."""
    if obj.text("status") != "paused":
        return False
    details = obj.child("status_details")
    paused = None if details is None else details.child("paused")
    if paused is None:
        return False
    cause = paused.child("subscription")
    named = {paused.text("type"), None if cause is None else cause.text("type")}
    return not named.isdisjoint(_FAILED_PAYMENT)


def _discounts(obj: Fields) -> tuple[str, ...]:
    """Ids of `discounts`, or of the single `discount` of older versions."""
    several = obj.refs("discounts")
    if several:
        return several
    single = obj.ref("discount")
    return () if single is None else (single,)


def _any_inclusive(obj: Fields, name: str) -> bool:
    return any(rate.flag("inclusive") for rate in obj.children(name))


def _subscription_of(invoice: Fields) -> str | None:
    direct = invoice.ref("subscription")
    if direct is not None:
        return direct
    parent = invoice.child("parent")
    details = None if parent is None else parent.child("subscription_details")
    return None if details is None else details.ref("subscription")


def _uncollectible_reason(invoice: Fields) -> str | None:
    details = invoice.child("status_details")
    uncollectible = None if details is None else details.child("uncollectible")
    return None if uncollectible is None else uncollectible.text("reason")


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()
