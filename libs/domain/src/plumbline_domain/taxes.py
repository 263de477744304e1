"""Tax is never MRR: what a price includes is taken out (billing.md, MRR and its fine print)."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from plumbline_schemas.billing import Invoice, Subscription, SubscriptionItem

from plumbline_domain.reckoning import Beside

_HUNDRED: Final = 100
_NONE: Final = Decimal(0)
WHOLE: Final = Fraction(1)


def untaxed(
    item: SubscriptionItem, tax_behavior: str | None, subscription: Subscription, beside: Beside
) -> Fraction | None:
    """The share of an amount that is no inclusive tax; None when the rate is not known.

    An item's own rates, if it has any, replace the subscription's; of these the inclusive ones are
    added up and net = gross / (1 + sum). A price that includes tax under automatic tax takes its
    rate from the subscription's latest paid invoice.
    """
    rates = item.tax_rates or subscription.default_tax_rates
    percent = _NONE
    for rate in rates:
        listed = beside.book.tax_rates.get(rate.tax_rate_id)
        known = rate if rate.percentage is not None or listed is None else listed
        if known.percentage is None:  # a bare id: not even whether it is inclusive is known
            return None
        if known.inclusive:
            percent += known.percentage
    if percent:
        return 1 / (1 + Fraction(percent) / _HUNDRED)
    if not rates and (item.tax_rates_inclusive or subscription.tax_rates_inclusive):
        return None  # said by an observation that did not hold the rates yet
    if tax_behavior == "inclusive" and subscription.automatic_tax:
        return _net_share(beside.invoices)
    return WHOLE


def _net_share(invoices: Sequence[tuple[str, Invoice]]) -> Fraction | None:
    """What is left of the latest paid invoice's total without tax, as a share of it."""
    paid = [
        (invoice.finalized_at or invoice.paid_at or invoice.created, vendor_id, invoice)
        for vendor_id, invoice in invoices
        if invoice.status == "paid"
        and invoice.total > 0
        and invoice.total_excluding_tax is not None
        and 0 <= invoice.total_excluding_tax <= invoice.total
    ]
    dated = [one for one in paid if one[0] is not None]
    if not dated:
        return None
    latest = max(dated, key=lambda one: (one[0], one[1]))[2]
    return Fraction(latest.total_excluding_tax or 0, latest.total)
