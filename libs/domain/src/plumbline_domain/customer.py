"""A billing customer as an account's fold takes it."""

from dataclasses import dataclass

from plumbline_schemas.billing import BillingCustomer
from plumbline_schemas.ids import ExternalKey

from plumbline_domain.holdings import NOTHING_HELD, Holdings
from plumbline_domain.sighting import SeenInvoice, SeenSubscription, Sighting


@dataclass(frozen=True, slots=True)
class Customer:
    """A billing customer with all that hangs on it, summed up.

    `body` is None when only objects that name the customer were seen so far. `deletion` is the
    sighting of a positive deletion, which is final (design 5).
    """

    key: ExternalKey
    body: BillingCustomer | None
    sighting: Sighting | None
    deletion: Sighting | None
    test_mode: bool
    holdings: Holdings = NOTHING_HELD

    @property
    def subscriptions(self) -> tuple[SeenSubscription, ...]:
        """Those that the rules can name."""
        return self.holdings.told.subscriptions

    @property
    def invoices(self) -> tuple[SeenInvoice, ...]:
        """Those that the rules can name."""
        return self.holdings.told.invoices

    @property
    def id(self) -> str:
        """The vendor's id of the customer."""
        return self.key.split("/", 3)[3]
