"""The newest form of an object told in the words of an older version (vendors 1.6).

Written from the change logs and apart from the simulator's own rendering, so that a mistake in one
of the two is found by the other.
"""

import copy
from collections.abc import Callable
from typing import Any, Final

from plumbline_simulators.shapes.pieces import Json
from plumbline_simulators.shapes.shape import ACACIA, BASIL, CLOVER, DAHLIA, VERSIONS


class Inexpressible(ValueError):  # noqa: N818 - the word is the fact
    """The version has no words for it."""


def rendered(obj: Json, version: str) -> Json:
    """A copy of `obj` as `version` renders it; raises Inexpressible where that can't say it."""
    made = copy.deepcopy(obj)
    for older in reversed(VERSIONS[VERSIONS.index(version) : -1]):
        _STEPS[older](made)
    return made


def _to_dahlia(obj: Json) -> None:
    """Without why something is paused or uncollectible, and without trials of an item."""
    unsaid = [obj.pop("status_details", None)]
    unsaid += [item.pop("current_trial", None) for item in _items(obj)]
    if any(unsaid):
        raise Inexpressible(f"{obj['id']}: dahlia has no status_details, no current_trial")


def _to_clover(obj: Json) -> None:
    """Without prebilling."""
    obj.pop("billing_schedules", None)
    for item in _items(obj):
        item.pop("billed_until", None)


def _to_basil(obj: Json) -> None:
    """The coupon is an object in the discount, and there is no account of a customer."""
    obj.pop("customer_account", None)
    for discount in _discounts(obj):
        source = discount.pop("source")
        if not isinstance(source["coupon"], dict):
            raise Inexpressible(f"{discount['id']}: basil embeds the whole coupon")
        discount["coupon"] = source["coupon"]
    if obj["object"] == "promotion_code":
        obj["coupon"] = obj.pop("promotion")["coupon"]


def _to_acacia(obj: Json) -> None:
    """Periods on the subscription, one discount, names in place of `parent` and `pricing`."""
    kind = obj["object"]
    if kind == "subscription":
        _subscription_to_acacia(obj)
    elif kind == "invoice":
        _invoice_to_acacia(obj)
    elif kind == "charge":
        obj["invoice"] = "in_1"
    elif kind == "credit_note":
        refunds = [row["refund"] for row in obj.pop("refunds")]
        obj["refund"] = refunds[0] if refunds else None


_STEPS: Final[dict[str, Callable[[Json], None]]] = {
    DAHLIA: _to_dahlia,
    CLOVER: _to_clover,
    BASIL: _to_basil,
    ACACIA: _to_acacia,
}


def _subscription_to_acacia(obj: Json) -> None:
    items = _items(obj)
    periods = {(one.pop("current_period_start"), one.pop("current_period_end")) for one in items}
    if len(periods) != 1:
        raise Inexpressible(f"{obj['id']}: acacia has one period for all items, not {len(periods)}")
    ((obj["current_period_start"], obj["current_period_end"]),) = periods
    for item in items:
        if item["price"] is None:
            del item["price"]
        else:
            item["plan"] = _plan(item["price"])
    if len(items) == 1:
        obj["plan"], obj["quantity"] = items[0]["plan"], items[0]["quantity"]
    several = obj["discounts"]
    if any(isinstance(one, str) for one in several):
        raise Inexpressible(f"{obj['id']}: acacia embeds the discount")
    obj["discount"] = several[-1] if several else None
    obj["discounts"] = [one["id"] if one is several[-1] else one for one in several]


def _plan(price: Json) -> Json:
    recurring = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": price["transform_quantity"],
        "usage_type": recurring["usage_type"],
    }


def _invoice_to_acacia(obj: Json) -> None:
    parent = obj.pop("parent") or {}
    details = parent.get("subscription_details") or {}
    obj["subscription"] = details.get("subscription")
    taxes = obj.pop("total_taxes")
    obj["tax"] = sum(one["amount"] for one in taxes) if taxes else None
    obj["total_tax_amounts"] = [
        {"amount": one["amount"], "inclusive": one["tax_behavior"] == "inclusive"} for one in taxes
    ]
    del obj["total_excluding_tax"]
    obj["paid"] = obj["status"] == "paid"
    obj["charge"], obj["payment_intent"] = "ch_1", "pi_1"
    for line in obj["lines"]["data"]:
        _line_to_acacia(line)


def _line_to_acacia(line: Json) -> None:
    parent, pricing = line.pop("parent"), line.pop("pricing")
    of_item, of_extra = (
        parent["subscription_item_details"] or {},
        parent["invoice_item_details"] or {},
    )
    line["type"] = "subscription" if of_item else "invoiceitem"
    line["proration"] = bool(of_item.get("proration") or of_extra.get("proration"))
    line["subscription_item"] = of_item.get("subscription_item")
    line["price"] = None if pricing is None else {"id": pricing["price_details"]["price"]}
    line["tax_amounts"] = line.pop("taxes")


def _items(obj: Json) -> list[Json]:
    if obj["object"] != "subscription":
        return []
    found: list[Json] = obj["items"]["data"]
    return found


def _discounts(obj: Json) -> list[Json]:
    """Discounts embedded in the object and in its items."""
    found: list[Any] = [obj.get("discount")]
    for holder in (obj, *_items(obj)):
        found.extend(holder.get("discounts") or [])
    return [one for one in found if isinstance(one, dict)]
