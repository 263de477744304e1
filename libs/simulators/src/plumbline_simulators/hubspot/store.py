"""Records as JSON bytes, with what the vendor keeps beside the values."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from plumbline_simulators.clock import SimulatedClock
from plumbline_simulators.hubspot.catalog import MODIFIED, Catalog, iso
from plumbline_simulators.hubspot.errors import HubSpotError, not_found

Json = dict[str, Any]
HISTORY_MAX = 20
Changed = Callable[[str, str, str, Json], None]
"""(object type, record id, what happened, details) after a change."""


class Source:
    """Who changes a record: `INTEGRATION` with an app's id, or `CRM_UI` with a user's."""

    def __init__(self, type_: str, id_: str, *, trace_id: str = "", request_id: str = "") -> None:
        self.type = type_
        self.id = id_
        self.trace_id = trace_id
        self.request_id = request_id


class Records:
    """All records of one object type; every change is told to `changed`."""

    def __init__(
        self, object_type: str, clock: SimulatedClock, changed: Changed, first_id: int
    ) -> None:
        self.type = object_type
        self.catalog = Catalog(object_type)
        self._clock = clock
        self._changed = changed
        self._rows: dict[str, bytes] = {}
        self._forward: dict[str, str] = {}
        self._unique: dict[tuple[str, str], str] = {}
        self._next = first_id

    def __len__(self) -> int:
        return len(self._rows)

    def ids(self) -> list[str]:
        """Ids in ascending order, archived ones too."""
        return sorted(self._rows, key=int)

    def all(self, *, archived: bool = False) -> Iterator[Json]:
        """Records in id order."""
        for record_id in self.ids():
            row = orjson.loads(self._rows[record_id])
            if row["archived"] is archived:
                yield row

    def resolve(self, record_id: str) -> str:
        """The id a merged-away one leads to, else itself."""
        while record_id in self._forward:
            record_id = self._forward[record_id]
        return record_id

    def find(self, record_id: str, id_property: str | None = None) -> Json | None:
        """One record, archived ones too."""
        if id_property is not None and id_property != "hs_object_id":
            if not self.catalog.get(id_property).unique:
                message = f"idProperty {id_property} is not a unique property"
                raise HubSpotError(400, "VALIDATION_ERROR", message)
            record_id = self._unique.get((id_property, record_id.lower()), "")
        raw = self._rows.get(self.resolve(record_id))
        return None if raw is None else orjson.loads(raw)

    def get(self, record_id: str, id_property: str | None = None) -> Json:
        """One live record; 404 otherwise."""
        found = self.find(record_id, id_property)
        if found is None or found["archived"]:
            raise not_found(f"{self.type} {record_id}")
        return found

    def create(
        self, values: dict[str, str | None], source: Source, record_id: str | None = None
    ) -> Json:
        """A new record; 409 when a unique value is taken."""
        self._refuse_twins(values, None)
        if record_id is None:
            record_id, self._next = str(self._next), self._next + 1
        elif record_id in self._rows:
            raise HubSpotError(409, "CONFLICT", f"record {record_id} already exists")
        else:
            self._next = max(self._next, int(record_id) + 1)
        now = iso(self._clock.now())
        row: Json = {
            "id": record_id, "properties": {}, "createdAt": now, "updatedAt": now,
            "archived": False, "archivedAt": None, "history": {}, "writes": 0,
        }  # fmt: skip
        row["properties"] |= {"createdate": now, "hs_object_id": record_id}
        self._set(row, values, source)
        self._put(row)
        self._changed(self.type, record_id, "creation", {"source": source, "values": values})
        return row

    def update(self, row: Json, values: dict[str, str | None], source: Source) -> Json:
        """Set values of a live record; `updatedAt` moves with every accepted write."""
        self._refuse_twins(values, row["id"])
        before = {name: row["properties"].get(name) for name in values}
        self._forget_unique(row)
        self._set(row, values, source)
        row["writes"] += 1
        self._put(row)
        moved = {name: value for name, value in values.items() if before[name] != value}
        details = {"source": source, "values": values, "moved": moved}
        self._changed(self.type, row["id"], "update", details)
        return row

    def archive(self, record_id: str, source: Source) -> None:
        """Soft deletion."""
        row = self.get(record_id)
        self._forget_unique(row)
        row |= {"archived": True, "archivedAt": iso(self._clock.now())}
        self._touch(row)
        self._rows[row["id"]] = orjson.dumps(row)
        self._changed(self.type, row["id"], "deletion", {"source": source})

    def restore(self, record_id: str, source: Source) -> Json:
        """Undo a deletion; the id stays."""
        row = self.find(record_id)
        if row is None or not row["archived"]:
            raise not_found(f"archived {self.type} {record_id}")
        row |= {"archived": False, "archivedAt": None}
        self._touch(row)
        self._put(row)
        self._changed(self.type, row["id"], "restore", {"source": source})
        return row

    def merge(self, primary_id: str, other_id: str, source: Source) -> Json:
        """Two records become a new one; both old ids lead to it (vendors 2.9)."""
        primary, other = self.get(primary_id), self.get(other_id)
        values = {
            name: primary["properties"].get(name) or other["properties"].get(name)
            for name in {**other["properties"], **primary["properties"]}
            if not self.catalog.properties[name].read_only
        }
        for row in (primary, other):
            self._forget_unique(row)
            del self._rows[row["id"]]
        survivor_id, self._next = str(self._next), self._next + 1
        now = iso(self._clock.now())
        survivor: Json = {
            "id": survivor_id, "properties": {}, "createdAt": primary["createdAt"],
            "updatedAt": now, "archived": False, "archivedAt": None, "history": {}, "writes": 0,
        }  # fmt: skip
        gone = [primary["id"], other["id"]]
        survivor["properties"] |= {
            "createdate": primary["createdAt"],
            "hs_object_id": survivor_id,
            "hs_merged_object_ids": ";".join(gone),
        }
        self._set(survivor, values, source)
        self._put(survivor)
        self._forward |= dict.fromkeys(gone, survivor_id)
        details = {"source": source, "primary": gone[0], "merged": [gone[1]], "new": survivor_id}
        self._changed(self.type, survivor_id, "merge", details)
        return survivor

    def _set(self, row: Json, values: dict[str, str | None], source: Source) -> None:
        self._touch(row)
        for name, value in values.items():
            row["properties"][name] = value
            entry = {
                "value": value or "", "timestamp": row["updatedAt"], "sourceType": source.type,
                "sourceId": source.id,
            }  # fmt: skip
            newest = deque([entry, *row["history"].get(name, ())])
            row["history"][name] = list(newest)[:HISTORY_MAX]

    def _touch(self, row: Json) -> None:
        row["updatedAt"] = iso(self._clock.now())
        row["properties"][MODIFIED[self.type]] = row["updatedAt"]

    def _put(self, row: Json) -> None:
        self._rows[row["id"]] = orjson.dumps(row)
        for key in self._unique_keys(row["properties"]):
            self._unique[key] = row["id"]

    def _unique_keys(self, values: dict[str, str | None]) -> Iterator[tuple[str, str]]:
        for name, value in values.items():
            if value and self.catalog.properties[name].unique:
                yield name, value.lower()

    def _forget_unique(self, row: Json) -> None:
        for key in self._unique_keys(row["properties"]):
            self._unique.pop(key, None)

    def _refuse_twins(self, values: dict[str, str | None], own_id: str | None) -> None:
        for key in self._unique_keys(values):
            holder = self._unique.get(key)
            if holder is not None and holder != own_id:
                name = "Contact" if self.type == "contacts" else key[0]
                message = f"{name} already exists. Existing ID: {holder}"
                raise HubSpotError(409, "CONFLICT", message)
