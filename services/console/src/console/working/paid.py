"""How a lifetime value comes about: every payment, what was given back, and the rate."""

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction

from plumbline_domain.conversion import Conversion
from plumbline_domain.facts import credited, refunded
from plumbline_domain.money import to_minor
from plumbline_schemas.billing import Charge, CreditNote, Invoice
from plumbline_schemas.ids import split_key

from console.explain.amounts import amount, bare, decimal_text
from console.explain.sheet import Line, laid_out
from console.working.stored import Stored, StoredObject


def paid_text(stored: Stored) -> Iterator[str]:
    """The lines: paid invoices, refunds and credit, and what they come to."""
    yield f"at {stored.at:%Y-%m-%d %H:%M:%S} UTC, in {stored.currency.upper()}"
    yield from laid_out(_lines(stored))


def _lines(stored: Stored) -> Iterator[Line]:
    sums: defaultdict[str, int] = defaultdict(int)
    for one in sorted(stored.objects, key=lambda one: (one.told_at, one.key)):
        found = _moved(one)
        if found is not None:
            words, currency, minor = found
            sums[currency] += minor
            place = f"{one.kind.replace('_', ' ')} {split_key(one.key).vendor_id}"
            yield Line(place, words, amount(Fraction(minor), currency))
    conversion = Conversion(stored.currency, stored.at.date(), stored.rates)
    total = Fraction(0)
    for currency, minor in sorted(sums.items()):
        converted = conversion.converted(Fraction(minor), currency)
        if converted is None:
            yield Line("LTV", f"incomplete: no rate for {currency.upper()}")
            return
        total += converted
        if currency != stored.currency:
            yield _rate_line(stored, currency, minor, converted)
    rule = "ltv.paid_less_refunds_and_credit" if sums else "ltv.nothing_paid"
    yield Line("LTV", "", amount(Fraction(to_minor(total)), stored.currency), rule)


def _moved(one: StoredObject) -> tuple[str, str, int] | None:
    """What an object adds to the value or takes from it: words, currency, minor units."""
    if one.deleted:
        return None
    if one.kind == "invoice":
        invoice = one.read(Invoice)
        if invoice is None or invoice.status != "paid" or invoice.amount_paid <= 0:
            return None
        when = invoice.paid_at or invoice.finalized_at or invoice.created or one.told_at
        return f"paid on {when:%Y-%m-%d}", (invoice.currency or "").lower(), invoice.amount_paid
    if one.kind == "charge":
        charge = one.read(Charge)
        back = None if charge is None else refunded(charge)
        return None if back is None else ("refunded", (back.currency or "").lower(), -back.minor)
    if one.kind == "credit_note":
        note = one.read(CreditNote)
        back = None if note is None else credited(note)
        return None if back is None else ("credited", (back.currency or "").lower(), -back.minor)
    return None


def _rate_line(stored: Stored, currency: str, minor: int, converted: Fraction) -> Line:
    rate = stored.rates.find(currency, stored.currency, stored.at.date())
    assert rate is not None, "it was converted"
    words = (
        f"{bare(Fraction(minor), currency)} x {decimal_text(rate.factor, places=8)} "
        f"{stored.currency.upper()} for one {currency.upper()} on {rate.day}"
    )
    return Line("currency", words, bare(converted, stored.currency), "currency.rate")
