"""Metered usage as it was invoiced last (billing.md, fine print of the presets)."""

from collections.abc import Sequence
from fractions import Fraction

from plumbline_schemas.billing import Invoice, SubscriptionItem


def invoiced_usage(item: SubscriptionItem, invoices: Sequence[tuple[str, Invoice]]) -> Fraction:
    """Its lines of the latest finalised invoice that has any, prorations aside."""
    final = [
        (invoice.finalized_at, vendor_id, invoice)
        for vendor_id, invoice in invoices
        if invoice.finalized_at is not None and invoice.status in ("open", "paid", "uncollectible")
    ]
    for _, _, invoice in sorted(final, key=lambda one: one[:2], reverse=True):
        own = [
            line.amount
            for line in invoice.lines
            if not line.proration
            and (line.subscription_item or item.item_id) == item.item_id
            and line.price == item.price.price_id
        ]
        if own:
            return Fraction(max(0, sum(own)))
    return Fraction(0)
