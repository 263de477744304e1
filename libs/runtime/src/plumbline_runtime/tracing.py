"""W3C trace context, carried in Kafka's headers and named in log lines.

A trace is one event of a vendor and everything that came of it. Its id is made from the event's
name, never from a header of the request: so a redelivery, a retry after a crash and a rebuild
belong to the same trace, and whoever holds the event's id (a ledger row, a field's provenance, an
effect) can tell the trace without having stored it. No span is made per record.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Final

from plumbline_schemas.ids import split_key
from plumbline_schemas.observations import AnyObservation

TRACEPARENT: Final = "traceparent"
_ID_BYTES: Final = 16
_LENGTH: Final = 55
_SHOWN: Final = 20
_HEX: Final = frozenset("0123456789abcdef")


def event_trace(workspace: str, connection: str, event_id: str) -> str:
    """The trace id, 32 hexadecimal characters, of a vendor's event or of a delivery without one."""
    return _named(f"{workspace}/{connection}/{event_id}")


def change_trace(key: str, event_id: str | None, vendor_time: datetime) -> str:
    """The trace id of what an object's observation brought about; `key` is the object's."""
    if event_id is not None:
        parts = split_key(key)
        return event_trace(parts.workspace, parts.connection, event_id)
    return _seen(key, round(vendor_time.timestamp() * 1000))


def observation_trace(observation: AnyObservation) -> str:
    """The trace id of an observation: its event's, else the object's as it was then."""
    if observation.event_id is not None:
        return event_trace(observation.workspace, observation.connection, observation.event_id)
    return _seen(observation.key, observation.vendor_time_ms)


def traceparent(trace_id: str) -> str:
    """The header's value. The span stands for the whole way: no record has one of its own."""
    return f"00-{trace_id}-{trace_id[:16]}-01"


def trace_of(headers: Iterable[tuple[str, bytes | None]]) -> str | None:
    """The trace id of a record; None without a header that W3C would read."""
    for name, value in headers:
        if name == TRACEPARENT:
            return _read(value)
    return None


def trace_ids(headers_of_records: Iterable[Sequence[tuple[str, bytes | None]]]) -> list[str]:
    """Distinct trace ids in order, `_SHOWN` at most: a line must stay a line."""
    found: dict[str, None] = {}
    for headers in headers_of_records:
        trace = trace_of(headers)
        if trace is not None:
            found[trace] = None
            if len(found) == _SHOWN:
                break
    return list(found)


def _seen(key: str, vendor_time_ms: int) -> str:
    return _named(f"{key}@{vendor_time_ms}")


def _named(name: str) -> str:
    return blake2b(name.encode(), digest_size=_ID_BYTES).hexdigest()


def _read(value: bytes | None) -> str | None:
    if value is None or len(value) != _LENGTH or value[:3] != b"00-":
        return None
    trace = value[3:35].decode("ascii", "replace")
    return trace if _HEX.issuperset(trace) and trace.strip("0") else None
