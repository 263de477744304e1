"""Amounts and rates of reports: exact, and aligned for who reads them in columns."""

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from plumbline_domain.money import exponent
from plumbline_schemas.money import Money

_MILLIONTH = 6


def major(money: Money) -> str:
    """Major units with all of the currency's decimals and no separators: `-1234.50`."""
    places = exponent(money.currency)
    return str(Decimal(money.minor).scaleb(-places)) if places else str(money.minor)


def shown(money: Money, *, signed: bool = False) -> str:
    """As a person reads it: `1,234.50 EUR`, with `signed` also `+20.00 EUR`."""
    places = exponent(money.currency)
    sign = "+" if signed else ""
    return f"{Decimal(money.minor).scaleb(-places):{sign},.{places}f} {money.currency.upper()}"


def rate(value: Fraction | None) -> str | None:
    """A rate with six decimals, half to even: `0.031250`."""
    if value is None:
        return None
    scaled = Decimal(round(value * 10**_MILLIONTH))
    return f"{scaled.scaleb(-_MILLIONTH):.{_MILLIONTH}f}"


def percent(value: str | None) -> str:
    """A printed rate as a person reads it: `3.13 %`; nothing to divide by is `-`."""
    if value is None:
        return "-"
    return f"{(Decimal(value) * 100).quantize(Decimal('0.01'), ROUND_HALF_EVEN)} %"
