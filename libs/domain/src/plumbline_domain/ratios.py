"""Exact amounts as two integers: `Fraction` reduces after every step, most of its time."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import lcm
from typing import Final

HUNDRED: Final = 100

Ratio = tuple[int, int]
"""Numerator and denominator, not reduced; the denominator is above 0."""


@lru_cache(maxsize=512)
def kept_of_percent(percent_off: Decimal) -> Ratio:
    """What a percentage leaves; exact fractions are slow to make."""
    return (1 - Fraction(percent_off) / HUNDRED).as_integer_ratio()


@lru_cache(maxsize=512)
def ratio_of(amount: Decimal) -> Ratio:
    return amount.as_integer_ratio()


def total(amounts: Iterable[Ratio]) -> Ratio:
    """The exact sum."""
    over, under = 0, 1
    for above, below in amounts:
        if below == under:
            over += above
        else:
            common = lcm(under, below)
            over, under = over * (common // under) + above * (common // below), common
    return over, under
