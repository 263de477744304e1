"""Which values an account wants on its CRM records: pure, from state and mapping to effects."""

import hashlib
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

import orjson
from plumbline_connectors.hubspot.values import encode_value, parse_time
from plumbline_domain.money import major_units
from plumbline_schemas.accounts import AccountState, FieldValue, Link
from plumbline_schemas.fields import FIELDS, LAST_SYNCED
from plumbline_schemas.ids import split_key
from plumbline_schemas.money import Money
from plumbline_schemas.observations import CRM_KINDS

from writeback.doubt import cause, differs, doubt_of, doubt_of_blank
from writeback.effects import Effect, RecordId, fresh
from writeback.gate import OPEN, WorkspaceFacts

URGENT: Final = frozenset({"past_due", "failing"})
PRIORITY_URGENT: Final = 0
PRIORITY_NORMAL: Final = 1
PRIORITY_BLANK: Final = 2
LONGEST_REST: Final = timedelta(seconds=5)
"""Whatever a clock said that was set back since."""
_NO_TIME: Final = timedelta(0)
_LIVE: Final = frozenset({None, "event", "read"})


class Wanted(NamedTuple):
    """What an account wants on a record."""

    desired: dict[str, str]
    provenance: dict[str, Any]


class Moment(NamedTuple):
    """What a fold needs to know besides its inputs."""

    now: datetime
    blank_delay: timedelta
    """A blank waits this long for the account that may take the record over."""
    doubt_delay: timedelta = timedelta(0)
    """What the brake counts waits this long, so that a mass is seen before its first is written."""
    create_delay: timedelta = timedelta(0)
    """A record that is to be created rests this long."""


def wanted(state: AccountState, mapping: Mapping[str, str]) -> Wanted:
    """Encode the mapped fields; a field the account does not know is empty (design 9)."""
    values = {
        "state": state.state,
        "stage": state.stage,
        "ambiguous": state.flags.ambiguous,
    } | {name: field.value for name, field in state.fields.items()}
    desired = {
        name: encode_field(field, values.get(field))
        for field, name in mapping.items()
        if field != LAST_SYNCED
    }
    return Wanted(
        desired,
        {
            name: _provenance(field, state.fields[field])
            for field, name in mapping.items()
            if field in state.fields
        },
    )


def _priority(known: Effect, state: AccountState) -> int:
    """Payments that have just failed go first (design 7); who is merely behind goes with the rest.

    A walk finds many who are behind: they are no news that anyone waits for.
    """
    status = state.fields.get("payment_status")
    if status is None or status.value not in URGENT:
        return PRIORITY_NORMAL
    waiting = known.state in {"pending", "held"} and known.priority == PRIORITY_URGENT
    news = status.version > known.state_version
    told = cause(state, "payment_status") not in {"walk", "config"}
    return PRIORITY_URGENT if waiting or (news and told) else PRIORITY_NORMAL


def encode_field(field: str, value: str | bool | int | datetime | Money | None) -> str:
    """One field as the CRM takes it: amounts in major units, "" when unknown (design 9).

    Raises TypeError for a value that the field's type can't hold.
    """
    kind = FIELDS[field].type
    if isinstance(value, Money):
        return encode_value(kind, Decimal(major_units(value)))
    if isinstance(value, int) and not isinstance(value, bool):
        return encode_value(kind, Decimal(value))
    if kind == "datetime" and isinstance(value, str):
        moment = parse_time(value)
        if moment is None:
            raise TypeError(f"{field}: found {value!r}, expected a time in ISO 8601")
        return encode_value(kind, moment)
    return encode_value(kind, value)


def blank(mapping: Mapping[str, str]) -> dict[str, str]:
    """Every property of the mapping emptied, for a record that is nobody's any more."""
    return {name: "" for field, name in mapping.items() if field != LAST_SYNCED}


def _provenance(field: str, value: FieldValue) -> dict[str, Any]:
    return {
        "field": field,
        "rule": value.rule,
        "connection": value.connection,
        "object": value.object,
        "event_id": value.event_id,
        "version": value.version,
    }


def digest(desired: Mapping[str, str]) -> str:
    """Hash of desired values; two equal ones want the same write."""
    return hashlib.sha256(orjson.dumps(desired, option=orjson.OPT_SORT_KEYS)).hexdigest()


def crm_links(state: AccountState) -> dict[RecordId, Link]:
    """The account's CRM records; links to billing customers are none of writeback's business."""
    found: dict[RecordId, Link] = {}
    for link in state.links:
        parts = split_key(link.key)
        if parts.kind in CRM_KINDS and parts.workspace == state.workspace:
            found[RecordId(*parts)] = link
    return found


