"""Stripe's invoices in our words, whatever version rendered them (vendors 1.6).

Up to acacia an invoice and its lines name subscription, item and price themselves; since basil they
do so in `parent` and `pricing`.
"""

from typing import Final

from plumbline_schemas.billing import Invoice, InvoiceLine
from plumbline_schemas.built import built

from plumbline_connectors.stripe.reading import Fields, lower

_new_invoice: Final = built(Invoice)
_new_invoice_line: Final = built(InvoiceLine)


def invoice_body(obj: Fields) -> Invoice:
    """An invoice."""
    moved = obj.beneath("status_transitions")
    lines = obj.child("lines")
    return _new_invoice(
        status=obj.text("status"),
        subscription=_subscription_of(obj),
        currency=lower(obj.text("currency")),
        created=obj.time("created"),
        amount_due=obj.amount("amount_due"),
        amount_paid=obj.amount("amount_paid"),
        amount_remaining=obj.amount("amount_remaining"),
        total=obj.amount("total"),
        total_excluding_tax=_total_excluding_tax(obj),
        post_payment_credit_notes=obj.amount("post_payment_credit_notes_amount"),
        lines=() if lines is None else tuple(_line(line) for line in lines.children("data")),
        lines_truncated=lines is not None and lines.flag("has_more"),
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


def _line(line: Fields) -> InvoiceLine:
    parent = line.beneath("parent")
    of_item = parent.beneath("subscription_item_details")
    of_extra = parent.beneath("invoice_item_details")
    priced = line.beneath("pricing").beneath("price_details")
    period = line.beneath("period")
    return _new_invoice_line(
        subscription_item=line.ref("subscription_item") or of_item.ref("subscription_item"),
        price=line.ref("price") or priced.ref("price") or line.ref("plan"),
        amount=line.amount("amount"),
        proration=any(one.flag("proration") for one in (line, of_item, of_extra)),
        period_start=period.time("start"),
        period_end=period.time("end"),
    )


def _total_excluding_tax(invoice: Fields) -> int | None:
    """Said since 2022; before that what the taxes leave of the total, if those are told."""
    said = invoice.integer("total_excluding_tax")
    if said is not None:
        return said
    tax = invoice.integer("tax")
    for name in ("total_taxes", "total_tax_amounts"):
        if tax is None and invoice.raw.get(name) is not None:
            tax = sum(one.amount("amount") for one in invoice.children(name))
    return None if tax is None else invoice.amount("total") - tax


def _subscription_of(invoice: Fields) -> str | None:
    direct = invoice.ref("subscription")
    if direct is not None:
        return direct
    return invoice.beneath("parent").beneath("subscription_details").ref("subscription")


def _uncollectible_reason(invoice: Fields) -> str | None:
    return invoice.beneath("status_details").beneath("uncollectible").text("reason")
