"""Amounts of minor units from one currency to the workspace's, exact."""

from dataclasses import dataclass
from datetime import date
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
