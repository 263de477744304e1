"""Fields with where they came from, and how a value that changed replaces the last one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from plumbline_schemas.accounts import ChangeCause
from plumbline_schemas.money import Money

from plumbline_domain.instants import instant_text
from plumbline_domain.sighting import Sighting

Value = str | bool | int | Money | None

FieldDocument = dict[str, Any]
"""A `FieldValue` of `accounts.state.v1` as JSON has it: every key, in the contract's order."""

_NOTHING_THERE: Final = frozenset(
    {"mrr.no_subscription", "plan.no_subscription", "ltv.nothing_paid", "mrr_ending.none"}
)


@dataclass(frozen=True, slots=True)
class Valued:
    """A value, the rule that made it, and the object that decided. `keep`: the last one stands."""

    value: Value
    rule: str
    by: Sighting | None = None
    keep: bool = False


def stamp(
    values: Mapping[str, Valued],
    previous: Mapping[str, FieldDocument],
    version: int,
    *,
    whole_book: bool = True,
    cause: ChangeCause | None = None,
) -> dict[str, FieldDocument]:
    """Give values their provenance and version; an equal value keeps both as they were.

    A value that can't be computed now keeps the last one, unless that only said that nothing was
    there yet, or was computed while the first walks had not shown the whole book: then it is
    unknown, whatever the order in which the objects came. `cause` is what makes it change.
    """
    fields = {}
    for name, valued in values.items():
        value = _plain(valued.value)
        before = previous.get(name)
        if before is not None and (
            before["value"] == value
            or (valued.keep and whole_book and before["rule"] not in _NOTHING_THERE)
        ):
            fields[name] = before
        else:
            fields[name] = _field(value, valued, version, cause)
    return fields


def _plain(value: Value) -> str | bool | int | dict[str, Any] | None:
    return {"minor": value.minor, "currency": value.currency} if isinstance(value, Money) else value


def _field(value: Any, valued: Valued, version: int, cause: ChangeCause | None) -> FieldDocument:
    by = valued.by
    return {
        "value": value,
        "rule": valued.rule,
        "connection": None if by is None else by.connection,
        "object": None if by is None else by.vendor_id,
        "event_id": None if by is None else by.event_id,
        "event_type": None if by is None else by.event_type,
        "vendor_time": None if by is None else instant_text(by.vendor_time),
        "received_at": None if by is None else instant_text(by.received_at),
        "origin": None if by is None else by.origin,
        "cause": cause,
        "version": version,
    }
