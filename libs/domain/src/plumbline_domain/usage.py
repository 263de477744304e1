"""What a subscription's invoices say of its items (billing.md, fine print of the presets)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

from plumbline_schemas.billing import Invoice, InvoiceLine, SubscriptionItem

from plumbline_domain.book import PriceBook
from plumbline_domain.facts import EPOCH

Invoices = Sequence[tuple[str, Invoice]]
_FINALISED: Final = frozenset({"open", "paid", "uncollectible"})


@dataclass(frozen=True, slots=True)
class Invoiced:
    """An item as it was before its price was changed, and what was invoiced for it."""

    item: SubscriptionItem
    amount: Fraction


def _newest_first(invoices: Invoices) -> list[tuple[str, Invoice]]:
    """Finalised invoices; void ones and drafts ask for nothing."""
    return sorted((one for one in invoices if one[1].status in _FINALISED), key=_age, reverse=True)


def _age(one: tuple[str, Invoice]) -> tuple[datetime, str]:
    return (one[1].finalized_at or one[1].created or EPOCH, one[0])


def invoiced_usage(item: SubscriptionItem, invoices: Invoices) -> Fraction:
    """Its lines of the latest finalised invoice that has any, prorations aside."""
    for _, invoice in _newest_first(invoices):
        own = [line.amount for line in invoice.lines if not line.proration and _is_of(line, item)]
        if own:
            return Fraction(max(0, sum(own)))
    return Fraction(0)


def _is_of(line: InvoiceLine, item: SubscriptionItem) -> bool:
    """Whether the line is for the item; one without its item is told by the price."""
    if line.subscription_item is not None and line.subscription_item != item.item_id:
        return False
    return line.price == item.price.price_id


def invoiced_before(item: SubscriptionItem, invoices: Invoices, book: PriceBook) -> Invoiced | None:
    """What was last invoiced for an item whose present price is on no invoice yet.

    None when the present price was invoiced, be it as a proration, or nothing was.
    """
    own = [
        [line for line in invoice.lines if line.subscription_item == item.item_id]
        for _, invoice in _newest_first(invoices)
    ]
    if any(line.price == item.price.price_id for lines in own for line in lines):
        return None
    for lines in own:
        whole = [line for line in lines if not line.proration and line.price is not None]
        if whole:
            name = str(whole[0].price)
            former = book.prices.get(name) or item.price.model_copy(update={"price_id": name})
            amount = Fraction(max(0, sum(line.amount for line in whole)))
            return Invoiced(item.model_copy(update={"price": former}), amount)
    return None


def credited(invoices: Invoices) -> tuple[str, Fraction] | None:
    """What balance and credit notes took off the latest finalised invoice; None for nothing."""
    for invoice_id, invoice in _newest_first(invoices)[:1]:
        asked = max(invoice.amount_due, invoice.amount_paid + invoice.amount_remaining)
        taken = max(0, invoice.total - asked) + max(0, invoice.post_payment_credit_notes)
        return (invoice_id, Fraction(taken)) if taken else None
    return None
