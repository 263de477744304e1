"""What HubSpot must show, folded from Stripe's own objects: knows nothing of Plumbline's code.

Covers what the chaos traffic makes: flat monthly and yearly prices in one currency, invoices,
cancellations, several subscriptions one after the other, several customers of one company.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

Json = Mapping[str, Any]
PREFIX = "plumbline_"
OVER = {"canceled", "incomplete_expired"}
PAYING = {"active", "past_due"}
MONTHS = {"month": 1, "year": 12}


def monthly(subscription: Json) -> Fraction:
    """Cents a month; 0 for a subscription that earns nothing now."""
    if subscription["status"] not in PAYING:
        return Fraction(0)
    return sum(
        (
            Fraction(
                item["price"]["unit_amount"] * item["quantity"],
                MONTHS[item["price"]["recurring"]["interval"]]
                * item["price"]["recurring"]["interval_count"],
            )
            for item in subscription["items"]["data"]
        ),
        Fraction(0),
    )


def amount(cents: Fraction) -> str:
    """Cents in major units, as HubSpot holds a number."""
    whole = (Decimal(cents.numerator) / Decimal(cents.denominator)).quantize(
        Decimal(1), rounding=ROUND_HALF_EVEN
    )
    text = format(whole / 100, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def expected(
    customers: Sequence[str], subscriptions: Iterable[Json], invoices: Iterable[Json]
) -> dict[str, str]:
    """Properties of a company with these customers; {} for one without any."""
    if not customers:
        return {}
    every, bills = list(subscriptions), list(invoices)
    living = [row for row in every if row["status"] not in OVER]
    payment = _payment(living, bills)
    values = {
        "mrr": amount(sum((monthly(row) for row in living), Fraction(0))),
        "plan": _plan(living, every),
        "payment_status": payment,
        "state": _state(living, every, payment),
        "stripe_customer_id": ";".join(sorted(customers)),
        "ambiguous": str(len(customers) > 1).lower(),
    }
    return {PREFIX + name: value for name, value in values.items()}


def _payment(living: Sequence[Json], invoices: Sequence[Json]) -> str:
    unpaid = [row for row in invoices if row["status"] == "open" and row["attempted"]]
    if any(row["next_payment_attempt"] is None for row in unpaid):
        return "past_due"
    if unpaid or any(row["status"] == "past_due" for row in living):
        return "failing"
    return "paid" if any(row["status"] == "paid" for row in invoices) else "none"


def _plan(living: Sequence[Json], every: Sequence[Json]) -> str:
    if living:
        chosen = min(living, key=_start)
    elif every:
        # In a second in which one ends, another one may begin and end as well.
        last = max(row["ended_at"] or 0 for row in every)
        chosen = min((row for row in every if (row["ended_at"] or 0) == last), key=_start)
    else:
        return ""
    first = min(chosen["items"]["data"], key=lambda item: (item["created"], item["id"]))
    return str(first["price"]["lookup_key"])


def _start(subscription: Json) -> tuple[int, str]:
    return subscription["start_date"], subscription["id"]


def _state(living: Sequence[Json], every: Sequence[Json], payment: str) -> str:
    if not living:
        return "churned" if every else "prospect"
    if payment in {"failing", "past_due"} or any(row["cancel_at_period_end"] for row in living):
        return "at_risk"
    return "trial" if all(row["status"] == "trialing" for row in living) else "active"
