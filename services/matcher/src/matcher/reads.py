"""Reads the matcher asks for: rows of its outbox, published to `refresh.requests.v1`."""

from datetime import timedelta
from typing import Final

from plumbline_schemas.ids import ExternalKey
from plumbline_schemas.outcomes import RefreshRequest
from plumbline_schemas.topics import REFRESH_REQUESTS

from matcher.cause import RecordCause
from matcher.outbox import enqueue
from matcher.snapshot import Snapshot

AFTER_TIE: Final = timedelta(seconds=2)
"""A read of the same whole second as the tie would only be a third party to it (design 5).

And one that is answered in the second of an event may be stamped the second before, as its start is
told by whole seconds and floored: what the event left out of its own object would be lost.
"""


def want_read(
    snapshot: Snapshot, key: ExternalKey, reason: str, cause: RecordCause, *, later: bool
) -> None:
    """Ask for a look at an object; `later`: begun two seconds after what raised the question."""
    request = RefreshRequest(
        key=key,
        reason=reason,
        requested_at=cause.received_at,
        not_before=cause.received_at + AFTER_TIE if later else None,
    )
    enqueue(snapshot, REFRESH_REQUESTS, key, request, cause)
