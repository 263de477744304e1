"""Invoice lines and totals."""

from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.pricing import amount_of, discount_of
from plumbline_simulators.stripe.store import Record


def line_for(
    ledger: Ledger,
    subscription: Record,
    item: Record,
    *,
    amount: int | None = None,
    period: tuple[int, int] | None = None,
    proration: bool = False,
) -> Record:
    """One item's line for its current period; a proration brings amount and period along."""
    price = ledger.get("price", item["price"])
    quantity = item.get("quantity")
    cost = amount_of(price, quantity or 0) if amount is None else amount
    start, end = period or (item["current_period_start"], item["current_period_end"])
    product = ledger.store.get(price["product"], "product") or {}
    return {
        "id": ledger.ids.next("il"),
        "amount": cost,
        "subtotal": cost,
        "currency": price["currency"],
        "description": f"{quantity or 0} × {product.get('name', price['product'])}",  # noqa: RUF001
        "period": {"start": start, "end": end},
        "quantity": quantity,
        "quantity_decimal": None if quantity is None else str(quantity),
        "metadata": subscription["metadata"],
        "subscription": subscription["id"],
        "parent": {
            "type": "subscription_item_details",
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": proration,
                "proration_details": {"credited_items": None},
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
        },
        "pricing": {
            "type": "price_details",
            "price_details": {"price": price["id"], "product": price["product"]},
            "unit_amount_decimal": price.get("unit_amount_decimal"),
        },
    }


def live_discounts(ledger: Ledger, subscription: Record) -> list[Record]:
    """The subscription's discounts that still reduce an invoice: not ended, `once` not used."""
    now = ledger.now()
    found = [ledger.store.get(name, "discount") for name in subscription.get("discounts", [])]
    return [
        discount
        for discount in found
        if discount is not None
        and (discount.get("end") is None or discount["end"] > now)
        and not (discount.get("_once") and discount.get("_used"))
    ]


def totals(ledger: Ledger, lines: list[Record], discounts: list[Record]) -> Record:
    """Subtotal, discounts one after another, total; a credit leaves nothing due."""
    subtotal = sum(line["amount"] for line in lines)
    total, taken = subtotal, []
    for discount in discounts:
        coupon = ledger.store.get(discount["source"]["coupon"], "coupon")
        amount = discount_of(coupon, max(total, 0)) if coupon else 0
        taken.append({"amount": amount, "discount": discount["id"]})
        total -= amount
    due = max(total, 0)
    return {
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "total": total,
        "total_excluding_tax": total,
        "amount_due": due,
        "amount_remaining": due,
        "discounts": [discount["id"] for discount in discounts],
        "total_discount_amounts": taken,
    }
