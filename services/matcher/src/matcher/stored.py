"""Objects between memory and JSON: what is held of each, and the typed view the rules take."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import orjson
from plumbline_domain.order import Deletion, Glance, Held, Sight, Version
from plumbline_domain.sighting import Sighting
from plumbline_schemas.catalogue import Body
from plumbline_schemas.observations import AnyObservation

from matcher.rows import ObjectRow

BodyT = TypeVar("BodyT", bound=Body)

_NULL = b"null"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(milliseconds: int) -> datetime:
    """A vendor time as a datetime."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def glance_of(observation: AnyObservation) -> Glance:
    """An observation as far as order cares; its content hash is over canonical JSON."""
    body = observation.body
    content = None if body is None else body.model_dump(mode="json", exclude_none=True)
    if content is not None and observation.kind == "customer":
        content.pop("tax_ids", None)  # kept apart (`told`): an event does not tell them
    return Glance(
        vendor_time_ms=observation.vendor_time_ms,
        sight=Sight(
            received_at=observation.received_at,
            origin=observation.origin,
            seen=observation.seen,
            event_id=observation.event_id,
            event_type=observation.event_type,
            previous=_comparable(observation.previous),
        ),
        content=content,
        content_hash="" if content is None else hash_of(content),
        deleted=observation.deleted,
    )


def _comparable(previous: dict[str, Any] | None) -> dict[str, Any] | None:
    """Former values in the form contents have: nulls within a value are left out."""
    if previous is None or _NULL not in orjson.dumps(previous):
        return previous
    return {name: _without_nulls(value) for name, value in previous.items()}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(v) for name, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(one) for one in value]
    return value


def hash_of(content: dict[str, Any]) -> str:
    """The same for equal contents, whatever the order of their keys."""
    canonical = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(canonical, digest_size=16).hexdigest()


def pack_held(held: Held) -> dict[str, Any]:
    """What the `held` column keeps; the content that stands is in the `body` column."""
    return {
        "versions": [
            {
                "hash": version.content_hash,
                "sights": [_pack_sight(sight) for sight in version.sights],
                **({} if place == 0 else {"body": version.content}),
            }
            for place, version in enumerate(held.versions)
        ],
        "deletion": None
        if held.deletion is None
        else {"at": held.deletion.vendor_time_ms, "sight": _pack_sight(held.deletion.sight)},
        "alive_at": None if held.alive_at is None else held.alive_at.isoformat(),
    }


def unpack_held(packed: dict[str, Any], body: dict[str, Any] | None, vendor_time_ms: int) -> Held:
    """The reverse of `pack_held`."""
    deletion = packed["deletion"]
    return Held(
        vendor_time_ms=vendor_time_ms,
        versions=tuple(
            Version(
                content_hash=row["hash"],
                content=(body or {}) if place == 0 else row["body"],
                sights=tuple(_unpack_sight(sight) for sight in row["sights"]),
            )
            for place, row in enumerate(packed["versions"])
        ),
        deletion=None
        if deletion is None
        else Deletion(deletion["at"], _unpack_sight(deletion["sight"])),
        alive_at=None if packed["alive_at"] is None else datetime.fromisoformat(packed["alive_at"]),
    )


def _pack_sight(sight: Sight) -> dict[str, Any]:
    packed = {
        "received_at": sight.received_at.isoformat(),
        "origin": sight.origin,
        "seen": sight.seen,
        "event_id": sight.event_id,
        "event_type": sight.event_type,
        "previous": sight.previous,
    }
    return {name: value for name, value in packed.items() if value is not None}


def _unpack_sight(packed: dict[str, Any]) -> Sight:
    return Sight(
        received_at=datetime.fromisoformat(packed["received_at"]),
        origin=packed["origin"],
        seen=packed["seen"],
        event_id=packed.get("event_id"),
        event_type=packed.get("event_type"),
        previous=packed.get("previous"),
    )


def body_of(row: ObjectRow, model: type[BodyT]) -> BodyT | None:
    """The standing content, typed; None when only a deletion was seen."""
    standing = row.held.standing
    if standing is None:
        return None
    if row.typed is not None and row.typed[0] == standing.content_hash:
        known = row.typed[1]
        if isinstance(known, model):
            return known
    body = model.model_validate(standing.content)
    row.typed = (standing.content_hash, body)
    return body


def sighting_of(row: ObjectRow) -> Sighting | None:
    """Where the content that stands came from; None when only a deletion was seen."""
    if row.sighted is not None and row.sighted[0] is row.held:
        return row.sighted[1]
    standing = row.held.standing
    found = None
    if standing is not None:
        first = min(standing.sights, key=lambda sight: sight.arrival)
        found = _sighting(row, row.held.vendor_time_ms, first)
    row.sighted = (row.held, found)
    return found


def deletion_of(row: ObjectRow) -> Sighting | None:
    """The deletion, if the object is gone."""
    deletion = row.held.deletion
    if deletion is None or not row.deleted:
        return None
    return _sighting(row, deletion.vendor_time_ms, deletion.sight)


def _sighting(row: ObjectRow, vendor_time_ms: int, sight: Sight) -> Sighting:
    _, connection, _, vendor_id = row.key.split("/", 3)
    return Sighting(
        connection=connection,
        vendor_id=vendor_id,
        vendor_time=instant(vendor_time_ms),
        received_at=sight.received_at,
        origin=sight.origin,
        event_id=sight.event_id,
        event_type=sight.event_type,
    )
