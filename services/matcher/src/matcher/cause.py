"""The record of the log that is being folded: cause of whatever changes now."""

from dataclasses import dataclass
from datetime import datetime

from plumbline_domain.movements import CauseKind
from plumbline_schemas.accounts import ChangeCause
from plumbline_schemas.events import Cause
from plumbline_schemas.ids import ExternalKey
from plumbline_schemas.observations import (
    AnyObservation,
    ConfigObservation,
    DecisionObservation,
    TickObservation,
    WalkObservation,
)

from matcher.stored import instant

_KINDS: dict[str, CauseKind] = {
    "customer": "customer",
    "subscription": "customer",
    "invoice": "customer",
    "tick": "time",
    "company": "link",
    "contact": "link",
}


@dataclass(frozen=True, slots=True)
class RecordCause:
    """Facts of the record that every change it makes carries."""

    key: ExternalKey
    kind: CauseKind
    origin: str
    change: ChangeCause
    vendor_time: datetime
    received_at: datetime
    event_id: str | None = None
    event_type: str | None = None

    @property
    def published(self) -> Cause:
        """As ledger rows and account events show it."""
        return Cause(
            key=self.key,
            event_id=self.event_id,
            event_type=self.event_type,
            origin=self.origin,
            vendor_time=self.vendor_time,
            received_at=self.received_at,
        )


def cause_of(observation: AnyObservation) -> RecordCause:
    """What the ledger will say of this observation's changes."""
    return RecordCause(
        key=observation.key,
        kind=_KINDS.get(observation.kind, "rules"),
        origin=observation.origin,
        change=_change(observation),
        vendor_time=instant(observation.vendor_time_ms),
        received_at=observation.received_at,
        event_id=observation.event_id,
        event_type=observation.event_type,
    )


def _change(observation: AnyObservation) -> ChangeCause:
    if isinstance(observation, TickObservation):
        return "tick"
    if isinstance(observation, ConfigObservation):
        return "config"
    if isinstance(observation, DecisionObservation):
        return "decision"
    return "walk" if isinstance(observation, WalkObservation) else observation.seen
