"""Account state: the whole account, as `accounts.state.v1` (compacted) holds it per account id."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from plumbline_schemas.ids import AccountId, ExternalKey, WorkspaceId
from plumbline_schemas.money import Money

State = Literal["trial", "active", "at_risk", "churned", "prospect"]
Stage = Literal["trial", "activated", "paying", "expanded", "at_risk", "churned", "prospect"]
PaymentStatus = Literal["paid", "past_due", "failing", "none"]
SubscriptionStatus = Literal[
    "unpaid",
    "past_due",
    "incomplete",
    "paused",
    "active",
    "trialing",
    "canceled",
    "incomplete_expired",
]
"""The vendor's words, the worst first; the last two are over."""
Reminder = Literal["account.trial_ending", "account.renewal_approaching", "account.card_expiring"]
"""What comes near by time alone; each is announced once for each instant."""
ChangeCause = Literal["event", "read", "walk", "tick", "config", "decision"]
"""How the record of the log that made a change came to be: a vendor's own event, a read or a walk;
or one of Plumbline's own: `tick` is time, and the exchange rates that come with it."""
LinkMethod = Literal[
    "founder",
    "crm_id",
    "stripe_id",
    "domain",
    "shared_record",
    "tax_id",
    "evidence",
    "person",
    "created",
    "email",
]
"""`person`: decided in the review queue, and never changed by the machine; `created`: the record
was created for the account; `email`: the contact has the person's very address."""

MAX_LINKS = 100


class FieldValue(BaseModel):
    """A value with where it came from: `accounts why` only prints what stands here."""

    model_config = ConfigDict(frozen=True, extra="allow")

    value: str | bool | int | datetime | Money | None = None
    """None is unknown; it may be left out on the wire."""
    rule: str
    """Id of the rule that made the value, e.g. `mrr.sum` or `plan.lookup_key`."""
    connection: str | None = None
    object: str | None = None
    """Vendor id of the object that decided it."""
    event_id: str | None = None
    event_type: str | None = None
    vendor_time: datetime | None = None
    received_at: datetime | None = None
    origin: str | None = None
    cause: ChangeCause | None = None
    """What made the value change; `origin` tells of the object that decided it. None: not told."""
    version: int
    """Account version at which this value last changed."""


class Link(BaseModel):
    """Account to external id, with evidence. Open links only."""

    model_config = ConfigDict(frozen=True, extra="allow")

    key: ExternalKey
    method: LinkMethod
    evidence: str
    opened_version: int
    """Account version at which the link was opened; orders effects of one CRM record (design 6)."""


class CustomerShare(BaseModel):
    """What one of an account's billing customers adds to it; the key names its connection."""

    model_config = ConfigDict(frozen=True, extra="allow")

    customer: ExternalKey
    mode: Literal["live", "test"]
    counted: bool
    """False: of test mode beside a live one, so that it is in none of the account's values."""
    mrr: Money | None = None
    """None while it is not known. Once all are, the counted ones add up to the account's."""
    plan: str | None = None
    payment_status: PaymentStatus
    state: State


class MrrStep(BaseModel):
    """What a customer's MRR became before its first payment was told of, and when."""

    model_config = ConfigDict(frozen=True, extra="allow")

    at: datetime
    mrr: dict[str, str]
    """As in `baselines`."""


class OriginalMrr(BaseModel):
    """The part of the MRR that is in one other currency, and the rate that reported it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    mrr: str
    """Exact minor units, such as `25000/3`."""
    rate: str | None = None
    """Units of the workspace's currency for one unit, exact; None: each subscription its own."""
    day: date | None = None
    """The day the table of rates has it for."""


class Flags(BaseModel):
    """What a reader must know before trusting the values."""

    model_config = ConfigDict(frozen=True, extra="allow")

    ambiguous: bool = False
    incomplete: tuple[str, ...] = ()
    """What is missing, e.g. `rate:eur` or `product:prod_1`; empty when nothing is."""
    links_truncated: bool = False


class WantedRecord(BaseModel):
    """A CRM record that the account has none of, and is to get (policies create and hybrid, or a
    person's word). It goes once the account is linked, or a person is asked after all."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: Literal["company", "contact"]
    name: str
    domain: str | None = None
    """Only one that no record and no other organisation has."""
    email: str | None = None
    """Of a contact."""
    lock: str
    """The strongest thing that tells it from others: two with the same one are not created at
    once, the second waits until the first is known to the matcher."""
    customers: tuple[str, ...]
    """The billing customers' ids, as the vendor has them."""
    by: Literal["policy", "person"]


class AccountState(BaseModel):
    """The whole account. A newer `version` replaces an older one; an equal one is the same."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: AccountId
    workspace: WorkspaceId
    version: int
    links: tuple[Link, ...] = Field(default=(), max_length=MAX_LINKS)
    state: State
    stage: Stage
    fields: dict[str, FieldValue] = Field(default_factory=dict)
    flags: Flags = Flags()
    due_at: datetime | None = None
    merged_into: AccountId | None = None
    baselines: dict[ExternalKey, dict[str, str]] = Field(default_factory=dict)
    """Per billing customer its MRR when it was first seen to pay; above it, it has expanded.

    Exact minor units by the subscriptions' own currencies, in lower case, such as `25000/3`.
    """
    trails: dict[ExternalKey, tuple[MrrStep, ...]] = Field(default_factory=dict)
    """What baselines are taken from: a first payment may be told of after the MRR has moved on."""
    announced: dict[Reminder, datetime] = Field(default_factory=dict)
    """The instant each reminder was last about."""
    originals: dict[str, OriginalMrr] = Field(default_factory=dict)
    """What of the MRR is in other currencies than the workspace's, by currency in lower case."""
    wanted_record: WantedRecord | None = None
    """None: it has one, or is to have none."""
    shares: tuple[CustomerShare, ...] = Field(default=(), max_length=MAX_LINKS)
    """Each billing customer's own, by key, the first of them; empty with a single customer."""
    effective_at: datetime | None = None
    """Vendor time of the record that caused this version."""
    cause: ChangeCause | None = None
    """What that record was; None: not told."""
    received_at: datetime | None = None
    """When Plumbline received that record: end-to-end latency is measured from here."""

    @model_validator(mode="after")
    def _versions_do_not_run_ahead(self) -> "AccountState":
        newest = max((field.version for field in self.fields.values()), default=0)
        if newest > self.version:
            raise ValueError(f"field version {newest} is ahead of account version {self.version}")
        return self
