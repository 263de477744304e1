"""Objects as the rules see them: id, body, and where the body came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from plumbline_schemas.billing import Invoice, Subscription
from plumbline_schemas.ids import ExternalKey

from plumbline_domain.facts import CardFacts, GivenBack, InvoiceFacts, SubscriptionFacts

BodyT_co = TypeVar("BodyT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Sighting:
    """The observation that put an object's present content there."""

    connection: str
    vendor_id: str
    vendor_time: datetime
    received_at: datetime
    origin: str
    event_id: str | None = None
    event_type: str | None = None

    @property
    def age(self) -> tuple[datetime, datetime, str]:
        """Sorts sightings, the newest last."""
        return (self.vendor_time, self.received_at, self.vendor_id)


@dataclass(frozen=True, slots=True)
class Seen(Generic[BodyT_co]):
    """One vendor object: its key, its newest content and how that was seen."""

    key: ExternalKey
    body: BodyT_co
    sighting: Sighting

    @property
    def id(self) -> str:
        """The vendor's id."""
        return self.sighting.vendor_id


SeenSubscription = Seen[Subscription | SubscriptionFacts]
SeenInvoice = Seen[Invoice | InvoiceFacts]
SeenBeside = Seen[GivenBack | CardFacts]
"""What was given back, and cards."""


@dataclass(frozen=True, slots=True)
class SeenProduct:
    """What the catalogue says of a product; `name` None when it has none or was deleted."""

    name: str | None
    sighting: Sighting


@dataclass(frozen=True, slots=True)
class SeenPrice:
    """What the catalogue says of a price's changeable names."""

    lookup_key: str | None
    nickname: str | None
    sighting: Sighting


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Products and prices by external key."""

    products: Mapping[ExternalKey, SeenProduct]
    prices: Mapping[ExternalKey, SeenPrice]
