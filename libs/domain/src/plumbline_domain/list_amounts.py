"""What a price asks for a quantity, before discounts: one billing period, exact minor units."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

from plumbline_schemas.catalogue import Price, Tier

from plumbline_domain.book import Option
from plumbline_domain.working import BillingError, TierLine

_NONE: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Listed:
    """The amount; or what it would need; or what is wrong with the price."""

    amount: Fraction
    rule: str
    tiers: tuple[TierLine, ...] = ()
    missing: str | None = None
    error: BillingError | None = None


def listed(price: Price, option: Option, quantity: int) -> Listed:
    """The list amount of `quantity`, at least 1, of a price in the currency of `option`."""
    if price.billing_scheme == "tiered" or price.tiers_mode is not None:
        return _tiered(price, option.tiers, quantity)
    if option.unit_amount is None:
        return _missing(f"amount:{price.price_id}")
    if option.unit_amount < 0:
        return _wrong("negative_amount", price)
    if not price.transform_quantity:
        return Listed(_times(option.unit_amount, quantity), "price.per_unit")
    blocks = _blocks(price.transform_quantity, quantity)
    if blocks is None:
        return _wrong("transform_quantity", price)
    return Listed(_times(option.unit_amount, blocks), "price.transform_quantity")


@lru_cache(maxsize=4096)
def _times(amount: Decimal, quantity: int) -> Fraction:
    """Exact fractions are slow to make, and a book has few different prices."""
    return Fraction(amount) * quantity


def _blocks(transform: dict[str, str | int], quantity: int) -> int | None:
    divide_by, way = transform.get("divide_by"), transform.get("round")
    if not isinstance(divide_by, int) or divide_by < 1 or way not in ("up", "down"):
        return None
    return -(-quantity // divide_by) if way == "up" else quantity // divide_by


def _tiered(price: Price, tiers: Sequence[Tier] | None, quantity: int) -> Listed:
    if tiers is None:
        return _missing(f"tiers:{price.price_id}")
    error = _unusable(tiers, quantity)
    if error is not None:
        return _wrong(error, price)
    if price.tiers_mode == "volume":
        tier = next(one for one in tiers if one.up_to is None or quantity <= one.up_to)
        lines = [_line(tier, quantity)]
    elif price.tiers_mode == "graduated":
        lines = _graduated(tiers, quantity)
    else:
        return _wrong("unknown_tiers_mode", price)
    total = sum((line.amount for line in lines), Fraction(0))
    return Listed(total, f"price.{price.tiers_mode}", tuple(lines))


def _graduated(tiers: Sequence[Tier], quantity: int) -> list[TierLine]:
    lines, begin = [], 0
    for tier in tiers:
        end = quantity if tier.up_to is None else min(quantity, tier.up_to)
        lines.append(_line(tier, end - begin))
        begin = end
        if begin == quantity:
            break
    return lines


def _line(tier: Tier, units: int) -> TierLine:
    each, flat = tier.unit_amount or _NONE, tier.flat_amount or _NONE
    return TierLine(tier.up_to, units, each, flat, _times(each, units) + _times(flat, 1))


def _unusable(tiers: Sequence[Tier], quantity: int) -> str | None:
    """Tiers must rise without a gap, and the quantity must be within one of them."""
    begin = 0
    for place, tier in enumerate(tiers):
        if (tier.unit_amount or _NONE) < 0 or (tier.flat_amount or _NONE) < 0:
            return "negative_amount"
        if tier.unit_amount is None and tier.flat_amount is None:
            return "tiers_gap"
        if tier.up_to is None:
            return None if place == len(tiers) - 1 else "tiers_gap"
        if tier.up_to <= begin:
            return "tiers_gap"
        begin = tier.up_to
    return None if quantity <= begin else "tiers_gap"


def _missing(what: str) -> Listed:
    return Listed(Fraction(0), "price.missing", missing=what)


def _wrong(name: str, price: Price) -> Listed:
    return Listed(Fraction(0), "price.error", error=BillingError(name, price.price_id))
