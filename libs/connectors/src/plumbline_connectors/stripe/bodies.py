"""Stripe's customers and subscriptions in our words, whatever version rendered them.

Handled shapes: acacia and older (periods and plan on the subscription, single `discount`), basil
and clover (periods on items, `discounts`), dahlia and endive (`status_details`) (vendors 1.6).
Unknown statuses and intervals, a subscription without items, negative amounts pass as they are: the
domain names what is wrong. Text is as `decoding` leaves it: without U+0000.
"""

from datetime import datetime
from typing import Final, Literal, NamedTuple

from plumbline_schemas.billing import (
    BillingCustomer,
    PauseCollection,
    Subscription,
    SubscriptionItem,
)
from plumbline_schemas.built import built

from plumbline_connectors.stripe.discounts import discounts_of
from plumbline_connectors.stripe.prices import plan_as_price, price_of_item
from plumbline_connectors.stripe.reading import Fields, lower
from plumbline_connectors.stripe.taxes import inclusive, tax_rates_of

_new_billing_customer: Final = built(BillingCustomer)
_new_pause_collection: Final = built(PauseCollection)
_new_subscription: Final = built(Subscription)
_new_subscription_item: Final = built(SubscriptionItem)

_FAILED_PAYMENT: Final = frozenset({"first_payment_failure", "final_payment_failure"})


class MetadataKeys(NamedTuple):
    """Names of the metadata keys that mean something to us."""

    crm_id: str
    company: str
    tax_id: str = "tax_id"


class _Place(NamedTuple):
    """Where a customer is."""

    city: str | None
    country: str | None
    postal_code: str | None


class _Period(NamedTuple):
    start: datetime | None
    end: datetime | None


def customer_body(obj: Fields, keys: MetadataKeys) -> BillingCustomer:
    """A customer. Without a `name`, the newer `business_name` or `individual_name` stands in."""
    metadata = obj.beneath("metadata")
    settings = obj.beneath("invoice_settings")
    discounts = discounts_of(obj)
    shipping = obj.beneath("shipping")
    place = _place(obj.beneath("address")) or _place(shipping.beneath("address"))
    return _new_billing_customer(
        email=obj.text("email"),
        name=obj.text("name") or obj.text("business_name") or obj.text("individual_name"),
        phone=obj.text("phone") or shipping.text("phone"),
        created=obj.time("created"),
        currency=lower(obj.text("currency")),
        crm_id=metadata.text(keys.crm_id),
        company=metadata.text(keys.company),
        discounts=discounts.ids,
        discount_objects=discounts.embedded,
        default_payment_method=settings.ref("default_payment_method") or obj.ref("default_source"),
        city=None if place is None else place.city,
        country=None if place is None else place.country,
        postal_code=None if place is None else place.postal_code,
        told_type=_told_type(obj),
        tax_id=metadata.text(keys.tax_id),
        tax_ids=_tax_ids(obj),
    )


def _told_type(obj: Fields) -> Literal["company", "individual"] | None:
    if obj.text("business_name"):
        return "company"
    return "individual" if obj.text("individual_name") else None


def _place(address: Fields) -> _Place | None:
    """None: it says nothing of these."""
    place = _Place(address.text("city"), address.text("country"), address.text("postal_code"))
    return place if any(place) else None


def _tax_ids(obj: Fields) -> tuple[str, ...] | None:
    """Sorted, so that the vendor's order says nothing; None when the list is not expanded."""
    listed = obj.child("tax_ids")
    if listed is None:
        return None
    return tuple(sorted({one.required_text("value") for one in listed.children("data")}))


def subscription_body(obj: Fields) -> Subscription:
    """A subscription with the items that the payload holds."""
    pause = obj.child("pause_collection")
    items = obj.child("items")
    automatic_tax = obj.child("automatic_tax")
    discounts = discounts_of(obj)
    rates = tax_rates_of(obj, "default_tax_rates")
    return _new_subscription(
        status=obj.required_text("status"),
        currency=lower(obj.text("currency")),
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
        discounts=discounts.ids,
        discount_objects=discounts.embedded,
        default_tax_rates=rates,
        tax_rates_inclusive=inclusive(rates),
        latest_invoice=obj.ref("latest_invoice"),
        automatic_tax=None if automatic_tax is None else automatic_tax.flag("enabled"),
        default_payment_method=obj.ref("default_payment_method") or obj.ref("default_source"),
        schedule=obj.ref("schedule"),
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
        return ()
    return (
        _new_subscription_item(
            item_id=subscription.required_text("id"),
            created=subscription.time("created"),
            quantity=subscription.integer("quantity"),
            price=plan_as_price(plan),
            current_period_start=shared.start,
            current_period_end=shared.end,
        ),
    )


def _item(item: Fields, shared: _Period) -> SubscriptionItem:
    trial = item.beneath("current_trial")
    discounts = discounts_of(item)
    rates = tax_rates_of(item, "tax_rates")
    return _new_subscription_item(
        item_id=item.required_text("id"),
        created=item.time("created"),
        quantity=item.integer("quantity"),
        price=price_of_item(item),
        current_period_start=item.time("current_period_start") or shared.start,
        current_period_end=item.time("current_period_end") or shared.end,
        trial_start=trial.time("start_date"),
        trial_end=trial.time("end_date"),
        discounts=discounts.ids,
        discount_objects=discounts.embedded,
        tax_rates=rates,
        tax_rates_inclusive=inclusive(rates),
    )


def _pause(pause: Fields) -> PauseCollection:
    return _new_pause_collection(
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
