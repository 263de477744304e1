"""Observations: what one vendor object was seen to hold, whole, with when and how it was seen.

Everything that can change a workspace's accounts is one of these, in one ordered log per workspace
(`observations.v1`). The models are a union discriminated by `kind`, so a consumer decodes the bytes
once with `decode_observation`.
"""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from plumbline_schemas.billing import (
    BillingCustomer,
    BillingKind,
    Charge,
    CreditNote,
    Invoice,
    PaymentMethod,
    Subscription,
)
from plumbline_schemas.catalogue import Coupon, Price, Product, TaxRate
from plumbline_schemas.crm import CrmRecord
from plumbline_schemas.ids import ExternalKey, external_key
from plumbline_schemas.internal import Decision, RateTable, Tick, WalkMarker, WorkspaceConfig

Seen = Literal["event", "read", "walk"]
Origin = Literal["webhook", "poll", "walk", "reconcile", "console", "tick"]

BodyT = TypeVar("BodyT", bound=BaseModel)


class ObservationBase(BaseModel):
    """What every observation says besides its body (design 4)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    workspace: str
    connection: str
    """Name of the connection, or `@` for Plumbline's own."""
    kind: str
    id: str
    """The vendor's id of the object."""
    parent_key: ExternalKey | None = None
    """External key of the customer (billing) this object belongs to."""
    vendor_time_ms: int
    """Event `created` (Stripe event), start of the read (Stripe read, walk), `updatedAt` (CRM)."""
    seen: Seen
    origin: Origin
    event_id: str | None = None
    event_type: str | None = None
    received_at: datetime
    """When Plumbline first held the fact: latency is measured from here."""
    as_of: datetime | None = None
    api_version: str | None = None
    livemode: bool | None = None
    deleted: bool = False
    previous: dict[str, Any] | None = None
    """Normalised former values of what this update changed (tie-breaking, design 5)."""

    @property
    def key(self) -> ExternalKey:
        """External key of the observed object."""
        return external_key(self.workspace, self.connection, self.kind, self.id)


class Observation(ObservationBase, Generic[BodyT]):
    """An observation with its typed body; None only when `deleted` left nothing to say."""

    body: BodyT | None = None


class CustomerObservation(Observation[BillingCustomer]):
    """A billing customer was seen."""

    kind: Literal["customer"] = "customer"


class SubscriptionObservation(Observation[Subscription]):
    """A subscription was seen, with all items."""

    kind: Literal["subscription"] = "subscription"


class InvoiceObservation(Observation[Invoice]):
    """An invoice was seen."""

    kind: Literal["invoice"] = "invoice"


class ProductObservation(Observation[Product]):
    """A product of the catalogue was seen."""

    kind: Literal["product"] = "product"


class PriceObservation(Observation[Price]):
    """A price of the catalogue was seen."""

    kind: Literal["price"] = "price"


class CouponObservation(Observation[Coupon]):
    """A coupon of the catalogue was seen."""

    kind: Literal["coupon"] = "coupon"


class TaxRateObservation(Observation[TaxRate]):
    """A tax rate of the catalogue was seen."""

    kind: Literal["tax_rate"] = "tax_rate"


class ChargeObservation(Observation[Charge]):
    """A charge was seen."""

    kind: Literal["charge"] = "charge"


class CreditNoteObservation(Observation[CreditNote]):
    """A credit note was seen."""

    kind: Literal["credit_note"] = "credit_note"


class PaymentMethodObservation(Observation[PaymentMethod]):
    """A payment method was seen."""

    kind: Literal["payment_method"] = "payment_method"


class CompanyObservation(Observation[CrmRecord]):
    """A CRM company (HubSpot company, Salesforce account) was seen."""

    kind: Literal["company"] = "company"


class ContactObservation(Observation[CrmRecord]):
    """A CRM contact was seen."""

    kind: Literal["contact"] = "contact"


class TickObservation(Observation[Tick]):
    """Time moved. Connection `@`, id `clock`."""

    kind: Literal["tick"] = "tick"


class WalkObservation(Observation[WalkMarker]):
    """A walk of `connection` ended. Id is the scope ("initial")."""

    kind: Literal["walk"] = "walk"


class DecisionObservation(Observation[Decision]):
    """A person decided something. Connection `@`, id names the subject."""

    kind: Literal["decision"] = "decision"


class ConfigObservation(Observation[WorkspaceConfig]):
    """The configuration that changes results. Connection `@`, id `workspace`."""

    kind: Literal["config"] = "config"


class RatesObservation(Observation[RateTable]):
    """A table of exchange rates. Connection `@`, id the table's name ("ecb", "ecb:2026")."""

    kind: Literal["rates"] = "rates"


AnyObservation = Annotated[
    CustomerObservation
    | SubscriptionObservation
    | InvoiceObservation
    | ProductObservation
    | PriceObservation
    | CouponObservation
    | TaxRateObservation
    | ChargeObservation
    | CreditNoteObservation
    | PaymentMethodObservation
    | CompanyObservation
    | ContactObservation
    | TickObservation
    | WalkObservation
    | DecisionObservation
    | ConfigObservation
    | RatesObservation,
    Field(discriminator="kind"),
]

OBSERVATION_ADAPTER: TypeAdapter[AnyObservation] = TypeAdapter(AnyObservation)
BILLING_KINDS: frozenset[str] = frozenset(get_args(BillingKind))
CRM_KINDS = frozenset({"company", "contact"})
OWN_KINDS = frozenset({"tick", "walk", "decision", "config", "rates"})


def decode_observation(value: bytes) -> AnyObservation:
    """Decode one record of `observations.v1`; raises pydantic.ValidationError on anything else."""
    return OBSERVATION_ADAPTER.validate_json(value)


def encode_observation(observation: AnyObservation) -> bytes:
    """Encode for the topic; None fields are left out, which readers take as the default."""
    return observation.model_dump_json(exclude_none=True).encode()
