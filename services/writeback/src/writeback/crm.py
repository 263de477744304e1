"""The CRM as the sender needs it: read records, update records, make sure properties are there."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from plumbline_connectors.hubspot.client import HubSpotClient, UpdateRow
from plumbline_connectors.hubspot.creation import HubSpotCreation, Sought
from plumbline_connectors.hubspot.faults import PROPERTY_MISSING
from plumbline_connectors.hubspot.outcomes import (
    OBJECT_NOT_FOUND,
    BatchRefused,
    RowOutcome,
    RowStatus,
)
from plumbline_connectors.hubspot.properties import ACCOUNT_ID, PropertyProblem, specs_for
from plumbline_connectors.hubspot.translate import MERGED_IDS
from plumbline_connectors.hubspot.values import epoch_ms, parse_time

from writeback.kinds import Kinds

__all__ = [
    "OBJECT_NOT_FOUND",
    "PROPERTY_MISSING",
    "Answered",
    "BatchRefused",
    "HubSpotCrm",
    "HubSpotMaker",
    "PropertyProblem",
    "Sight",
    "UpdateRow",
]


class Sight(NamedTuple):
    """A record as just read."""

    properties: dict[str, str | None]
    vendor_time_ms: int
    lacking: frozenset[str] = frozenset()
    """Properties that the CRM did not even show as empty: it has none of that name."""


class Answered(NamedTuple):
    """What became of one row of a batch update."""

    id: str
    status: RowStatus
    properties: dict[str, str | None]
    """Values of our properties as the vendor says it stored them; those it left out are missing."""
    vendor_time_ms: int | None
    error: str | None
    category: str | None


class HubSpotCrm:
    """HubSpot in these words. Raises what the client raises; `kinds` hear of missing scopes."""

    def __init__(self, client: HubSpotClient, kinds: Kinds) -> None:
        self._client = client
        self._kinds = kinds

    async def read_many(
        self, kind: str, ids: Sequence[str], properties: Sequence[str]
    ) -> tuple[dict[str, Sight], list[str]]:
        """Sights by id, and the ids that were not found: each must be confirmed by `read_one`."""
        async with self._kinds.calling(kind, "read"):
            answer = await self._client.batch_read(kind, ids, [*properties, MERGED_IDS])
        found = {
            one: _sight(record, properties, answer.began_at)
            for one, record in answer.found.items()
            if str(record["id"]) == one and not record.get("archived")
        }
        return found, [one for one in ids if one not in found]

    async def read_one(self, kind: str, vendor_id: str, properties: Sequence[str]) -> Sight | None:
        """One record; None when there is none of this very id: gone, archived or merged away."""
        async with self._kinds.calling(kind, "read"):
            answer = await self._client.read(kind, vendor_id, properties)
        if answer.obj is None or answer.obj.get("archived"):
            return None
        if str(answer.obj.get("id")) != vendor_id:
            return None
        return _sight(answer.obj, properties, answer.began_at)

    async def update(self, kind: str, rows: Sequence[UpdateRow]) -> list[Answered]:
        """Write rows by id; one answer per row, in order. Raises BatchRefused for the whole."""
        async with self._kinds.calling(kind, "write"):
            outcomes = await self._client.batch_update(kind, rows)
        return [
            Answered(
                outcome.id,
                outcome.status,
                _values(outcome.record, row.properties),
                _vendor_time_ms(outcome.record),
                outcome.error,
                outcome.category,
            )
            for row, outcome in zip(rows, outcomes, strict=True)
        ]

    async def missing(self, kind: str, mapping: Mapping[str, str]) -> frozenset[str]:
        """Properties of a mapping that the CRM doesn't have."""
        async with self._kinds.calling(kind, "properties"):
            return frozenset(mapping.values()) - await self._client.property_names(kind)

    async def ensure(self, kind: str, mapping: Mapping[str, str]) -> list[PropertyProblem]:
        """Create the missing properties of a mapping; returns those that can't take our values."""
        async with self._kinds.calling(kind, "properties"):
            return await self._client.ensure_properties(kind, specs_for(mapping))

    async def ensure_account_id(self, kind: str) -> list[PropertyProblem]:
        """Create the property of created records; returns why it can't be what it must."""
        async with self._kinds.calling(kind, "properties"):
            return await self._client.ensure_properties(kind, [ACCOUNT_ID])


class HubSpotMaker:
    """Making records, in the words of a round. Raises what the client raises."""

    def __init__(self, creation: HubSpotCreation, kinds: Kinds) -> None:
        self._creation = creation
        self._kinds = kinds

    async def held(self, kind: str, accounts: Sequence[str]) -> dict[str, str]:
        """Ids of the records made for accounts, by account."""
        async with self._kinds.calling(kind, "read"):
            return await self._creation.held(kind, accounts)

    async def search(
        self, kind: str, sought: Sequence[Sought]
    ) -> list[tuple[str, dict[str, str | None]]]:
        """Records with any of the values."""
        async with self._kinds.calling(kind, "read"):
            return await self._creation.search(kind, sought)

    async def create(
        self, kind: str, rows: Mapping[str, Mapping[str, str]]
    ) -> dict[str, RowOutcome]:
        """Make records; an outcome for every account."""
        async with self._kinds.calling(kind, "write"):
            return await self._creation.create(kind, rows)


def _sight(record: Mapping[str, Any], properties: Sequence[str], began_at: datetime) -> Sight:
    held = _values(record, properties)
    seen = _vendor_time_ms(record)
    return Sight(
        {name: held.get(name) for name in properties},
        epoch_ms(began_at) if seen is None else seen,
        frozenset(properties) - held.keys(),
    )


def _values(
    record: Mapping[str, Any] | None, names: Sequence[str] | Mapping[str, str]
) -> dict[str, str | None]:
    held = (record or {}).get("properties")
    if not isinstance(held, Mapping):
        return {}
    return {name: None if held[name] is None else str(held[name]) for name in names if name in held}


def _vendor_time_ms(record: Mapping[str, Any] | None) -> int | None:
    updated = (record or {}).get("updatedAt")
    moment = parse_time(updated) if isinstance(updated, str) else None
    return None if moment is None else epoch_ms(moment)
