"""From an invoice's lines to its totals: discounts first, then taxes."""

from collections.abc import Sequence
from decimal import Decimal

from plumbline_simulators.stripe.coupons import amount_off
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.pricing import whole
from plumbline_simulators.stripe.store import Record
from plumbline_simulators.stripe.taxes import (
    AUTOMATIC,
    amount_of_taxes,
    rates_of,
    summed,
    taxes_on,
)


def totals(
    ledger: Ledger,
    subscription: Record,
    customer: Record,
    lines: list[Record],
    discounts: Sequence[Record],
) -> Record:
    """The invoice's lines with what is taken off and added, and its totals.

    Discounts come one after another, each from what is left; a credit leaves nothing due.
    """
    subtotal = sum(line["amount"] for line in lines)
    left = [line["amount"] for line in lines]
    lines = [{**line, "discount_amounts": []} for line in lines]
    taken = []
    for discount in discounts:
        offs = _offs(ledger, discount, lines, left, subscription["currency"])
        for place, off in offs.items():
            left[place] -= off
            lines[place]["discount_amounts"].append({"amount": off, "discount": discount["id"]})
        taken.append({"amount": sum(offs.values()), "discount": discount["id"]})
    taxes, before = _taxed(ledger, subscription, customer, lines, left)
    total = sum(left) + amount_of_taxes(taxes, "exclusive")
    due = max(total, 0)
    made: Record = {
        "lines": lines,
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - before,
        "total": total,
        "total_excluding_tax": sum(left) - amount_of_taxes(taxes, "inclusive"),
        "amount_due": due,
        "amount_remaining": due,
        "discounts": [discount["id"] for discount in discounts],
        "total_discount_amounts": taken,
        "total_taxes": summed(taxes),
    }
    if (subscription.get("automatic_tax") or {}).get("enabled"):
        made["automatic_tax"] = AUTOMATIC
    return made


def _taxed(
    ledger: Ledger, subscription: Record, customer: Record, lines: list[Record], left: list[int]
) -> tuple[list[Record], int]:
    """Every line's taxes, and the tax within the lines before anything was taken off."""
    items = {item["id"]: item for item in subscription["items"]}
    found: list[Record] = []
    within = 0
    for line, amount in zip(lines, left, strict=True):
        item = items.get(_item_of(line) or "")
        rates = rates_of(ledger, subscription, item, customer) if item else []
        if not rates:
            continue
        line["taxes"] = taxes_on(amount, rates)
        found += line["taxes"]
        within += amount_of_taxes(taxes_on(line["amount"], rates), "inclusive")
    return found, within


def _offs(
    ledger: Ledger, discount: Record, lines: list[Record], left: list[int], currency: str
) -> dict[int, int]:
    """What the discount takes off each line that it is for, by the line's place."""
    coupon = ledger.store.get(discount["source"]["coupon"], "coupon")
    if coupon is None:
        return {}
    places = [place for place, line in enumerate(lines) if _is_for(discount, coupon, line)]
    if coupon.get("percent_off") is not None:
        share = Decimal(str(coupon["percent_off"])) / 100
    else:
        places = [place for place in places if left[place] > 0]
        whole_amount = sum(left[place] for place in places)
        amount = min(amount_off(coupon, currency) or 0, whole_amount)
        share = Decimal(amount) / whole_amount if whole_amount else Decimal(0)
    offs, so_far, passed = {}, 0, 0
    for place in places:  # cumulative, so that the lines' shares add up to the rounded whole
        passed += left[place]
        upto = whole(passed * share)
        offs[place], so_far = upto - so_far, upto
    return offs


def _is_for(discount: Record, coupon: Record, line: Record) -> bool:
    item = discount.get("subscription_item")
    if item is not None and _item_of(line) != item:
        return False
    products = (coupon.get("applies_to") or {}).get("products")
    return products is None or line["pricing"]["price_details"]["product"] in products


def _item_of(line: Record) -> str | None:
    details = line["parent"]["subscription_item_details"] or {}
    item = details.get("subscription_item")
    return item if isinstance(item, str) else None
