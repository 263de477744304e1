"""Invoice lines."""

from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.pricing import amount_of
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
    currency = subscription["currency"]
    cost = amount_of(price, quantity or 0, currency) if amount is None else amount
    start, end = period or (item["current_period_start"], item["current_period_end"])
    product = ledger.store.get(price["product"], "product") or {}
    return {
        "id": ledger.ids.next("il"),
        "amount": cost,
        "subtotal": cost,
        "currency": currency,
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
