"""Exact amounts as a person at finance reads them."""

from fractions import Fraction
from typing import Final

from plumbline_domain.money import exponent

_FURTHER_PLACES: Final = 4
"""Decimals below the minor unit that are printed before an amount is cut with an ellipsis."""


def amount(minor: Fraction, currency: str) -> str:
    """Major units with the currency, such as `1,234.50 USD`.

    Parts of a minor unit are shown; what does not end within four more places is cut and marked:
    `83.3333… USD`.
    """
    return f"{bare(minor, currency)} {currency.upper()}"


def bare(minor: Fraction, currency: str) -> str:
    """The same without the currency."""
    places = exponent(currency)
    scaled = abs(minor) * 10**_FURTHER_PLACES
    whole, cut = divmod(scaled.numerator, scaled.denominator)
    digits = f"{whole:0{places + _FURTHER_PLACES + 1}d}"
    split = len(digits) - places - _FURTHER_PLACES
    major, exact, further = digits[:split], digits[split : split + places], digits[split + places :]
    further = further if cut else further.rstrip("0")
    decimals = exact + further
    sign = "-" if minor < 0 else ""
    text = f"{sign}{int(major):,}" + (f".{decimals}" if decimals else "")
    return text + ("…" if cut else "")


def ratio(value: Fraction) -> str:
    """A factor as it is applied: `1`, `1/12`, `13/3`."""
    return str(value)


def decimal_text(value: Fraction, places: int = 6) -> str:
    """A number with at most so many decimals, cut and marked when there are more."""
    scaled = abs(value) * 10**places
    whole, cut = divmod(scaled.numerator, scaled.denominator)
    digits = f"{whole:0{places + 1}d}"
    decimals = digits[-places:] if cut else digits[-places:].rstrip("0")
    sign = "-" if value < 0 else ""
    return sign + digits[:-places] + (f".{decimals}" if decimals else "") + ("…" if cut else "")
