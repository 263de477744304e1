"""One model for each type of account event, for who wants its fields by name.

`ACCOUNT_EVENT_ADAPTER` decodes a record's value into the model of its type; `AccountEvent` takes
any, those of a later Plumbline included. docs/events.md shows an example of each.
"""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from plumbline_schemas.accounts import FieldValue, LinkMethod
from plumbline_schemas.events import Cause
from plumbline_schemas.ids import AccountId, ExternalKey, WorkspaceId
from plumbline_schemas.money import Money


class _Contract(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class NoDetails(_Contract):
    """Everything stands in the event itself."""


class _Event(_Contract):
    account: AccountId
    workspace: WorkspaceId
    version: int
    occurred_at: datetime
    cause: Cause


class _FieldEvent(_Event):
    """`before` and `after` are the field's values with their provenance; None was never there."""

    before: FieldValue | None = None
    after: FieldValue | None = None


class Created(_Event):
    """An account exists: its founding billing customer was seen for the first time."""

    type: Literal["account.created"]
    details: NoDetails = NoDetails()


class MrrChanged(_FieldEvent):
    """A customer moved its MRR. What no customer did (fx, opening, transfer, restated) is none."""

    type: Literal["account.mrr_changed"]
    field: Literal["mrr"]
    details: NoDetails = NoDetails()
    movement: Literal["new", "expansion", "contraction", "churn", "reactivation"]


class PlanChanged(_FieldEvent):
    """The plan is another, or has another name."""

    type: Literal["account.plan_changed"]
    field: Literal["plan"]
    details: NoDetails = NoDetails()


class StateChanged(_FieldEvent):
    """The lifecycle state is another; a change of the stage within a state is no event."""

    type: Literal["account.state_changed"]
    field: Literal["state"]
    details: NoDetails = NoDetails()


class PaymentFailed(_FieldEvent):
    """The payment status became failing or past_due, having been neither."""

    type: Literal["account.payment_failed"]
    field: Literal["payment_status"]
    details: NoDetails = NoDetails()


class PaymentRecovered(_FieldEvent):
    """The payment status became paid, having been failing or past_due."""

    type: Literal["account.payment_recovered"]
    field: Literal["payment_status"]
    details: NoDetails = NoDetails()


class PlannedCancellation(_Contract):
    """Which subscription ends, and what is left of the account's MRR then."""

    subscription: ExternalKey
    ends_at: datetime
    mrr_ending: Money | None = None
    """MRR that goes with it; None while it is not known."""


class CancellationPlanned(_FieldEvent):
    """A subscription is set to end. Its MRR counts until it does: then comes a churn."""

    type: Literal["account.cancellation_planned"]
    field: Literal["planned_cancellation_at"]
    movement: Literal["planned_cancellation"]
    details: PlannedCancellation


class CancellationUndone(_FieldEvent):
    """A subscription that was set to end goes on."""

    type: Literal["account.cancellation_undone"]
    field: Literal["planned_cancellation_at"]
    movement: Literal["planned_cancellation_undone"]
    details: PlannedCancellation


class TrialEnd(_Contract):
    """Which subscription's trial ends."""

    subscription: ExternalKey
    ends_at: datetime


class TrialEnding(_Event):
    """A trial ends within `TRIAL_ENDING_DAYS`; told once for each end."""

    type: Literal["account.trial_ending"]
    details: TrialEnd


class Renewal(_Contract):
    """Which subscription renews, and when."""

    subscription: ExternalKey
    renews_at: datetime


class RenewalApproaching(_Event):
    """A live subscription that is not set to end renews within `RENEWAL_APPROACHING_DAYS`.

    Told once for each renewal, and not of subscriptions whose period is no longer than that.
    """

    type: Literal["account.renewal_approaching"]
    details: Renewal


class CardExpiry(_Contract):
    """Which customer's default card expires: at the end of its month, in UTC."""

    customer: ExternalKey
    expires_at: datetime


class CardExpiring(_Event):
    """The card that pays for live subscriptions expires within `CARD_EXPIRING_DAYS`.

    Told once for each expiry date.
    """

    type: Literal["account.card_expiring"]
    details: CardExpiry


class NewLink(_Contract):
    """The CRM record, and why it is the right one."""

    record: ExternalKey
    method: LinkMethod
    evidence: str


class Linked(_Event):
    """A CRM record is the account's from now on."""

    type: Literal["account.linked"]
    details: NewLink


class OldLink(_Contract):
    """The CRM record."""

    record: ExternalKey


class Unlinked(_Event):
    """A CRM record is the account's no more; Plumbline blanks its fields there."""

    type: Literal["account.unlinked"]
    details: OldLink


class Ambiguous(_FieldEvent):
    """Several billing customers, or several CRM records that could be the right one."""

    type: Literal["account.ambiguous"]
    field: Literal["ambiguous"]
    details: NoDetails = NoDetails()


class Survivor(_Contract):
    """Where its customers are now."""

    merged_into: AccountId


class Merged(_Event):
    """The account's customers belong to another account; this one holds nothing any more."""

    type: Literal["account.merged"]
    details: Survivor


TypedEvent = (
    Created
    | MrrChanged
    | PlanChanged
    | StateChanged
    | PaymentFailed
    | PaymentRecovered
    | CancellationPlanned
    | CancellationUndone
    | TrialEnding
    | RenewalApproaching
    | CardExpiring
    | Linked
    | Unlinked
    | Ambiguous
    | Merged
)

ACCOUNT_EVENT_ADAPTER: Final[TypeAdapter[TypedEvent]] = TypeAdapter(
    Annotated[TypedEvent, Field(discriminator="type")]
)
