"""W3C trace context: made by our edge and our readers, carried in Kafka's headers.

A trace is one outside event and everything that came of it. Every record of it carries the same
`traceparent`, whose span is the one that began the trace: no span is made per record. No header of
an outside request is ever taken over.
"""

import random
import re
from collections.abc import Iterable, Sequence
from typing import Final

TRACEPARENT: Final = "traceparent"
_FORM: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_LENGTH: Final = 55
_SHOWN: Final = 20


def new_trace() -> str:
    """The `traceparent` of a trace that begins here."""
    # Names, not secrets: the fast generator does. The top bits keep both parts from being zero.
    bits = random.getrandbits(192)
    return f"00-{(bits >> 64) | 1:032x}-{(bits & 0xFFFF_FFFF_FFFF_FFFF) | 1:016x}-01"


def trace_of(headers: Iterable[tuple[str, bytes | None]]) -> str | None:
    """The record's `traceparent`; None when it has none, or none that W3C would read."""
    for name, value in headers:
        if name == TRACEPARENT:
            return _checked(value)
    return None


def trace_id(traceparent: str | None) -> str | None:
    """The 32 characters that log lines show as `trace_id`."""
    return None if traceparent is None else traceparent[3:35]


def trace_ids(headers_of_records: Iterable[Sequence[tuple[str, bytes | None]]]) -> list[str]:
    """Distinct trace ids in order, `_SHOWN` at most: a line must stay a line."""
    found: dict[str, None] = {}
    for headers in headers_of_records:
        trace = trace_of(headers)
        if trace is not None:
            found[trace[3:35]] = None
            if len(found) == _SHOWN:
                break
    return list(found)


def _checked(value: bytes | None) -> str | None:
    if value is None or len(value) != _LENGTH:
        return None
    text = value.decode("ascii", "replace")
    return text if _FORM.fullmatch(text) else None
