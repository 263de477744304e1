"""The record of the log that is being folded: cause of whatever changes now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from plumbline_domain.instants import instant_text
from plumbline_domain.movements import CauseKind
from plumbline_schemas.accounts import ChangeCause
from plumbline_schemas.ids import ExternalKey
from plumbline_schemas.observations import (
    AnyObservation,
    ConfigObservation,
    DecisionObservation,
    RatesObservation,
    TickObservation,
    WalkObservation,
)

from matcher.stored import instant

_KINDS: dict[str, CauseKind] = {
    "customer": "customer",
    "subscription": "customer",
    "invoice": "customer",
    "charge": "customer",
    "credit_note": "customer",
    "payment_method": "customer",
    "tick": "time",
    "company": "link",
    "contact": "link",
    "rates": "rates",
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
    document: Mapping[str, str | None]
    """As account events show it, a `plumbline_schemas.events.Cause` as JSON has it."""

    @property
    def ledger(self) -> dict[str, str]:
        """As ledger rows keep it: without what is not known."""
        return {name: value for name, value in self.document.items() if value is not None}


def cause_of(observation: AnyObservation) -> RecordCause:
    """What the ledger will say of this observation's changes."""
    key, vendor_time = observation.key, instant(observation.vendor_time_ms)
    return RecordCause(
        key=key,
        kind=_KINDS.get(observation.kind, "rules"),
        origin=observation.origin,
        change=_change(observation),
        vendor_time=vendor_time,
        received_at=observation.received_at,
        document={
            "key": key,
            "event_id": observation.event_id,
            "event_type": observation.event_type,
            "origin": observation.origin,
            "vendor_time": instant_text(vendor_time),
            "received_at": instant_text(observation.received_at),
        },
    )


def _change(observation: AnyObservation) -> ChangeCause:
    if isinstance(observation, TickObservation | RatesObservation):
        return "tick"  # rates come with time, and nobody has decided on them
    if isinstance(observation, ConfigObservation):
        return "config"
    if isinstance(observation, DecisionObservation):
        return "decision"
    return "walk" if isinstance(observation, WalkObservation) else observation.seen
