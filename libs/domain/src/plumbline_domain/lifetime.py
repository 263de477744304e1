"""What a customer's invoices, charges and payment methods say (billing.md, plan and others).

Amounts in the workspace's currency are converted with the rate of the day they were paid, so that
a later rate never moves them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction

from plumbline_schemas.billing import (
    BillingCustomer,
    Charge,
    CreditNote,
    Invoice,
    PaymentMethod,
    Subscription,
)

from plumbline_domain.facts import EPOCH
from plumbline_domain.money import exponent
from plumbline_domain.rates import Rates
from plumbline_domain.subscriptions import live


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Minor units of the asked currency, exact; `missing` names rates that it would need."""

    amount: Fraction
    missing: tuple[str, ...] = ()


def failed_payment_count(invoices: Iterable[Invoice]) -> int:
    """Attempts on open invoices: each of them failed, or the invoice were not open."""
    return sum(invoice.attempt_count for invoice in invoices if invoice.status == "open")


def last_payment_at(invoices: Iterable[Invoice]) -> datetime | None:
    """When an invoice above zero was paid last."""
    return max((paid for paid in map(payment_of, invoices) if paid is not None), default=None)


def first_payment_at(invoices: Iterable[Invoice]) -> datetime | None:
    """When an invoice above zero was paid first."""
    return min((paid for paid in map(payment_of, invoices) if paid is not None), default=None)


def payment_of(invoice: Invoice) -> datetime | None:
    """When the invoice was paid, if anything was; an invoice of nothing is no payment."""
    if invoice.status != "paid" or invoice.amount_paid <= 0:
        return None
    return invoice.paid_at or invoice.finalized_at or invoice.created


def days_to_first_payment(
    customer: BillingCustomer | None,
    subscriptions: Iterable[Subscription],
    invoices: Iterable[Invoice],
) -> int | None:
    """Whole days from when the customer was made to its first payment above zero.

    Where the customer does not say, from its first subscription. Never below 0: a start may be
    backdated. None without a payment.
    """
    paid = first_payment_at(invoices)
    begun = None if customer is None else customer.created
    if begun is None:
        starts = [one.start_date or one.created for one in subscriptions]
        begun = min((start for start in starts if start is not None), default=None)
    if paid is None or begun is None:
        return None
    return max(0, (paid - begun).days)


def lifetime_value(
    invoices: Iterable[Invoice],
    charges: Iterable[Charge],
    credit_notes: Iterable[CreditNote],
    *,
    currency: str,
    rates: Rates,
) -> Lifetime:
    """Paid invoices less refunds and credit notes.

    A credit note that was paid out as a refund is in its charge already; what was credited before
    payment was never paid.
    """
    parts = [
        (invoice.amount_paid, invoice.currency, payment_of(invoice))
        for invoice in invoices
        if invoice.status == "paid"
    ]
    parts += [(-one.amount_refunded, one.currency, one.created) for one in charges]
    parts += [(-_credited(one), one.currency, one.created) for one in credit_notes]
    total, missing = Fraction(0), set[str]()
    for minor, code, paid in parts:
        if not minor:
            continue
        source = (code or currency).lower()
        day = (paid or EPOCH).astimezone(UTC).date()
        rate = rates.find(source, currency, day)
        if rate is None:
            missing.add(f"rate:{source.upper()}")
            continue
        places = exponent(currency) - exponent(source)
        total += minor * rate.factor * Fraction(10) ** places
    return Lifetime(Fraction(0) if missing else total, tuple(sorted(missing)))


def _credited(note: CreditNote) -> int:
    """What a credit note took after payment and nobody refunded."""
    if note.status == "void":
        return 0
    credited = note.post_payment_amount
    if credited is None:
        credited = note.amount - (note.pre_payment_amount or 0)
    refunded = note.refunded_amount
    if refunded is None:
        refunded = credited if note.refunds else 0
    return max(0, credited - refunded)


def payment_method_expires_at(
    customers: Sequence[BillingCustomer],
    subscriptions: Iterable[Subscription],
    methods: Mapping[str, PaymentMethod],
    *,
    at: datetime,
) -> datetime | None:
    """When the first card that live subscriptions are charged to expires.

    A subscription's own method counts before its customer's. A card is good through the last day
    of its month, so it expires with the first instant of the next one, UTC. None without a card.
    """
    defaults = {one.default_payment_method for one in customers}
    used: set[str | None] = set()
    for one in subscriptions:
        if live(one, at):
            used |= {one.default_payment_method} if one.default_payment_method else defaults
    found = (expires_at(methods[name]) for name in used if name is not None and name in methods)
    return min((one for one in found if one is not None), default=None)


def expires_at(method: PaymentMethod) -> datetime | None:
    """The first instant at which a card is not good any more; None for other methods."""
    year, month = method.exp_year, method.exp_month
    if year is None or month is None or not 1 <= month <= 12 or not 1 <= year < 9999:
        return None
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
