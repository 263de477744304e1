"""What a price and a quantity cost for one period, in minor units of the price's currency."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Record = dict[str, Any]


def amount_of(price: Record, quantity: int, currency: str | None = None) -> int:
    """Whole minor units, half up; metered prices cost nothing without usage records.

    `currency` is the price's own or one of its `currency_options`.
    """
    if currency is not None and currency != price["currency"]:
        price = {**price, "tiers": None, **price["currency_options"][currency]}
    recurring = price.get("recurring") or {}
    if recurring.get("usage_type") == "metered":
        return 0
    units = _transformed(price.get("transform_quantity"), quantity)
    if price.get("billing_scheme") == "tiered":
        return whole(_tiered(price, units))
    return whole(Decimal(price.get("unit_amount_decimal") or 0) * units)


def whole(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def prorated(amount: int, remaining_seconds: int, period_seconds: int) -> int:
    """The share of `amount` for the rest of a period."""
    return whole(Decimal(amount) * remaining_seconds / period_seconds)


def _transformed(rule: Record | None, quantity: int) -> int:
    if not rule:
        return quantity
    full, rest = divmod(quantity, int(rule["divide_by"]))
    return full + 1 if rest and rule.get("round") == "up" else full


def _tiered(price: Record, quantity: int) -> Decimal:
    tiers = price.get("tiers") or []
    if price.get("tiers_mode") == "volume":
        for tier in tiers:
            if tier["up_to"] is None or quantity <= tier["up_to"]:
                return _tier_cost(tier, quantity)
        return Decimal(0)
    total, done = Decimal(0), 0
    for tier in tiers:
        if quantity <= done and total:
            break
        upper = quantity if tier["up_to"] is None else min(quantity, tier["up_to"])
        total += _tier_cost(tier, max(upper - done, 0))
        done = max(upper, done)
        if done >= quantity:
            break
    return total


def _tier_cost(tier: Record, units: int) -> Decimal:
    return Decimal(tier.get("unit_amount_decimal") or 0) * units + int(tier.get("flat_amount") or 0)
