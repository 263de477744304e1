"""Tax rates, and what they make of an invoice's lines."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from plumbline_simulators.stripe import params as read
from plumbline_simulators.stripe.catalog import set_texts
from plumbline_simulators.stripe.errors import StripeError, required
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.pricing import whole
from plumbline_simulators.stripe.store import Record

_TEXTS = ("country", "description", "display_name", "jurisdiction", "state", "tax_type")
AUTOMATIC = {
    "enabled": True,
    "disabled_reason": None,
    "liability": {"type": "self"},
    "provider": "stripe",
    "status": "complete",
}


class Rate(NamedTuple):
    """A rate as one line has it: automatic tax takes inclusive or not from the price."""

    id: str
    percentage: Decimal
    inclusive: bool


def create_tax_rate(ledger: Ledger, params: Params) -> Record:
    percentage = read.decimal(params, "percentage")
    inclusive = read.boolean(params, "inclusive")
    if percentage is None or inclusive is None:
        raise required("percentage" if percentage is None else "inclusive")
    read.needed(params, "display_name")
    record: Record = {
        "object": "tax_rate",
        "id": ledger.ids.next("txr"),
        "created": ledger.now(),
        "active": read.boolean(params, "active") is not False,
        "inclusive": inclusive,
        "percentage": float(percentage),
        "effective_percentage": float(percentage),
        "rate_type": "percentage",
        "metadata": read.merged_metadata({}, params),
    }
    set_texts(record, params, *_TEXTS)
    return ledger.create(record, "tax_rate.created")


def update_tax_rate(ledger: Ledger, rate_id: str, params: Params) -> Record:
    """Neither percentage nor inclusive can change."""
    before = ledger.get("tax_rate", rate_id)
    after = {**before, "metadata": read.merged_metadata(before["metadata"], params)}
    set_texts(after, params, *_TEXTS)
    if (active := read.boolean(params, "active")) is not None:
        after["active"] = active
    return ledger.update(before, after, "tax_rate.updated")


def given_rates(ledger: Ledger, params: Params, name: str) -> list[str]:
    """Ids of the tax rates of a call; raises Stripe's 400 for an unknown one."""
    rates: list[str] = read.sequence(params, name)
    for rate in rates:
        ledger.get("tax_rate", rate, param=name, status=400)
    return rates


def automatic_tax(ledger: Ledger, params: Params, customer: Record) -> Record | None:
    """The setting of a call, None when it has none; raises where the place is not known."""
    if "automatic_tax" not in params:
        return None
    enabled = read.boolean(read.mapping(params, "automatic_tax"), "enabled") or False
    if enabled and _country(customer) not in ledger.billing.tax_percentages:
        message = "The customer's location isn't recognized. Set a valid customer address."
        raise StripeError(400, message, code="customer_tax_location_invalid")
    liability = {"type": "self"} if enabled else None
    return {"enabled": enabled, "disabled_reason": None, "liability": liability}


def rates_of(ledger: Ledger, subscription: Record, item: Record, customer: Record) -> list[Rate]:
    """The rates of an item's line: automatic, else its own, else the subscription's."""
    if customer.get("tax_exempt", "none") != "none":
        return []
    if (subscription.get("automatic_tax") or {}).get("enabled"):
        return _automatic_rates(ledger, item, customer)
    names = item.get("tax_rates") or subscription.get("default_tax_rates") or []
    found = [ledger.get("tax_rate", name) for name in names]
    return [Rate(one["id"], Decimal(str(one["percentage"])), one["inclusive"]) for one in found]


def taxes_on(amount: int, rates: Sequence[Rate]) -> list[Record]:
    """An amount's taxes as a line shows them; inclusive ones are part of the amount."""
    within = sum((rate.percentage for rate in rates if rate.inclusive), Decimal(0))
    net = Decimal(amount) * 100 / (100 + within)
    return [
        {
            "amount": whole(net * rate.percentage / 100),
            "tax_behavior": "inclusive" if rate.inclusive else "exclusive",
            "tax_rate_details": {"tax_rate": rate.id},
            "taxability_reason": "standard_rated",
            "taxable_amount": whole(net),
            "type": "tax_rate_details",
        }
        for rate in rates
    ]


def summed(taxes: Iterable[Record]) -> list[Record]:
    """One row for each rate."""
    rows: dict[tuple[str, str], Record] = {}
    for tax in taxes:
        key = (tax["tax_rate_details"]["tax_rate"], tax["tax_behavior"])
        row = rows.setdefault(key, {**tax, "amount": 0, "taxable_amount": 0})
        row["amount"] += tax["amount"]
        row["taxable_amount"] += tax["taxable_amount"]
    return list(rows.values())


def amount_of_taxes(taxes: Iterable[Record], behavior: str) -> int:
    return sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == behavior)


def _automatic_rates(ledger: Ledger, item: Record, customer: Record) -> list[Rate]:
    country = _country(customer)
    percentage = ledger.billing.tax_percentages.get(country or "")
    if percentage is None:
        return []
    behavior = ledger.get("price", item["price"]).get("tax_behavior")
    name = f"txr_1Automatic{country}{behavior}"
    if ledger.store.get(name) is None:
        record = {
            "object": "tax_rate",
            "id": name,
            "created": ledger.now(),
            "active": False,
            "country": country,
            "display_name": "VAT",
            "inclusive": behavior == "inclusive",
            "percentage": float(percentage),
            "rate_type": "percentage",
        }
        ledger.create(record)
    return [Rate(name, Decimal(percentage), behavior == "inclusive")]


def _country(customer: Record) -> str | None:
    country = (customer.get("address") or {}).get("country")
    return country if isinstance(country, str) else None
