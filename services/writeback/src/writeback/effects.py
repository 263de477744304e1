"""The effect: what one CRM record should hold, and how far that has got. Newest order wins."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from plumbline_domain.ownership import Memory
from plumbline_schemas.ids import ExternalKey, external_key

EffectState = Literal["pending", "held", "applied", "failed", "skipped"]
HELD_BY_CONFLICT: Final = "conflict"
HELD_BY_BRAKE: Final = "mass_change"


class RecordId(NamedTuple):
    """A CRM record: the primary key of effects and of last seen values."""

    workspace: str
    connection: str
    kind: str
    vendor_id: str

    @property
    def key(self) -> ExternalKey:
        """The record's external key."""
        return external_key(*self)


class SeenRecord(NamedTuple):
    """What a CRM record was last seen to hold."""

    workspace: str
    connection: str
    kind: str
    vendor_id: str
    properties: Mapping[str, str | None]
    vendor_time_ms: int
    archived: bool
    seen_at: datetime | None
    """None: the values are in doubt and must be read before anything is written."""

    @property
    def id(self) -> RecordId:
        """Which record."""
        return RecordId(*self[:4])


class Effect(NamedTuple):
    """A row of `writeback.effects`; field names are the column names."""

    workspace: str
    connection: str
    kind: str
    vendor_id: str
    account_id: str
    opened_version: int
    """Version at which the account's link was opened: the first half of the order (design 6)."""
    state_version: int
    closed: bool
    """The link is closed: our fields are blanked."""
    desired: dict[str, str]
    """Property -> value, without the time of the last sync."""
    desired_hash: str
    provenance: dict[str, Any]
    priority: int
    received_at: datetime | None
    measured_from: datetime | None
    """Start of the end-to-end measurement; None when the effect was held or has another cause."""
    state: EffectState
    held_by: str | None
    doubt: str | None
    """Why the brake counts it: no event of the customer's brought these values about."""
    revision: int
    """Moves whenever the effect must be looked at again: an answer to a call that was planned for
    an older one does not settle it."""
    attempts: int
    row_failures: int
    """Answers for this row of a category that nobody promised to be permanent or passing."""
    next_attempt_at: datetime
    rests_until: datetime | None
    """After a write: before the next one, unless a payment has failed."""
    last_error: str | None
    applied: dict[str, str]
    """What we last wrote or found in place, by property."""
    applied_hash: str | None
    applied_version: int | None
    echoed: dict[str, str]
    replaced: dict[str, str | None]
    """What each property held before our first write."""
    conflicts: dict[str, str]
    stamp: dict[str, str]
    """The time of the last sync as it was sent last."""
    writes: int
    """Bodies made so far; part of the idempotency key, so a new body never shares a key."""
    sending: dict[str, str] | None
    """The exact body whose answer is not recorded yet."""
    sending_key: str | None
    sending_since: datetime | None
    """When it went out; None once the CRM is known not to have taken it."""
    late: Mapping[str, Sequence[str]]
    """By property, what was sent without an answer and may still be carried out."""
    late_until: datetime | None
    """After that nothing of it can come any more."""
    look_at: datetime | None
    """When the record is looked at for it."""

    @property
    def id(self) -> RecordId:
        """Which record."""
        return RecordId(*self[:4])

    @property
    def order(self) -> tuple[int, int]:
        """The link that replaces another always wins (design 6)."""
        return self.opened_version, self.state_version

    @property
    def memory(self) -> Memory:
        """What earlier writes left behind."""
        return Memory(self.applied, self.echoed, self.conflicts, self.late)


def fresh(record: RecordId, account_id: str, now: datetime) -> Effect:
    """An effect that wants nothing yet."""
    return Effect(
        *record,
        account_id=account_id,
        opened_version=-1,
        state_version=-1,
        closed=False,
        desired={},
        desired_hash="",
        provenance={},
        priority=1,
        received_at=None,
        measured_from=None,
        state="applied",
        held_by=None,
        doubt=None,
        revision=0,
        attempts=0,
        row_failures=0,
        next_attempt_at=now,
        rests_until=None,
        last_error=None,
        applied={},
        applied_hash=None,
        applied_version=None,
        echoed={},
        replaced={},
        conflicts={},
        stamp={},
        writes=0,
        sending=None,
        sending_key=None,
        sending_since=None,
        late={},
        late_until=None,
        look_at=None,
    )
