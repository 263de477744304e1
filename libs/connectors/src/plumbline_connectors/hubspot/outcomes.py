"""What became of each row of a batch (vendors 2.3, 2.7; design 7)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from plumbline_schemas.errors import Permanent

from plumbline_connectors.http import scrub
from plumbline_connectors.hubspot.faults import category

RowStatus = Literal["ok", "retry", "permanent"]

OBJECT_NOT_FOUND: Final = "OBJECT_NOT_FOUND"
PERMANENT_CATEGORIES: Final = frozenset({"VALIDATION_ERROR", OBJECT_NOT_FOUND, "MISSING_SCOPES"})
"""A row that failed for one of these never succeeds; all others are tried again (design 9)."""

_ID_NAMES: Final = ("ids", "id", "objectIds", "objectId", "objectWriteTraceId")
_WORD: Final = re.compile(r"[\w-]+")
_UNANSWERED: Final = "the answer says nothing of this row"


class UpdateRow(NamedTuple):
    """One row of a batch update."""

    id: str
    properties: Mapping[str, str]
    """Vendor property -> value; an empty string clears."""
    trace_id: str
    """Sent as `objectWriteTraceId`, stable over retries."""


class RowOutcome(NamedTuple):
    """What became of one row."""

    id: str
    """The id that was asked for."""
    status: RowStatus
    record: dict[str, Any] | None = None
    """The record as HubSpot answered it, of an ok row."""
    error: str | None = None
    category: str | None = None


class BatchRefused(Permanent):
    """The whole batch was refused because of some row of it: halve it, or give up on a single."""

    def __init__(
        self, message: str, *, where: str, status: int, category: str | None = None
    ) -> None:
        """`category` is HubSpot's word, if it said one."""
        super().__init__(message, where=where, status=status)
        self.category = category


def row_outcomes(rows: Sequence[UpdateRow], body: Mapping[str, Any]) -> list[RowOutcome]:
    """Match the results and errors of an accepted batch to its rows, in the rows' order.

    A result is a row's by trace id, by id, or because its record swallowed the row's in a merge. An
    error is a row's by the ids or trace ids of its context, or by an id in its message. A row with
    neither is to be tried again, with the first error that no row could be found for.
    """
    results = [result for result in _objects(body.get("results")) if result.get("id")]
    errors = _objects(body.get("errors"))
    named = [(error, _names(error)) for error in errors]
    stray = [error for error, names in named if not any(_names_row(names, row) for row in rows)]
    return [_outcome(row, results, named, stray) for row in rows]


def _outcome(
    row: UpdateRow,
    results: Sequence[dict[str, Any]],
    named: Sequence[tuple[dict[str, Any], frozenset[str]]],
    stray: Sequence[dict[str, Any]],
) -> RowOutcome:
    record = next(_results_of(row, results), None)
    if record is not None:
        return RowOutcome(row.id, "ok", record)
    error = next((error for error, names in named if _names_row(names, row)), None)
    if error is None:
        known = stray[0] if stray else {}
        return RowOutcome(row.id, "retry", None, _said(known), category(known))
    word = category(error)
    status: RowStatus = "permanent" if word in PERMANENT_CATEGORIES else "retry"
    return RowOutcome(row.id, status, None, _said(error), word)


def _results_of(row: UpdateRow, results: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield from (one for one in results if one.get("objectWriteTraceId") == row.trace_id)
    yield from (one for one in results if str(one.get("id")) == row.id)
    yield from (one for one in results if row.id in merged_ids(one))


def merged_ids(record: Mapping[str, Any]) -> frozenset[str]:
    """Ids of the records that were merged into this one, as far as the answer holds them."""
    properties = record.get("properties")
    held = properties.get("hs_merged_object_ids") if isinstance(properties, Mapping) else None
    return frozenset(held.split(";")) if isinstance(held, str) else frozenset()


def _names_row(names: frozenset[str], row: UpdateRow) -> bool:
    return row.id in names or row.trace_id in names


def _names(error: Mapping[str, Any]) -> frozenset[str]:
    """Every id or trace id that an error gives as the culprit's."""
    found: set[str] = set()
    parts = [error, *_objects(error.get("errors"))]
    contexts = [part["context"] for part in parts if isinstance(part.get("context"), Mapping)]
    for holder in [*contexts, error]:
        for name in _ID_NAMES:
            value = holder.get(name)
            members = value if isinstance(value, list) else [value]
            found.update(str(member) for member in members if isinstance(member, str | int))
    if not found:
        found.update(_WORD.findall(str(error.get("message", ""))))
    return frozenset(found)


def _said(error: Mapping[str, Any]) -> str:
    message = error.get("message")
    return scrub(message) if isinstance(message, str) and message else _UNANSWERED


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
