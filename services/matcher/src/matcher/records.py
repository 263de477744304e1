"""Records of the log to observations; what can't be decoded is named, never raised."""

from typing import Any, Final, NamedTuple

from plumbline_runtime.records import Record
from plumbline_schemas.dead_letter import DeadLetterReason
from plumbline_schemas.observations import AnyObservation, decode_observation
from pydantic import ValidationError

_NUL_ESCAPE: Final = b"\\u0000"


class Undecodable(ValueError):  # noqa: N818 - says what the record is
    """A record that is no observation; `reason` is the dead letter's."""

    def __init__(self, reason: DeadLetterReason, message: str) -> None:
        super().__init__(message)
        self.reason: DeadLetterReason = reason


class Entry(NamedTuple):
    """One record; `observation` None when it went to the dead letters."""

    offset: int
    observation: AnyObservation | None


def decode(record: Record) -> AnyObservation:
    """Decode one record; raises Undecodable. Values never appear in the message."""
    if record.value is None:
        raise Undecodable("invalid", "the record has no value")
    try:
        observation = decode_observation(record.value)
    except ValidationError as error:
        raise _explain(error) from None
    if _NUL_ESCAPE in record.value and _has_nul(observation.model_dump(mode="json")):
        raise Undecodable("invalid", "a text holds the character NUL, which cannot be stored")
    try:
        _ = observation.key
    except ValueError as error:
        raise Undecodable("invalid", str(error)) from None
    return observation


def _explain(error: ValidationError) -> Undecodable:
    problems = error.errors(include_url=False, include_input=False)
    first = problems[0]
    reason: DeadLetterReason = "invalid"
    if first["type"] == "json_invalid":
        reason = "not_json"
    elif first["type"].startswith("union_tag"):
        reason = "unknown_kind"
    place = ".".join(str(part) for part in first["loc"]) or "record"
    return Undecodable(reason, f"{place}: {first['msg']}")


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_has_nul(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return any(_has_nul(part) for part in value)
    return False
