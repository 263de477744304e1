"""What the MRR of a subscription is reckoned from, and what is found out on the way."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from plumbline_schemas.billing import BillingCustomer, Invoice

from plumbline_domain.book import NOTHING_KNOWN, PriceBook
from plumbline_domain.policies import PLUMBLINE, Policy
from plumbline_domain.rates import NO_RATES, Rates
from plumbline_domain.working import BillingError


@dataclass(frozen=True, slots=True)
class Beside:
    """What a subscription's MRR depends on besides itself."""

    currency: str
    """Reported, lower case."""
    at: datetime
    policy: Policy = PLUMBLINE
    rates: Rates = NO_RATES
    book: PriceBook = NOTHING_KNOWN
    customer: BillingCustomer | None = None
    invoices: Sequence[tuple[str, Invoice]] = ()
    """The subscription's own, by vendor id."""
    show_working: bool = False


@dataclass(slots=True)
class Reckoning:
    """One subscription under way."""

    subscription_id: str
    beside: Beside
    currency: str = ""
    """The subscription's, lower case."""
    missing: set[str] = field(default_factory=set)
    error: BillingError | None = None
    instants: list[datetime] = field(default_factory=list)
    """Later instants at which time alone may change the number."""
    needed: set[str] = field(default_factory=set)
    """Switches of the policy that mattered."""

    def lacks(self, what: str) -> None:
        """Name something that the number needs."""
        self.missing.add(what)

    def wrong(self, name: str, where: str) -> None:
        """Keep the first thing that is wrong."""
        if self.error is None:
            self.error = BillingError(name, where)

    def later(self, *instants: datetime | None) -> None:
        """Remember those that are still to come."""
        self.instants += [one for one in instants if one is not None and one > self.beside.at]
