"""What became of each CRM write, `writeback.outcomes.v1`, and requests to look again."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from plumbline_schemas.ids import AccountId, ExternalKey

OutcomeResult = Literal["written", "unchanged", "skipped", "conflict", "failed", "created"]
"""`created`: the record was made, and holds nothing of the account yet but its id."""


class WritebackOutcome(BaseModel):
    """One row of one vendor batch."""

    model_config = ConfigDict(frozen=True, extra="allow")

    workspace: str
    connection: str
    record: ExternalKey
    account: AccountId
    version: int
    result: OutcomeResult
    properties: dict[str, str] = Field(default_factory=dict)
    idempotency_key: str
    attempts: int
    error: str | None = None
    received_at: datetime | None = None
    written_at: datetime
    trace_id: str | None = None
    """Trace of the newest event behind the values, as in the headers of every topic before."""
    latency_ms: int | None = None
    """From `received_at` of the vendor's event to the vendor's answer to our write."""


class RefreshRequest(BaseModel):
    """`refresh.requests.v1`: look at this object again."""

    model_config = ConfigDict(frozen=True, extra="allow")

    key: ExternalKey
    reason: str
    requested_at: datetime
    not_before: datetime | None = None
