"""Making records, each once: looked for, then upserted by a property of unique values.

HubSpot has no idempotency key (vendors 2.3). The id of the account a record is made for stands on
it in a property that no two records can share, so a second call, or one that comes late, finds the
record in place of making another.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from plumbline_schemas.fields import ACCOUNT_ID_PROPERTY

from plumbline_connectors.hubspot.answers import object_of, results_of
from plumbline_connectors.hubspot.client import HubSpotClient
from plumbline_connectors.hubspot.outcomes import RowOutcome, UpdateRow, row_outcomes

MOST: Final = 25
"""Rows of one call: what is searched for must fit into a search's body (vendors 2.5)."""
_FOUND: Final = 200
_GROUPS: Final = 5
"""Filter groups of a search, of which any will do (vendors 2.5)."""


class Sought(NamedTuple):
    """A property, and values of which any will do."""

    property: str
    values: tuple[str, ...]
    listed: bool = False
    """The property holds a list in one text, which is searched by its words: what is found holds
    the words, and has to be compared."""


def searches(sought: Sequence[Sought]) -> list[list[Sought]]:
    """What one search can look for at a time: lists apart from the others, a value a group."""
    whole = [one for one in sought if one.values and not one.listed]
    words = [
        one._replace(values=(value,))
        for one in sought
        if one.listed
        for value in sorted({value.lower() for value in one.values})
    ]
    return [
        found[at : at + _GROUPS] for found in (whole, words) for at in range(0, len(found), _GROUPS)
    ]


class HubSpotCreation:
    """Raises what the client raises."""

    def __init__(self, client: HubSpotClient) -> None:
        self._client = client

    async def held(self, kind: str, accounts: Sequence[str]) -> dict[str, str]:
        """Ids of the records that were made for accounts, by account; of those that have one.

        Asked of the store itself, not of the search index, which lags.
        """
        sent = {
            "properties": [ACCOUNT_ID_PROPERTY],
            "idProperty": ACCOUNT_ID_PROPERTY,
            "inputs": [{"id": one} for one in accounts],
        }
        answer = await self._client.post(f"{self._client.objects(kind)}/batch/read", sent)
        rows = results_of(object_of(answer), answer)
        made = {_account_of(row): str(row["id"]) for row in rows if not row.get("archived")}
        return {one: made[one.lower()] for one in accounts if one.lower() in made}

    async def search(
        self, kind: str, sought: Sequence[Sought]
    ) -> list[tuple[str, dict[str, str | None]]]:
        """(id, properties) of records that have any of the values; the index may lag.

        `sought` is one of `searches`.
        """
        groups = [{"filters": [_filter(one)]} for one in sought if one.values]
        if not groups:
            return []
        names = sorted({one.property for one in sought})
        sent = {"filterGroups": groups, "properties": names, "limit": _FOUND}
        answer = await self._client.post(f"{self._client.objects(kind)}/search", sent)
        rows = results_of(object_of(answer), answer)
        return [(str(row["id"]), dict(row.get("properties") or {})) for row in rows]

    async def create(
        self, kind: str, rows: Mapping[str, Mapping[str, str]]
    ) -> dict[str, RowOutcome]:
        """Make a record for each account with the properties given; an outcome for every account.

        One that is there already is left as it is, but for these properties.
        """
        planned = [
            UpdateRow(account, {**values, ACCOUNT_ID_PROPERTY: account}, account)
            for account, values in rows.items()
        ]
        sent = {
            "inputs": [
                {
                    "id": row.id,
                    "idProperty": ACCOUNT_ID_PROPERTY,
                    "properties": dict(row.properties),
                    "objectWriteTraceId": row.trace_id,
                }
                for row in planned
            ]
        }
        answer = await self._client.post(f"{self._client.objects(kind)}/batch/upsert", sent)
        body = object_of(answer)
        told = row_outcomes(planned, _as_asked(body, planned))
        return {one.id: one for one in told}


def _filter(one: Sought) -> dict[str, Any]:
    """`IN` wants lower case (vendors 2.5); words are found in any."""
    if one.listed:
        [value] = one.values
        return {"propertyName": one.property, "operator": "CONTAINS_TOKEN", "value": value}
    values = sorted({value.lower() for value in one.values})
    return {"propertyName": one.property, "operator": "IN", "values": values}


def _account_of(row: Mapping[str, Any]) -> str:
    properties = row.get("properties")
    value = properties.get(ACCOUNT_ID_PROPERTY) if isinstance(properties, Mapping) else None
    return str(value or "").lower()


def _as_asked(body: Mapping[str, Any], rows: Sequence[UpdateRow]) -> dict[str, Any]:
    """The answer with the trace id of each result, which a server may leave out."""
    traces = {row.id.lower(): row.trace_id for row in rows}
    results = body.get("results")
    marked = [
        {"objectWriteTraceId": traces.get(_account_of(one)), **one}
        for one in (results if isinstance(results, list) else [])
        if isinstance(one, dict)
    ]
    return {**body, "results": marked}
