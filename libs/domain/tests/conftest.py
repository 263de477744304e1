"""Builders of billing objects as the rules take them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from plumbline_domain.customer import Customer
from plumbline_domain.holdings import hold
from plumbline_domain.reckoning import Beside
from plumbline_domain.shares import share_of
from plumbline_domain.sighting import Seen, SeenInvoice, SeenSubscription, Sighting
from plumbline_schemas.billing import Invoice, Subscription
from plumbline_schemas.ids import external_key

INNER = ("discounts", "created", "trial_start", "trial_end")
AT = datetime(2026, 6, 15, 12, tzinfo=UTC)


def day(offset: float) -> datetime:
    """So many days from the instant of the tests."""
    return AT + timedelta(days=offset)


def sighting(vendor_id: str, *, at: datetime = AT) -> Sighting:
    return Sighting(
        connection="stripe",
        vendor_id=vendor_id,
        vendor_time=at,
        received_at=at,
        origin="webhook",
        event_id=f"evt_{vendor_id}",
        event_type="test",
    )


def price(**changes: Any) -> dict[str, Any]:
    """A plain price: 100.00 a month unless changed; `interval`/`count` are shorthands."""
    interval = changes.pop("interval", "month")
    count = changes.pop("count", 1)
    usage = changes.pop("usage", "licensed")
    plain = {
        "price_id": "price_1",
        "product": "prod_1",
        "currency": "eur",
        "unit_amount": "10000",
        "recurring": {"interval": interval, "interval_count": count, "usage_type": usage},
    }
    return {**plain, **changes}


def item(item_id: str = "si_1", quantity: int | None = 1, **changes: Any) -> dict[str, Any]:
    inner = {name: changes.pop(name) for name in INNER if name in changes}
    return {"item_id": item_id, "quantity": quantity, "price": price(**changes), **inner}


def subscription(vendor_id: str = "sub_1", **changes: Any) -> SeenSubscription:
    plain: dict[str, Any] = {
        "status": "active",
        "currency": "eur",
        "start_date": day(-100),
        "items": [item()],
    }
    body = Subscription.model_validate({**plain, **changes})
    key = external_key("acme", "stripe", "subscription", vendor_id)
    return Seen(key, body, sighting(vendor_id))


def invoice(vendor_id: str = "in_1", **changes: Any) -> SeenInvoice:
    plain: dict[str, Any] = {
        "status": "paid",
        "subscription": "sub_1",
        "currency": "eur",
        "collection_method": "charge_automatically",
        "amount_paid": 10000,
        "attempted": True,
        "attempt_count": 1,
        "finalized_at": day(-10),
    }
    body = Invoice.model_validate({**plain, **changes})
    return Seen(external_key("acme", "stripe", "invoice", vendor_id), body, sighting(vendor_id))


def customer(vendor_id: str = "cus_1", **changes: Any) -> Customer:
    """A customer with these `subscriptions` and `invoices`, summed up at the instant `at`."""
    at = changes.pop("at", AT)
    beside = Beside("eur", at, customer=changes.get("body"))
    subscriptions, invoices = changes.pop("subscriptions", ()), changes.pop("invoices", ())
    others = changes.pop("beside", ())
    shares = [share_of(seen.id, seen.body, beside) for seen in subscriptions]
    plain: dict[str, Any] = {
        "key": external_key("acme", "stripe", "customer", vendor_id),
        "body": None,
        "sighting": sighting(vendor_id),
        "deletion": None,
        "test_mode": False,
        "holdings": changes.pop("holdings", None)
        or hold(subscriptions, shares, invoices, at=at, beside=others),
    }
    return Customer(**{**plain, **changes})


class Make:
    """What the tests build with."""

    at = AT
    day = staticmethod(day)
    sighting = staticmethod(sighting)
    item = staticmethod(item)
    subscription: Callable[..., SeenSubscription] = staticmethod(subscription)
    invoice: Callable[..., SeenInvoice] = staticmethod(invoice)
    customer: Callable[..., Customer] = staticmethod(customer)


@pytest.fixture(scope="session")
def make() -> type[Make]:
    return Make
