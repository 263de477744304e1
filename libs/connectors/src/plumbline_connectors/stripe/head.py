"""The head of a Stripe event: what the edge needs to route a delivery, without the whole of it."""

import re
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from plumbline_connectors.decoding import (
    NotAnEvent,
    NotJson,
    TooDeep,
    decode_json,
    text_is_storable,
)

__all__ = ["EventHead", "NotAnEvent", "NotJson", "TooDeep", "decode_head"]

SNAPSHOT: Final = "event"
THIN: Final = "v2.core.event"


class EventHead(NamedTuple):
    """Who, what and about which object."""

    id: str
    type: str
    created: int
    """Unix seconds; 0 when a thin event's ISO time can't be read."""
    livemode: bool
    api_version: str | None
    object: str
    """`event` (snapshot) or `v2.core.event` (thin, vendors 1.5)."""
    object_kind: str | None
    object_id: str | None
    customer_id: str | None


class _Object(msgspec.Struct):
    id: Any = None
    object: Any = None
    customer: Any = None


class _Data(msgspec.Struct):
    object: _Object | None = None


class _Related(msgspec.Struct):
    id: Any = None
    type: Any = None
    url: Any = None


class _Event(msgspec.Struct):
    id: str
    type: str
    object: str
    created: int | str
    livemode: bool
    api_version: str | None = None
    data: _Data | None = None
    related_object: _Related | None = None


_DISCOUNT_URL: Final = re.compile(r"/v1/(customer|subscription)s/([^/?]+)/discount")
_DECODER: Final = msgspec.json.Decoder(_Event)


def decode_head(body: bytes) -> EventHead:
    """Read the head of a snapshot or thin event.

    Raises:
        NotJson: not JSON in UTF-8.
        NotAnEvent: JSON without what every Stripe event has.
        TooDeep: nested deeper than Python's stack takes.
    """
    return _head(_decode(body))


def head_of(decoded: Any) -> EventHead:
    """The head of an event that `decoding.decode_json` read already; raises NotAnEvent."""
    try:
        return _head(msgspec.convert(decoded, _Event))
    except msgspec.ValidationError as error:
        raise NotAnEvent(f"not a Stripe event: {error}") from error


_LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999, beyond which no instant can be told."""


def _head(event: _Event) -> EventHead:
    if event.object not in {SNAPSHOT, THIN}:
        raise NotAnEvent(f"object is {event.object[:40]!r}, expected {SNAPSHOT!r} or {THIN!r}")
    if not event.id or not event.type:
        raise NotAnEvent("id or type of the event is empty")
    kind, object_id, customer = _about(event)
    return EventHead(
        event.id,
        event.type,
        _seconds(event.created),
        event.livemode,
        event.api_version,
        event.object,
        kind,
        object_id,
        object_id if kind == "customer" else customer,
    )


def _decode(body: bytes) -> _Event:
    try:
        if text_is_storable(body):
            return _DECODER.decode(body)
        return msgspec.convert(decode_json(body), _Event)
    except msgspec.ValidationError as error:
        raise NotAnEvent(f"not a Stripe event: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotJson(f"not JSON: {error}") from error
    except RecursionError as error:
        raise TooDeep("JSON is nested too deep") from error


def _about(event: _Event) -> tuple[str | None, str | None, str | None]:
    if event.related_object is not None:
        return *_related(event.related_object), None
    if event.data is None or event.data.object is None:
        return None, None, None
    about = event.data.object
    customer = about.customer.get("id") if isinstance(about.customer, dict) else about.customer
    return _text(about.object), _text(about.id), _text(customer)


def _related(related: _Related) -> tuple[str | None, str | None]:
    """Kind and id. A discount has no address of its own: it is named by its holder's."""
    kind, object_id = _text(related.type), _text(related.id)
    holder = _DISCOUNT_URL.fullmatch(_text(related.url) or "") if kind == "discount" else None
    return (kind, object_id) if holder is None else (holder[1], holder[2])


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _seconds(created: int | str) -> int:
    if isinstance(created, int):
        if not 0 <= created <= _LAST_SECOND:
            raise NotAnEvent(f"created is {created}, expected Unix seconds")
        return created
    try:
        return int(msgspec.convert(created, datetime).timestamp())
    except (msgspec.ValidationError, OverflowError, ValueError):
        return 0
