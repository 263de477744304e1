"""API versions and how older ones write the objects that moved (basil, clover, endive)."""

import re
from typing import Any

from plumbline_simulators.stripe.errors import StripeError

DEFAULT_VERSION = "2026-10-28.endive"
BASIL, CLOVER, DAHLIA, ENDIVE = "2025-03-31", "2025-09-30", "2026-03-25", "2026-09-30"
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")

Shaped = dict[str, Any]


def check_version(version: str) -> str:
    if _VERSION.fullmatch(version) is None:
        raise StripeError(400, f"Invalid Stripe API version: {version}")
    return version


def shape_for(kind: str, shaped: Shaped, hidden: Shaped, version: str) -> Shaped:
    """`shaped`, an object in the newest shape, as `version` writes it.

    `hidden` has what the newest shape no longer shows: an invoice's payment intent and how
    it was paid, a subscription's discount objects.
    """
    if version >= ENDIVE:
        return shaped
    older = dict(shaped)
    older.pop("status_details", None)
    if version < DAHLIA:
        older.pop("billing_schedules", None)
    if version < CLOVER:
        for name in ("customer_account", "managed_payments", "business_name", "individual_name"):
            older.pop(name, None)
    change = _CHANGES.get(kind)
    return older if change is None else change(older, hidden, version)


def _subscription(shaped: Shaped, hidden: Shaped, version: str) -> Shaped:
    items = [dict(item) for item in shaped["items"]["data"]]
    for item in items:
        item.pop("current_trial", None)
        if version < DAHLIA:
            item.pop("billed_until", None)
    if version < CLOVER:
        shaped.pop("billing_mode", None)
    if version < BASIL:
        shaped["current_period_start"] = min(item.pop("current_period_start") for item in items)
        shaped["current_period_end"] = min(item.pop("current_period_end") for item in items)
        discounts = hidden.get("discounts") or []
        shaped["discount"] = discounts[0] if discounts else None
    return {**shaped, "items": {**shaped["items"], "data": items}}


def _discount(shaped: Shaped, hidden: Shaped, version: str) -> Shaped:
    if version < CLOVER:
        source = shaped.pop("source")
        shaped["coupon"] = hidden.get("coupon") or source["coupon"]
    return shaped


def _of_invoice(shaped: Shaped, hidden: Shaped, version: str) -> Shaped:
    if version < BASIL:
        shaped["invoice"] = hidden.get("invoice")
    return shaped


def _credit_note(shaped: Shaped, hidden: Shaped, version: str) -> Shaped:  # noqa: ARG001
    if version < BASIL:
        refunds = [row["refund"] for row in shaped.pop("refunds")]
        shaped["refund"] = refunds[0] if refunds else None
    return shaped


def _promotion_code(shaped: Shaped, hidden: Shaped, version: str) -> Shaped:
    if version < CLOVER:
        promotion = shaped.pop("promotion")
        shaped["coupon"] = hidden.get("coupon") or promotion["coupon"]
    return shaped


def _invoice(shaped: Shaped, hidden: Shaped, version: str) -> Shaped:
    if version >= BASIL:
        return shaped
    parent = shaped.pop("parent") or {}
    details = parent.get("subscription_details") or {}
    shaped["subscription"] = details.get("subscription")
    shaped["subscription_details"] = (
        {"metadata": details.get("metadata")} if details else {"metadata": None}
    )
    shaped["paid"] = shaped["status"] == "paid"
    shaped["paid_out_of_band"] = bool(hidden.get("paid_out_of_band"))
    shaped["payment_intent"] = hidden.get("payment_intent")
    shaped["charge"] = hidden.get("charge")
    discounts = hidden.get("discounts") or []
    shaped["discount"] = discounts[0] if discounts else None
    taxes = shaped.pop("total_taxes")
    shaped["tax"] = sum(tax["amount"] for tax in taxes) if taxes else None
    shaped["total_tax_amounts"] = [_tax_amount(tax) for tax in taxes]
    for name in ("payments", "amount_overpaid", "confirmation_secret", "amount_paid_off_stripe"):
        shaped.pop(name, None)
    prices = hidden.get("prices") or {}
    lines = [_line(dict(line), prices) for line in shaped["lines"]["data"]]
    return {**shaped, "lines": {**shaped["lines"], "data": lines}}


def _line(line: Shaped, prices: Shaped) -> Shaped:
    pricing = line.pop("pricing") or {}
    price = prices.get((pricing.get("price_details") or {}).get("price", ""))
    parent = line.pop("parent") or {}
    details = parent.get("subscription_item_details") or {}
    line["price"] = price
    line["plan"] = plan_of(price) if price else None
    line["proration"] = bool(details.get("proration"))
    line["type"] = "subscription" if details else "invoiceitem"
    line["subscription_item"] = details.get("subscription_item")
    line["tax_amounts"] = [_tax_amount(tax) for tax in line.pop("taxes")]
    line.pop("quantity_decimal", None)
    line.pop("subtotal", None)
    return line


def _tax_amount(tax: Shaped) -> Shaped:
    return {
        "amount": tax["amount"],
        "inclusive": tax["tax_behavior"] == "inclusive",
        "tax_rate": tax["tax_rate_details"]["tax_rate"],
        "taxability_reason": tax["taxability_reason"],
        "taxable_amount": tax["taxable_amount"],
    }


def plan_of(price: Shaped) -> Shaped | None:
    """The plan object Stripe still shows beside a recurring price."""
    recurring = price.get("recurring")
    if not recurring:
        return None
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": price["livemode"],
        "metadata": price["metadata"],
        "meter": recurring.get("meter"),
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": price["transform_quantity"],
        "trial_period_days": None,
        "usage_type": recurring["usage_type"],
    }


_CHANGES = {
    "subscription": _subscription,
    "invoice": _invoice,
    "discount": _discount,
    "promotion_code": _promotion_code,
    "charge": _of_invoice,
    "payment_intent": _of_invoice,
    "credit_note": _credit_note,
}
