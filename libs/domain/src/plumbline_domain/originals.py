"""MRR in the subscriptions' own currencies, with the rate that reported it (billing.md, MRR).

Kept with the account, so that the next fold can tell what exchange rates moved from what the
customer did (design 6, movements).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from plumbline_domain.conversion import Conversion
from plumbline_domain.money import exponent, to_minor


@dataclass(frozen=True, slots=True)
class Original:
    """One currency's MRR, exact, in its minor units."""

    mrr: Fraction
    rate: Fraction | None
    """Units of the reporting currency for one unit; None: each subscription has its own."""
    day: date | None
    """The day the table has the rate for."""


Originals = Mapping[str, Original]
"""By currency in lower case; the reporting one is left out."""


def originals_of(
    own: Mapping[str, Fraction], beside: Conversion, *, fixed_rates: bool
) -> dict[str, Original]:
    """What was converted, and how; `fixed_rates`: at each subscription's own day."""
    found = {}
    for code, amount in sorted(own.items()):
        if not amount or beside.currency is None or code == beside.currency:
            continue
        rate = None if fixed_rates else beside.rates.find(code, beside.currency, beside.day)
        found[code] = Original(
            amount, None if rate is None else rate.factor, None if rate is None else rate.day
        )
    return found


def at_former_rates(
    exact: Fraction, now: Originals, before: Originals, currency: str
) -> int | None:
    """The MRR of now as the rates of `before` have it, rounded once; None: they are the same.

    A currency that was not there before has no former rate: it comes in at today's.
    """
    moved, same = Fraction(0), True
    for code, original in now.items():
        former = before.get(code)
        if former is None or former.rate is None or original.rate is None:
            continue
        if former.rate != original.rate:
            same = False
            scale = Fraction(10) ** (exponent(currency) - exponent(code))
            moved += original.mrr * (original.rate - former.rate) * scale
    return None if same else to_minor(exact - moved)
