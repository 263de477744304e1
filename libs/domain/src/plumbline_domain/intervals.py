"""How many billing periods of a price a month holds (billing.md, MRR)."""

from fractions import Fraction
from functools import lru_cache
from typing import Final

from plumbline_schemas.catalogue import Recurring

_MONTHS_PER: Final = {
    "month": Fraction(1),
    "year": Fraction(1, 12),
    "week": Fraction(52, 12),
    "day": Fraction(365, 12),
}


def interval_factor(recurring: Recurring) -> Fraction | None:
    """Billing periods per month, exact: month 1/n, year 1/(12n), week 52/(12n), day 365/(12n).

    None for an interval that is not known.
    """
    return _factor(recurring.interval, recurring.interval_count)


@lru_cache(maxsize=256)
def _factor(interval: str, count: int) -> Fraction | None:
    per_month = _MONTHS_PER.get(interval)
    return None if per_month is None or count < 1 else per_month / count