def fold_account(
    effects: MutableMapping[RecordId, Effect],
    state: AccountState,
    facts: WorkspaceFacts,
    moment: Moment,
    *,
    recompute: bool = False,
    moved: bool = False,
) -> set[RecordId]:
    """Bring the effects of one account up to `state`; returns the records that changed.

    `effects` holds the stored effects of the account and of every record it links. With
    `recompute` (the mapping changed) an equal order counts as newer; `moved` tells that records
    were being written by the mapping before.
    """
    links = crm_links(state)
    changed: set[RecordId] = set()
    for record, link in links.items():
        known = effects.get(record) or fresh(record, state.id, moment.now)
        order = (link.opened_version, state.version)
        if order < known.order or (order == known.order and not recompute):
            continue
        mapping = facts.mapping(record.connection, record.kind)
        if not mapping and record not in effects:
            continue
        new = _take(known, state, link, mapping, gate=facts.gate, moment=moment, moved=moved)
        if recompute:
            new = new._replace(measured_from=None)
        if new != known:
            effects[record] = new
            changed.add(record)
    return changed | _close(effects, state, links.keys(), facts, moment)


def _take(
    known: Effect,
    state: AccountState,
    link: Link,
    mapping: Mapping[str, str],
    *,
    gate: str,
    moment: Moment,
    moved: bool,
) -> Effect:
    wants = wanted(state, mapping)
    doubt = known.doubt
    if wants.desired != known.desired:
        doubt = doubt_of(known, wants.desired, state, mapping)
        written = known.applied_version is not None
        if moved and written and doubt is None and differs(known, wants.desired):
            doubt = "mapped"
    taken = known._replace(
        account_id=state.id,
        opened_version=link.opened_version,
        state_version=state.version,
        closed=False,
        provenance=wants.provenance,
        priority=_priority(known, state),
        doubt=doubt,
    )
    due = moment.now if doubt is None else moment.now + moment.doubt_delay
    return _want(_timed(known, state), taken, wants.desired, gate, due)


def _timed(known: Effect, state: AccountState) -> tuple[datetime | None, datetime | None]:
    """(received, measured from): an unsent change keeps its own; only webhooks are measured."""
    if known.state in {"pending", "held"} and known.received_at is not None:
        return known.received_at, known.measured_from
    news = [field for field in state.fields.values() if field.version > known.state_version]
    live = any(field.origin == "webhook" and field.cause in _LIVE for field in news)
    return state.received_at, state.received_at if live else None


def _want(
    timed: tuple[datetime | None, datetime | None],
    effect: Effect,
    desired: dict[str, str],
    gate: str,
    due: datetime,
) -> Effect:
    """New desired values make the effect due; the same ones leave it as it is."""
    hashed = digest(desired)
    if not desired:
        parked = effect.state if effect.sending is not None else "applied"
        return effect._replace(
            desired={}, desired_hash=hashed, state=parked, held_by=None, doubt=None
        )
    if hashed == effect.desired_hash:
        return effect
    wants = effect._replace(
        desired=desired,
        desired_hash=hashed,
        received_at=timed[0] or due,
        measured_from=timed[1] if gate == OPEN else None,
    )
    return requeue(wants, gate, due)


def requeue(effect: Effect, gate: str, due: datetime) -> Effect:
    """Have the effect looked at again, from the start of its schedule.

    A call whose answer is still out keeps its time: whatever comes next waits for it. A record
    that was written a moment ago waits until its next turn, so that a burst costs two writes at
    most; a payment that has failed waits for nothing but the answer.
    """
    in_flight = effect.sending is not None and effect.state == "pending"
    rest = effect.rests_until if effect.priority != PRIORITY_URGENT else None
    turn = due if rest is None else min(rest, due + LONGEST_REST)
    return effect._replace(
        state="pending" if gate == OPEN else "held",
        held_by=None if gate == OPEN else gate,
        revision=effect.revision + 1,
        attempts=0,
        row_failures=0,
        last_error=None,
        next_attempt_at=max(effect.next_attempt_at if in_flight else turn, due),
    )


def _close(
    effects: MutableMapping[RecordId, Effect],
    state: AccountState,
    linked: Iterable[RecordId],
    facts: WorkspaceFacts,
    moment: Moment,
) -> set[RecordId]:
    """Blank the account's former records, unless another account owns them by now."""
    kept = set(linked)
    changed: set[RecordId] = set()
    for record, known in list(effects.items()):
        if known.account_id != state.id or record.workspace != state.workspace or record in kept:
            continue
        mapping = facts.mapping(record.connection, record.kind)
        if known.closed and (known.state == "applied" or known.desired == blank(mapping)):
            continue
        closed = known._replace(
            closed=True,
            state_version=max(known.state_version, state.version),
            provenance={},
            priority=PRIORITY_BLANK,
            doubt=doubt_of_blank(known, state, mapping),
        )
        due = moment.now + max(moment.blank_delay, moment.doubt_delay if closed.doubt else _NO_TIME)
        effects[record] = _want((None, None), closed, blank(mapping), facts.gate, due)
        changed.add(record)
    return changed


def idempotency_key(effect: Effect) -> str:
    """Key of the next body: target, record and version (design 7).

    The version is the order of the desired values and the number of the body, so that a second
    body for the same values (a person's edit overwritten) has a key of its own.
    """
    parts = (*effect.id, *map(str, effect.order), str(effect.writes))
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
