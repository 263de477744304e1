"""Exchange rates by day, exact; cross rates go through the euro (billing.md, fine print of MRR)."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import Final

_EURO: Final = "eur"
_ONE: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class Rate:
    """Units of the target currency for one unit of the source, and the day the table has it for."""

    factor: Fraction
    day: date


@dataclass(frozen=True, slots=True)
class Rates:
    """A table of days; each day holds units of each currency for one euro."""

    days: tuple[date, ...]
    """Ascending."""
    per_euro: Mapping[date, Mapping[str, Decimal]]
    """By day, then by currency in lower case."""

    @classmethod
    def of(cls, days: Mapping[date, Mapping[str, Decimal]]) -> "Rates":
        """Take a table; currency codes in any case."""
        table = {
            day: {code.lower(): value for code, value in rates.items()}
            for day, rates in days.items()
        }
        return cls(tuple(sorted(table)), MappingProxyType(table))

    def next_day(self, day: date) -> date | None:
        """The first day after `day` that has rates of its own."""
        place = bisect_right(self.days, day)
        return self.days[place] if place < len(self.days) else None

    def find(self, source: str, target: str, day: date) -> Rate | None:
        """The rate of the UTC day, or of the last day before it that the table has.

        None when that day has no rate for one of the two: an older one would be a guess.
        """
        source, target = source.lower(), target.lower()
        if source == target:
            return Rate(Fraction(1), day)
        place = bisect_right(self.days, day)
        if place == 0:
            return None
        found = self.days[place - 1]
        rates = self.per_euro[found]
        have, want = _of(rates, source), _of(rates, target)
        return None if have is None or want is None else Rate(_cross(want, have), found)


def _of(rates: Mapping[str, Decimal], code: str) -> Decimal | None:
    return _ONE if code == _EURO else rates.get(code)


@lru_cache(maxsize=1024)
def _cross(want: Decimal, have: Decimal) -> Fraction:
    return Fraction(want) / Fraction(have)


NO_RATES: Final = Rates((), MappingProxyType({}))
