"""What a price asks for a quantity, before discounts: one billing period, exact minor units."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

from plumbline_schemas.catalogue import Price, Tier

from plumbline_domain.book import Option
from plumbline_domain.working import BillingError, TierLine

_NONE: Final = Decimal(0)
_Row = tuple[int | None, Decimal | None, Decimal | None]
"""A tier as a tuple, which is quick to look up: bound, each, flat."""


class Listed(NamedTuple):
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
        return _per_unit(option.unit_amount, quantity)
    blocks = _blocks(price.transform_quantity, quantity)
    if blocks is None:
        return _wrong("transform_quantity", price)
    return Listed(_times(option.unit_amount, blocks), "price.transform_quantity")


@lru_cache(maxsize=4096)
def _times(amount: Decimal, quantity: int) -> Fraction:
    """Exact fractions are slow to make, and a book has few different prices."""
    return Fraction(amount) * quantity


@lru_cache(maxsize=4096)
def _per_unit(amount: Decimal, quantity: int) -> Listed:
    return Listed(_times(amount, quantity), "price.per_unit")


def _blocks(transform: dict[str, str | int], quantity: int) -> int | None:
    divide_by, way = transform.get("divide_by"), transform.get("round")
    if not isinstance(divide_by, int) or divide_by < 1 or way not in ("up", "down"):
        return None
    return -(-quantity // divide_by) if way == "up" else quantity // divide_by


def _tiered(price: Price, tiers: Sequence[Tier] | None, quantity: int) -> Listed:
    if tiers is None:
        return _missing(f"tiers:{price.price_id}")
    table = tuple([(one.up_to, one.unit_amount, one.flat_amount) for one in tiers])
    found = _in_tiers(price.tiers_mode, table, quantity)
    return _wrong(found, price) if isinstance(found, str) else found


@lru_cache(maxsize=2048)
def _in_tiers(mode: str | None, table: tuple[_Row, ...], quantity: int) -> Listed | str:
    """What the tiers ask, or what is wrong with them."""
    error = _unusable(table, quantity)
    if error is not None:
        return error
    if mode not in {"graduated", "volume"}:
        return "unknown_tiers_mode"
    lines = _graduated(table, quantity) if mode == "graduated" else _volume(table, quantity)
    return Listed(_total(lines), f"price.{mode}", lines)


def _graduated(table: tuple[_Row, ...], quantity: int) -> tuple[TierLine, ...]:
    lines, begin = [], 0
    for row in table:
        end = quantity if row[0] is None else min(quantity, row[0])
        lines.append(_line(row, end - begin))
        begin = end
        if begin == quantity:
            break
    return tuple(lines)


def _volume(table: tuple[_Row, ...], quantity: int) -> tuple[TierLine, ...]:
    row = next(one for one in table if one[0] is None or quantity <= one[0])
    return (_line(row, quantity),)


def _total(lines: Sequence[TierLine]) -> Fraction:
    return sum((line.amount for line in lines[1:]), lines[0].amount)


def _line(row: _Row, units: int) -> TierLine:
    up_to, unit_amount, flat_amount = row
    each, flat = unit_amount or _NONE, flat_amount or _NONE
    return TierLine(up_to, units, each, flat, _times(each, units) + _times(flat, 1))


def _unusable(table: tuple[_Row, ...], quantity: int) -> str | None:
    """Tiers must rise without a gap, and the quantity must be within one of them."""
    begin = 0
    for place, (up_to, unit_amount, flat_amount) in enumerate(table):
        if (unit_amount or _NONE) < 0 or (flat_amount or _NONE) < 0:
            return "negative_amount"
        if unit_amount is None and flat_amount is None:
            return "tiers_gap"
        if up_to is None:
            return None if place == len(table) - 1 else "tiers_gap"
        if up_to <= begin:
            return "tiers_gap"
        begin = up_to
    return None if quantity <= begin else "tiers_gap"


def _missing(what: str) -> Listed:
    return Listed(Fraction(0), "price.missing", missing=what)


def _wrong(name: str, price: Price) -> Listed:
    return Listed(Fraction(0), "price.error", error=BillingError(name, price.price_id))
