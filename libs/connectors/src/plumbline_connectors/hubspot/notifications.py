"""HubSpot's webhook notifications: which record to look at, not what it holds (vendors 2.9)."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from plumbline_connectors.decoding import NotAnEvent, NotJson, TooDeep, decode_json

__all__ = ["NotAnEvent", "NotJson", "Notification", "TooDeep", "parse_notifications"]

MAX_BATCH: Final = 100
_KIND_BY_TYPE_ID: Final = {"0-1": "contact", "0-2": "company"}
_KINDS: Final = frozenset(_KIND_BY_TYPE_ID.values())


class Notification(NamedTuple):
    """One entry of a delivery."""

    portal_id: str
    subscription_type: str
    kind: str | None
    """`company` or `contact`; None for everything Plumbline doesn't keep."""
    action: str
    """What stands after the dot: creation, deletion, propertyChange, merge, restore, ..."""
    object_id: str | None
    property_name: str | None
    property_value: str | None
    occurred_at_ms: int
    """Not a version of the record: that is its `updatedAt` (design 5)."""
    change_source: str | None
    source_id: str | None
    app_id: str | None
    related_ids: tuple[str, ...] = ()
    """Of a merge: the primary, the merged and the new record."""
    event_id: str | None = None
    """Not unique (vendors 0.7)."""

    @property
    def is_own_write(self) -> bool:
        """Whether the change is named as made by the very app that is notified."""
        return (
            self.change_source == "INTEGRATION"
            and self.app_id is not None
            and self.source_id == self.app_id
        )


def parse_notifications(body: bytes) -> list[Notification]:
    """Read a delivery: an array of up to 100 entries, of whatever types.

    Raises:
        NotJson: not JSON in UTF-8.
        NotAnEvent: no array, or an entry without portal or subscription type.
        TooDeep: nested deeper than Python's stack takes.
    """
    decoded = decode_json(body)
    if not isinstance(decoded, list):
        raise NotAnEvent(f"expected an array of notifications, found {type(decoded).__name__}")
    return [_notification(entry, place) for place, entry in enumerate(decoded)]


def _notification(entry: Any, place: int) -> Notification:
    if not isinstance(entry, dict):
        raise NotAnEvent(f"[{place}]: expected an object, found {type(entry).__name__}")
    portal_id = _text(entry.get("portalId"))
    # The documentation's table calls it eventType, deliveries subscriptionType.
    subscription_type = _text(entry.get("subscriptionType") or entry.get("eventType"))
    if portal_id is None or subscription_type is None:
        missing = "portalId" if portal_id is None else "subscriptionType"
        raise NotAnEvent(f"[{place}].{missing}: expected a value, found none")
    prefix, _, action = subscription_type.partition(".")
    return Notification(
        portal_id=portal_id,
        subscription_type=subscription_type,
        kind=_kind(prefix, entry),
        action=action,
        object_id=_text(entry.get("objectId")),
        property_name=_text(entry.get("propertyName")),
        property_value=_value(entry.get("propertyValue")),
        occurred_at_ms=_milliseconds(entry.get("occurredAt")),
        change_source=_text(entry.get("changeSource")),
        source_id=_text(entry.get("sourceId")),
        app_id=_text(entry.get("appId")),
        related_ids=_related(entry),
        event_id=_text(entry.get("eventId")),
    )


def _kind(prefix: str, entry: Mapping[str, Any]) -> str | None:
    if prefix == "object":
        return _KIND_BY_TYPE_ID.get(str(entry.get("objectTypeId")))
    return prefix if prefix in _KINDS else None


def _related(entry: Mapping[str, Any]) -> tuple[str, ...]:
    merged = entry.get("mergedObjectIds")
    named = [
        entry.get("primaryObjectId"),
        *(merged if isinstance(merged, list) else []),
        entry.get("newObjectId"),
    ]
    return tuple(dict.fromkeys(one for one in map(_text, named) if one is not None))


def _text(value: Any) -> str | None:
    """Ids come as numbers or strings."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def _value(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _milliseconds(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
