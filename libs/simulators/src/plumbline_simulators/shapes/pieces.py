"""Stripe's objects in the newest form with everything expanded, built from what matters in them.

Plain dicts as JSON would give them. Amounts are minor units, times Unix seconds.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

Json = dict[str, Any]
Tier = tuple[int | None, int | None, int | None]
"""Up to, for each unit, flat."""

AT: Final = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp())
"""The moment that every shape is looked at."""
DAY: Final = 86_400
STARTED: Final = AT - 100 * DAY
PERIOD_START: Final = AT - 10 * DAY
PERIOD_END: Final = AT + 20 * DAY

_PERIODS: Final = {"day": DAY, "week": 7 * DAY, "month": 30 * DAY, "year": 365 * DAY}


def price(id: str = "price_1", amount: int | str | None = 10_000, **more: Any) -> Json:  # noqa: A002
    """A monthly licensed price in dollars; `interval`, `count`, `usage` say otherwise.

    An `amount` given as text is sent as `unit_amount_decimal` alone.
    """
    interval, count = more.pop("interval", "month"), more.pop("count", 1)
    usage = more.pop("usage", "licensed")
    recurring: Json | None = {
        "interval": interval,
        "interval_count": count,
        "meter": None,
        "trial_period_days": None,
        "usage_type": usage,
    }
    made: Json = {
        "id": id,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": STARTED - DAY,
        "currency": "usd",
        "livemode": True,
        "lookup_key": f"key_{id}",
        "metadata": {},
        "nickname": None,
        "product": "prod_1",
        "recurring": recurring if interval else None,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if interval else "one_time",
        "unit_amount": amount if isinstance(amount, int) else None,
        "unit_amount_decimal": None if amount is None else str(amount),
    }
    return made | more


def tiered(mode: str, *tiers: Tier, **more: Any) -> Json:
    """A tiered price of (up to, each, flat)."""
    rows = [
        {
            "up_to": up_to,
            "unit_amount": each,
            "unit_amount_decimal": None if each is None else str(each),
            "flat_amount": flat,
            "flat_amount_decimal": None if flat is None else str(flat),
        }
        for up_to, each, flat in tiers
    ]
    return price(amount=None, billing_scheme="tiered", tiers_mode=mode, tiers=rows, **more)


def item(of: Json, quantity: int | None = 1, **more: Any) -> Json:
    """A subscription item in its current period."""
    recurring = of.get("recurring") or {"interval": "month", "interval_count": 1}
    length = _PERIODS[recurring["interval"]] * recurring["interval_count"]
    made: Json = {
        "id": "si_1",
        "object": "subscription_item",
        "billed_until": None,
        "billing_thresholds": None,
        "created": STARTED,
        "current_period_start": PERIOD_START,
        "current_period_end": PERIOD_START + length,
        "current_trial": None,
        "discounts": [],
        "metadata": {},
        "price": of,
        "quantity": quantity,
        "subscription": "sub_1",
        "tax_rates": [],
    }
    return made | more


def subscription(*items: Json, **more: Any) -> Json:
    """An active subscription that is charged automatically."""
    found = list(items) or [item(price())]
    made: Json = {
        "id": "sub_1",
        "object": "subscription",
        "application_fee_percent": None,
        "automatic_tax": {"enabled": False, "liability": None, "status": None},
        "billing_schedules": [],
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "collection_method": "charge_automatically",
        "created": STARTED,
        "currency": "usd",
        "customer": "cus_1",
        "customer_account": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "discounts": [],
        "ended_at": None,
        "items": {"object": "list", "data": found, "has_more": False, "url": "/v1/x"},
        "latest_invoice": "in_1",
        "livemode": True,
        "metadata": {},
        "pause_collection": None,
        "pending_update": None,
        "schedule": None,
        "start_date": STARTED,
        "status": "active",
        "status_details": None,
        "trial_end": None,
        "trial_start": None,
    }
    return made | more


def customer(id: str = "cus_1", **more: Any) -> Json:  # noqa: A002
    """A customer without a discount or a way to pay."""
    made: Json = {
        "id": id,
        "object": "customer",
        "created": STARTED,
        "currency": "usd",
        "customer_account": None,
        "default_source": None,
        "discount": None,
        "email": "ada@acme.example",
        "invoice_settings": {"default_payment_method": None},
        "livemode": True,
        "metadata": {},
        "name": "Acme",
        "phone": None,
    }
    return made | more


def coupon(id: str = "co_1", *, percent: Any = None, off: int | None = None, **more: Any) -> Json:  # noqa: A002
    """A coupon for ever and for every product, of a percentage or an amount `off` in dollars."""
    made: Json = {
        "id": id,
        "object": "coupon",
        "amount_off": off,
        "applies_to": None,
        "created": STARTED - DAY,
        "currency": None if off is None else "usd",
        "duration": "forever",
        "duration_in_months": None,
        "livemode": True,
        "metadata": {},
        "name": None,
        "percent_off": percent,
        "valid": True,
    }
    return made | more


def discount(of: Json, id: str = "di_1", **more: Any) -> Json:  # noqa: A002
    """The coupon applied to the subscription since it started."""
    made: Json = {
        "id": id,
        "object": "discount",
        "customer": "cus_1",
        "end": None,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": None,
        "source": {"type": "coupon", "coupon": of},
        "start": STARTED,
        "subscription": "sub_1",
        "subscription_item": None,
    }
    return made | more


def tax_rate(percentage: Any, *, inclusive: bool) -> Json:
    """A tax rate."""
    return {
        "id": f"txr_{percentage}",
        "object": "tax_rate",
        "active": True,
        "display_name": "VAT",
        "inclusive": inclusive,
        "livemode": True,
        "percentage": percentage,
    }


def line(amount: int, **more: Any) -> Json:
    """A line of an invoice for the item `item`, `si_1` by default, at price `of`."""
    proration, of = more.pop("proration", False), more.pop("of", "price_1")
    item_id = more.pop("item", "si_1")
    of_item: Json = {
        "type": "subscription_item_details",
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": None,
            "proration": proration,
            "subscription": "sub_1",
            "subscription_item": item_id,
        },
    }
    details = {"price": of, "product": "prod_1"}
    made: Json = {
        "id": f"il_{item_id}_{amount}",
        "object": "line_item",
        "amount": amount,
        "currency": "usd",
        "parent": of_item,
        "period": {"start": PERIOD_START, "end": PERIOD_END},
        "pricing": {"type": "price_details", "price_details": details},
        "quantity": 1,
        "taxes": [],
    }
    return made | more


def extra_line(amount: int) -> Json:
    """A line that is no part of any subscription item."""
    details = {"invoice_item": "ii_1", "proration": False, "subscription": "sub_1"}
    parent = {
        "type": "invoice_item_details",
        "invoice_item_details": details,
        "subscription_item_details": None,
    }
    return line(amount, id="il_extra", parent=parent, pricing=None)


def invoice(total: int = 10_000, lines: Sequence[Json] | None = None, **more: Any) -> Json:
    """The paid invoice of `sub_1`'s current period."""
    paid = more.get("status", "paid") == "paid"
    found = [line(total)] if lines is None else list(lines)
    details = {"subscription": more.pop("subscription", "sub_1"), "metadata": {}}
    made: Json = {
        "id": "in_1",
        "object": "invoice",
        "amount_due": total,
        "amount_paid": total if paid else 0,
        "amount_remaining": 0 if paid else total,
        "attempt_count": 1 if paid else 0,
        "attempted": paid,
        "billing_reason": "subscription_cycle",
        "collection_method": "charge_automatically",
        "created": PERIOD_START,
        "currency": "usd",
        "customer": "cus_1",
        "due_date": None,
        "lines": {"object": "list", "data": found, "has_more": False, "url": "/v1/x"},
        "livemode": True,
        "next_payment_attempt": None,
        "parent": {"type": "subscription_details", "subscription_details": details},
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "status": "paid",
        "status_details": None,
        "status_transitions": {
            "finalized_at": PERIOD_START,
            "marked_uncollectible_at": None,
            "paid_at": PERIOD_START if paid else None,
            "voided_at": None,
        },
        "total": total,
        "total_excluding_tax": total,
        "total_taxes": [],
    }
    return made | more
