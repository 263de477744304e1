"""Records as the API shows them."""

from collections.abc import Iterable
from typing import Any

from starlette.datastructures import QueryParams

from plumbline_simulators.hubspot.store import Records

Json = dict[str, Any]


def names(values: Iterable[str]) -> list[str]:
    """Property names, repeated or comma-joined."""
    return [name for value in values for name in value.split(",") if name]


def wanted(query: QueryParams) -> tuple[list[str], list[str]]:
    """`properties` and `propertiesWithHistory` of a query."""
    return names(query.getlist("properties")), names(query.getlist("propertiesWithHistory"))


def show(
    row: Json, records: Records, properties: Iterable[str] = (), history: Iterable[str] = ()
) -> Json:
    """One record with the properties asked for, or the default set; unknown names are ignored."""
    asked, kind = [*properties, *history], records.kind
    known = records.catalog.properties
    chosen = dict.fromkeys((*(asked or kind.shown), *kind.always))
    shown: Json = {
        "id": row["id"],
        "properties": {name: row["properties"].get(name) for name in chosen if name in known},
        "createdAt": row["createdAt"],
        "updatedAt": row["updatedAt"],
        "archived": row["archived"],
    }
    if row["archivedAt"]:
        shown["archivedAt"] = row["archivedAt"]
    if history:
        versions = {name: records.history(row, name) for name in history if name in known}
        shown["propertiesWithHistory"] = versions
    return shown


def written(row: Json, records: Records, changed: Iterable[str], trace_id: object) -> Json:
    """The answer to a write: what was written and the default set."""
    shown = show(row, records, (*records.kind.shown, *changed))
    if trace_id:
        shown["objectWriteTraceId"] = str(trace_id)
    return shown
