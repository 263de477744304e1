"""What a sight of a CRM record means for its last seen values and for its effect."""

from collections.abc import Sequence
from datetime import UTC, datetime

from plumbline_domain.ownership import SameValue, decide
from plumbline_schemas.observations import CompanyObservation, ContactObservation

from writeback import store
from writeback.crm import Sight
from writeback.effects import HELD_BY_BRAKE, HELD_BY_CONFLICT, Effect, RecordId, SeenRecord
from writeback.gate import HOLDS, WorkspaceFacts
from writeback.plan import Moment, requeue
from writeback.store import Connection
from writeback.values import comparer

CrmObservation = CompanyObservation | ContactObservation

_SECOND_MS = 1000


async def fold_records(
    conn: Connection,
    facts: WorkspaceFacts,
    observations: Sequence[CrmObservation],
    moment: Moment,
) -> bool:
    if not observations:
        return False
    ids = {_record_of(observation) for observation in observations}
    effects = await store.lock_effects(conn, ids)
    known = await store.seen(conn, ids)
    before = dict(known)
    news: dict[RecordId, SeenRecord] = {}
    for observation in observations:
        record = _record_of(observation)
        same = comparer(facts.mapping(record.connection, record.kind))
        new = take_sight(known.get(record), observation, moment.now, same)
        if new is not None:
            known[record] = news[record] = new
    changed = {
        record: checked
        for record, last in news.items()
        if (effect := effects.get(record)) is not None
        and (checked := _after(before.get(record), last, effect, facts, moment.now)) != effect
    }
    await store.save_seen(conn, news.values())
    await store.save_effects(conn, changed.values(), effects)
    return bool(changed)


def _record_of(observation: CrmObservation) -> RecordId:
    return RecordId(observation.workspace, observation.connection, observation.kind, observation.id)


def _after(
    before: SeenRecord | None,
    last: SeenRecord,
    effect: Effect,
    facts: WorkspaceFacts,
    now: datetime,
) -> Effect:
    """The effect after news of its record.

    A sender may be about to give up on a pending one, because the record was gone when it looked.
    Nothing else would come of its return, so that decision is overtaken: the row stays due.
    """
    back = before is not None and before.archived and (not last.archived or last.seen_at is None)
    if back and effect.state == "pending":
        return effect._replace(revision=effect.revision + 1)
    return recheck(effect, last, facts, now)


def take_sight(
    known: SeenRecord | None, observation: CrmObservation, now: datetime, equal: SameValue
) -> SeenRecord | None:
    """The record as seen now; None when the observation tells nothing new.

    A CRM record's version is its `updatedAt` (design 5). Other content at the same instant, or a
    live sight from before a deletion, can't be ordered: the values come into doubt and are read.
    """
    archived = observation.deleted or observation.body is None
    properties = {} if observation.body is None else observation.body.properties
    fresh = SeenRecord(
        *_record_of(observation),
        properties=properties if not archived or known is None else known.properties,
        vendor_time_ms=observation.vendor_time_ms,
        archived=archived,
        seen_at=min(observation.received_at.astimezone(UTC), now),
    )
    if known is None or fresh.vendor_time_ms > known.vendor_time_ms:
        return fresh
    same = known.archived == archived and _same_values(known, fresh, equal)
    tie = fresh.vendor_time_ms == known.vendor_time_ms and not same
    if tie or (known.archived and not archived) or _late_deletion(known, fresh):
        return None if known.seen_at is None else known._replace(seen_at=None)
    return None


def sighted(
    known: SeenRecord | None,
    record: RecordId,
    sight: Sight | None,
    began: datetime,
    *,
    before: SeenRecord | None,
) -> SeenRecord:
    """What is on file after a direct read, which counts as seen when it started.

    Only a newer version on file outdoes it. `before` is what was on file when it started: absence
    has no version, so when the file says otherwise by now than it did then, whether the record is
    there can't be told and it is read again.
    """
    there = known is not None and not known.archived
    if known is not None and known != before and there != (sight is not None):
        return known._replace(seen_at=None)
    if sight is None:
        base = known or SeenRecord(*record, {}, 0, archived=True, seen_at=began)
        return base._replace(archived=True, seen_at=began)
    fresh = SeenRecord(*record, sight.properties, sight.vendor_time_ms, False, began)
    outdone = (
        known is not None
        and not known.archived
        and known.seen_at is not None
        and known.vendor_time_ms > sight.vendor_time_ms
    )
    return known._replace(seen_at=began) if outdone and known is not None else fresh


def _late_deletion(known: SeenRecord, fresh: SeenRecord) -> bool:
    """A deletion has no `updatedAt`: it carries a read's start, floored to the second."""
    sooner = known.vendor_time_ms - fresh.vendor_time_ms < _SECOND_MS
    return fresh.archived and not known.archived and sooner


def _same_values(known: SeenRecord, fresh: SeenRecord, equal: SameValue) -> bool:
    names = known.properties.keys() | fresh.properties.keys()
    return all(
        equal(name, known.properties.get(name), fresh.properties.get(name)) for name in names
    )


def recheck(effect: Effect, last: SeenRecord, facts: WorkspaceFacts, now: datetime) -> Effect:
    """What a new sight of its record means for an effect: usually nothing, our write came back."""
    if effect.state == "pending" or not effect.desired:
        return effect
    down = effect.state in {"failed", "skipped"}
    braked = effect.held_by == HELD_BY_BRAKE  # only approval or the customer's event lets it go
    if not braked and (last.seen_at is None or (down and not last.archived)):
        return _looked_at_again(effect, facts.gate, now)
    if last.archived:
        return effect
    if braked or (effect.state == "held" and effect.held_by in HOLDS):
        return settled_by_sight(effect, last, facts)
    decision = decide(
        effect.desired,
        last.properties,
        effect.memory,
        policy=facts.conflict_policy,
        same=comparer(facts.mapping(effect.connection, effect.kind)),
    )
    resolved = effect.held_by == HELD_BY_CONFLICT and not decision.conflicts
    if decision.writes or decision.news or resolved:
        return _looked_at_again(effect, facts.gate, now)
    return effect


def _looked_at_again(effect: Effect, gate: str, now: datetime) -> Effect:
    return requeue(effect, gate, now)._replace(measured_from=None, received_at=now)


def settled_by_sight(effect: Effect, last: SeenRecord, facts: WorkspaceFacts) -> Effect:
    """The effect as done, if the record is known to hold all it wants already."""
    if last.archived or last.seen_at is None or effect.sending is not None:
        return effect
    same = comparer(facts.mapping(effect.connection, effect.kind))
    decision = decide(effect.desired, last.properties, effect.memory, policy="overwrite", same=same)
    if decision.writes:
        return effect
    return effect._replace(
        state="applied",
        held_by=None,
        doubt=None,
        applied=effect.applied | decision.agreed,
        applied_hash=effect.desired_hash,
        applied_version=effect.state_version,
    )
