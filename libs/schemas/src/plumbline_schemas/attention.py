"""Whatever needs a person, `attention.v1` (compacted): opened, changed, closed."""

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

AttentionKind = Literal[
    "review_match",
    "ambiguous_match",
    "questioned_link",
    "duplicate_records",
    "duplicate_customers",
    "plan_approval",
    "failed_effect",
    "incomplete_value",
    "dead_letter",
    "property_mismatch",
    "connection_refused",
    "conflict",
    "wrong_account",
    "mass_change",
    "dead_letter_brake",
    "failed_walk",
    "failed_read",
    "failed_rates",
]

STALE_RATES: Final = "rates:stale"
"""Subject of `failed_rates` when nobody renews the rates, although looking at them works."""


class Attention(BaseModel):
    """One item; its Kafka key is `{workspace}/{kind}/{subject}`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    workspace: str
    kind: AttentionKind
    subject: str
    status: Literal["open", "closed"]
    summary: str
    opened_at: datetime
    changed_at: datetime
    details: dict[str, Any] = Field(default_factory=dict)

    @property
    def key(self) -> str:
        """Kafka key: the same subject is one item, whatever happens to it."""
        return f"{self.workspace}/{self.kind}/{self.subject}"
