"""Records as the API shows them."""

from collections.abc import Iterable
from typing import Any

from starlette.datastructures import QueryParams

from plumbline_simulators.hubspot.catalog import DEFAULTS

Json = dict[str, Any]


def names(values: Iterable[str]) -> list[str]:
    """Property names, repeated or comma-joined."""
    return [name for value in values for name in value.split(",") if name]


def wanted(query: QueryParams) -> tuple[list[str], list[str]]:
    """`properties` and `propertiesWithHistory` of a query."""
    return names(query.getlist("properties")), names(query.getlist("propertiesWithHistory"))


def show(
    row: Json, object_type: str, properties: Iterable[str], history: Iterable[str] = ()
) -> Json:
    """One record with the properties asked for; unknown names are ignored silently."""
    asked = [*dict.fromkeys((*DEFAULTS[object_type], *properties, *history))]
    shown: Json = {
        "id": row["id"],
        "properties": {name: row["properties"].get(name) for name in asked},
        "createdAt": row["createdAt"],
        "updatedAt": row["updatedAt"],
        "archived": row["archived"],
    }
    if row["archivedAt"]:
        shown["archivedAt"] = row["archivedAt"]
    if history:
        shown["propertiesWithHistory"] = {name: row["history"].get(name, []) for name in history}
    return shown


def written(row: Json, object_type: str, changed: Iterable[str], trace_id: str | None) -> Json:
    """The answer to a write: what was written and the default set."""
    shown = show(row, object_type, changed)
    if trace_id:
        shown["objectWriteTraceId"] = trace_id
    return shown
