"""The records of one object type and what may be done to them; every change is told."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from plumbline_simulators.clock import SimulatedClock
from plumbline_simulators.hubspot.catalog import Catalog
from plumbline_simulators.hubspot.errors import HubSpotError, not_found
from plumbline_simulators.hubspot.kinds import Kind
from plumbline_simulators.hubspot.shelf import Shelf
from plumbline_simulators.hubspot.values import iso

Json = dict[str, Any]
Values = dict[str, str | None]
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
    """All records of one object type.

    A stored record holds `by`, who gave the values it was made with and when, and `history`, the
    versions (newest first) of those values only that were changed since.
    """

    def __init__(self, kind: Kind, clock: SimulatedClock, changed: Changed) -> None:
        self.kind = kind
        self.type = kind.plural
        self.catalog = Catalog(kind)
        self.shelf = Shelf()
        self._clock = clock
        self._changed = changed
        self._forward: dict[str, str] = {}
        self._unique: dict[str, dict[str, str]] = {}
        self._next = kind.first_id

    def __len__(self) -> int:
        return len(self.shelf)

    def all(self, *, archived: bool = False, after: int = -1) -> Iterator[Json]:
        """Records in the order of their ids, from the first with an id greater than `after`."""
        return (row for row in self.shelf.after(after) if row["archived"] is archived)

    def indexed(self) -> Iterator[Json]:
        """Live records as search sees them now."""
        rows = self.shelf.indexed(self._clock.epoch_ms())
        return (row for row in rows if not row["archived"])

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
            record_id = self._unique.get(id_property, {}).get(record_id.lower(), "")
        return self.shelf.get(self.resolve(record_id))

    def get(self, record_id: str, id_property: str | None = None) -> Json:
        """One live record; 404 otherwise."""
        found = self.find(record_id, id_property)
        if found is None or found["archived"]:
            raise not_found(f"{self.type} {record_id}")
        return found

    def create(self, values: Values, source: Source, record_id: str | None = None) -> Json:
        """A new record; 409 when a unique value, or the id, is taken."""
        self.refuse_twins(values, None)
        if record_id is None:
            record_id = str(self._next)
        elif not (record_id.isascii() and record_id.isdigit()):
            raise HubSpotError(400, "VALIDATION_ERROR", f"id {record_id!r} is not a number")
        elif record_id in self.shelf or record_id in self._forward:
            raise HubSpotError(409, "CONFLICT", f"record {record_id} already exists")
        self._next = max(self._next, int(record_id) + 1)
        now = iso(self._clock.now())
        row = self._blank(record_id, now, now, source)
        row["properties"] |= values
        self._put(row)
        self._changed(self.type, record_id, "creation", {"source": source, "values": values})
        return row

    def _blank(self, record_id: str, created: str, now: str, source: Source) -> Json:
        properties = {"createdate": created, "hs_object_id": record_id, self.kind.modified: now}
        return {
            "id": record_id, "properties": properties, "createdAt": created, "updatedAt": now,
            "archived": False, "archivedAt": None, "by": [now, source.type, source.id],
            "history": {}, "writes": 0,
        }  # fmt: skip

    def update(self, row: Json, values: Values, source: Source) -> Json:
        """Set values of a live record; `updatedAt` moves with every accepted write."""
        self.refuse_twins(values, row["id"])
        held = row["properties"]
        moved = {name: value for name, value in values.items() if held.get(name) != value}
        self._forget_unique(row)
        self._touch(row)
        for name, value in moved.items():
            known = row["history"].get(name) or _first_version(row, name)
            newest = [value, row["updatedAt"], source.type, source.id]
            row["history"][name] = [newest, *known][:HISTORY_MAX]
        held |= values
        row["writes"] += 1
        self._put(row)
        details = {"source": source, "values": values, "moved": moved}
        self._changed(self.type, row["id"], "update", details)
        return row

    def drop_property(self, name: str) -> None:
        """Archive a definition: its values go with it, and nobody is told."""
        self.catalog.remove(name)
        for row in list(self.shelf.after(-1)):
            if row["properties"].pop(name, None) is not None:
                row["history"].pop(name, None)
                self.shelf.put(row, self._clock.epoch_ms())

    def archive(self, record_id: str, source: Source) -> None:
        """Soft deletion."""
        row = self.get(record_id)
        self._forget_unique(row)
        row |= {"archived": True, "archivedAt": iso(self._clock.now())}
        self._touch(row)
        self.shelf.put(row, self._clock.epoch_ms())
        self._changed(self.type, row["id"], "deletion", {"source": source})

    def restore(self, record_id: str, source: Source) -> Json:
        """Undo a deletion; the id stays. 409 when a unique value was taken meanwhile."""
        row = self.find(record_id)
        if row is None or not row["archived"]:
            raise not_found(f"archived {self.type} {record_id}")
        self.refuse_twins(row["properties"], row["id"])
        row |= {"archived": False, "archivedAt": None}
        self._touch(row)
        self._put(row)
        self._changed(self.type, row["id"], "restore", {"source": source})
        return row

    def purge(self, record_id: str, source: Source, id_property: str | None = None) -> None:
        """Delete for good, as privacy laws ask for."""
        row = self.find(record_id, id_property)
        if row is None:
            raise not_found(f"{self.type} {record_id}")
        if not row["archived"]:
            self._forget_unique(row)
        self.shelf.remove(row["id"], self._clock.epoch_ms())
        self._changed(self.type, row["id"], "privacyDeletion", {"source": source})

    def merge(self, primary_id: str, other_id: str, source: Source) -> Json:
        """Two records become a new one; both old ids lead to it (vendors 2.9)."""
        primary, other = self.get(primary_id), self.get(other_id)
        if primary["id"] == other["id"]:
            raise HubSpotError(400, "VALIDATION_ERROR", "Can't merge a record with itself")
        kept, lent = self._writable(primary), self._writable(other)
        moved = {name: value for name, value in lent.items() if name not in kept}
        now_ms = self._clock.epoch_ms()
        for row in (primary, other):
            self._forget_unique(row)
            self.shelf.remove(row["id"], now_ms)
        survivor_id, self._next = str(self._next), self._next + 1
        survivor = self._blank(survivor_id, primary["createdAt"], iso(self._clock.now()), source)
        before = [one["properties"].get("hs_merged_object_ids") for one in (primary, other)]
        gone = [primary["id"], other["id"]]
        held = [one for ids in before if ids for one in ids.split(";")]
        survivor["properties"] |= {"hs_merged_object_ids": ";".join([*held, *gone])}
        survivor["properties"] |= moved | kept
        self._put(survivor)
        self._forward |= dict.fromkeys(gone, survivor_id)
        details = {
            "source": source, "primary": gone[0], "merged": [gone[1]], "new": survivor_id,
            "moved": len(moved),
        }  # fmt: skip
        self._changed(self.type, survivor_id, "merge", details)
        return survivor

    def history(self, row: Json, name: str) -> list[Json]:
        """Versions of a property, newest first."""
        versions = row["history"].get(name) or _first_version(row, name)
        return [_shown(*version) for version in versions]

    def refuse_twins(self, values: Values, own_id: str | None) -> None:
        """409 when a unique value belongs to a record other than `own_id`."""
        for name, value in self.unique_values(values):
            holder = self._unique.get(name, {}).get(value)
            if holder is not None and holder != own_id:
                what = "Contact" if name == self.kind.unique else f"A record with this {name}"
                message = f"{what} already exists. Existing ID: {holder}"
                raise HubSpotError(409, "CONFLICT", message)

    def unique_values(self, values: Values) -> Iterator[tuple[str, str]]:
        """Names and comparable values of those that belong to one record only."""
        for name in self.catalog.unique_names:
            value = values.get(name)
            if value:
                yield name, value.lower()

    def _writable(self, row: Json) -> Json:
        known = self.catalog.properties
        return {
            name: value
            for name, value in row["properties"].items()
            if value and name in known and not known[name].read_only
        }

    def _touch(self, row: Json) -> None:
        row["updatedAt"] = iso(self._clock.now())
        row["properties"][self.kind.modified] = row["updatedAt"]

    def _put(self, row: Json) -> None:
        self.shelf.put(row, self._clock.epoch_ms())
        for name, value in self.unique_values(row["properties"]):
            self._unique.setdefault(name, {})[value] = row["id"]

    def _forget_unique(self, row: Json) -> None:
        for name, value in self.unique_values(row["properties"]):
            self._unique.get(name, {}).pop(value, None)


def _first_version(row: Json, name: str) -> Iterable[list[str | None]]:
    value = row["properties"].get(name)
    return [] if value is None else [[value, *row["by"]]]


def _shown(value: str | None, timestamp: str, type_: str, id_: str) -> Json:
    shown: Json = {
        "value": value or "", "timestamp": timestamp, "sourceType": type_, "sourceId": id_,
    }  # fmt: skip
    user = id_.removeprefix("userId:")
    if user != id_ and user.isdigit():
        shown["updatedByUserId"] = int(user)
    return shown
