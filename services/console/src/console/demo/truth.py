"""What HubSpot must show, worked out from Stripe's own objects without any of Plumbline's rules.

Deliberately plain and separate from `plumbline_domain`: the demo checks the product with it. It
knows only what the demo's story uses: flat monthly and yearly prices in dollars and euros, coupons
with a percentage on subscriptions, refunds, and collection that is paused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

Json = Mapping[str, Any]
DOLLARS = {"usd": Fraction(1), "eur": Fraction("1.10")}
"""What one unit is worth, every day of the demo; its table of rates is written from this."""
COUNTED = {"active", "past_due"}
GONE = {"canceled", "incomplete_expired"}


@dataclass(frozen=True, slots=True)
class Expected:
    """Property values of one company, as HubSpot holds them."""

    mrr: str
    plan: str
    payment_status: str
    state: str
    stripe_customer_id: str
    ambiguous: str
    ltv: str

    def properties(self) -> dict[str, str]:
        """By default property name."""
        return {
            "plumbline_mrr": self.mrr,
            "plumbline_plan": self.plan,
            "plumbline_payment_status": self.payment_status,
            "plumbline_state": self.state,
            "plumbline_stripe_customer_id": self.stripe_customer_id,
            "plumbline_ambiguous": self.ambiguous,
            "plumbline_ltv": self.ltv,
        }


def expected(
    customer_ids: Sequence[str],
    subscriptions: Sequence[Json],
    invoices: Sequence[Json],
    charges: Sequence[Json],
) -> Expected:
    """One company's values from all objects of its customers; coupons are expanded."""
    live = [row for row in subscriptions if row["status"] not in GONE]
    payment = _payment_status(live, invoices)
    return Expected(
        mrr=major_text(sum((_monthly(row) for row in live), Fraction(0))),
        plan=_plan(live, subscriptions),
        payment_status=payment,
        state=_state(live, subscriptions, payment),
        stripe_customer_id=";".join(sorted(customer_ids)),
        ambiguous="true" if len(customer_ids) > 1 else "false",
        ltv=major_text(_lifetime(invoices, charges)),
    )


def _monthly(subscription: Json) -> Fraction:
    if subscription["status"] not in COUNTED or subscription["pause_collection"]:
        return Fraction(0)
    total = Fraction(0)
    for item in subscription["items"]["data"]:
        months = {"month": 1, "year": 12}[item["price"]["recurring"]["interval"]]
        months *= item["price"]["recurring"]["interval_count"]
        total += Fraction(item["price"]["unit_amount"] * item["quantity"], months)
    for discount in subscription["discounts"]:
        total *= 1 - Fraction(str(discount["source"]["coupon"]["percent_off"])) / 100
    return total * DOLLARS[subscription["currency"]]


def _lifetime(invoices: Sequence[Json], charges: Sequence[Json]) -> Fraction:
    """What was paid, less what was given back."""
    paid = [(row["currency"], row["amount_paid"]) for row in invoices if row["status"] == "paid"]
    back = [(row["currency"], -row["amount_refunded"]) for row in charges]
    return sum((amount * DOLLARS[currency] for currency, amount in paid + back), Fraction(0))


def major_text(cents: Fraction) -> str:
    """Cents as HubSpot holds an amount: plain, without trailing zeros."""
    exact = Decimal(cents.numerator) / Decimal(cents.denominator)
    whole = exact.quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
    text = format(whole / 100, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _plan(live: Sequence[Json], every: Sequence[Json]) -> str:
    chosen = min(live, key=lambda row: (row["start_date"], row["id"]), default=None)
    if chosen is None:
        chosen = max(every, key=lambda row: row["ended_at"] or 0, default=None)
    if chosen is None:
        return ""
    first = min(chosen["items"]["data"], key=lambda item: (item["created"], item["id"]))
    return str(first["price"]["lookup_key"])


def _payment_status(live: Sequence[Json], invoices: Sequence[Json]) -> str:
    tried = [row for row in invoices if row["status"] == "open" and row["attempted"]]
    if any(row["next_payment_attempt"] is None for row in tried):
        return "past_due"
    if tried or any(row["status"] == "past_due" for row in live):
        return "failing"
    return "paid" if any(row["status"] == "paid" for row in invoices) else "none"


def _state(live: Sequence[Json], every: Sequence[Json], payment: str) -> str:
    if not live:
        return "churned" if every else "prospect"
    if payment in {"failing", "past_due"} or any(row["cancel_at_period_end"] for row in live):
        return "at_risk"
    return "trial" if all(row["status"] == "trialing" for row in live) else "active"
