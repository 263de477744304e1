"""A cause as a person reads it."""

from plumbline_schemas.events import Cause
from plumbline_schemas.ids import split_key


def because(cause: Cause) -> str:
    """What happened, and where to look it up.

    Plumbline's own records (ticks, configuration) and reads have no event: their object stands in.
    """
    what = cause.event_type or f"{split_key(cause.key).kind} ({cause.origin})"
    return f"{what} {cause.event_id or cause.key}"
