"""Typed account changes, `accounts.events.v1`: what downstream teams react to."""

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from plumbline_schemas.accounts import FieldValue
from plumbline_schemas.ids import AccountId, WorkspaceId

AccountEventType = Literal[
    "account.created",
    "account.mrr_changed",
    "account.plan_changed",
    "account.state_changed",
    "account.payment_failed",
    "account.payment_recovered",
    "account.cancellation_planned",
    "account.cancellation_undone",
    "account.trial_ending",
    "account.renewal_approaching",
    "account.card_expiring",
    "account.linked",
    "account.unlinked",
    "account.ambiguous",
    "account.merged",
]
TRIAL_ENDING_DAYS: Final = 3
RENEWAL_APPROACHING_DAYS: Final = 7
CARD_EXPIRING_DAYS: Final = 30
"""How long before the instant itself the event is published, by the workspace's ticks."""

Movement = Literal[
    "new",
    "expansion",
    "contraction",
    "churn",
    "reactivation",
    "fx",
    "planned_cancellation",
    "planned_cancellation_undone",
    "opening",
    "transfer",
    "restated",
]


class Cause(BaseModel):
    """The record of the log that made the change."""

    model_config = ConfigDict(frozen=True, extra="allow")

    key: str
    event_id: str | None = None
    event_type: str | None = None
    origin: str
    vendor_time: datetime
    received_at: datetime


class AccountEvent(BaseModel):
    """One change of one account. `version` is the account version that holds it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: AccountEventType
    account: AccountId
    workspace: WorkspaceId
    version: int
    occurred_at: datetime
    field: str | None = None
    before: FieldValue | None = None
    after: FieldValue | None = None
    movement: Movement | None = None
    """Only on `account.mrr_changed`."""
    cause: Cause
    details: dict[str, Any] = Field(default_factory=dict)
