"""Amounts of minor units from one currency to the workspace's, exact."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from fractions import Fraction

from plumbline_domain.money import exponent
from plumbline_domain.rates import NO_RATES, Rates


@dataclass(frozen=True, slots=True)
class Conversion:
    """To `currency` at the rates of a UTC day."""

    currency: str | None
    """The workspace's, lower case; None while its configuration is unknown."""
    day: date
    rates: Rates = NO_RATES

    def turns(self, codes: Iterable[str]) -> datetime | None:
        """When amounts of these currencies may be worth something else: the table's next day."""
        following = self.rates.next_day(self.day)
        if following is None or all(code in {"", self.currency} for code in codes):
            return None
        return datetime.combine(following, time.min, UTC)

    def converted(self, amount: Fraction, source: str) -> Fraction | None:
        """An amount of `source`'s minor units in the workspace's; None without a rate."""
        if self.currency is None or not source:
            return None
        if source == self.currency:
            return amount
        rate = self.rates.find(source, self.currency, self.day)
        if rate is None:
            return None
        return amount * rate.factor * Fraction(10) ** (exponent(self.currency) - exponent(source))
