"""Tax is never MRR: what a price includes is taken out (billing.md, MRR and its fine print)."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from plumbline_schemas.billing import Invoice, Subscription, SubscriptionItem

from plumbline_domain.reckoning import Beside

_HUNDRED = 100


def without_tax(
    item: SubscriptionItem,
    amount: Fraction,
    tax_behavior: str | None,
    subscription: Subscription,
    beside: Beside,
) -> Fraction | None:
    """`amount` less the inclusive tax in it; None when the rate is not known.

    An item's own rates, if it has any, replace the subscription's; of these the inclusive ones are
    added up and net = gross / (1 + sum). A price that includes tax under automatic tax takes its
    rate from the subscription's latest paid invoice.
    """
    rates = item.tax_rates or subscription.default_tax_rates
    percent = Decimal(0)
    for rate in rates:
        listed = beside.book.tax_rates.get(rate.tax_rate_id)
        known = rate if rate.percentage is not None or listed is None else listed
        if known.percentage is None:  # a bare id: not even whether it is inclusive is known
            return None
        if known.inclusive:
            percent += known.percentage
    if percent:
        return amount / (1 + Fraction(percent) / _HUNDRED)
    if not rates and (item.tax_rates_inclusive or subscription.tax_rates_inclusive):
        return None  # said by an observation that did not hold the rates yet
    if tax_behavior == "inclusive" and subscription.automatic_tax:
        share = _net_share(beside.invoices)
        return None if share is None else amount * share
    return amount


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
