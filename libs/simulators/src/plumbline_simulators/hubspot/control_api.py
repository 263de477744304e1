"""HubSpot's part of the control API: seeding, people in the UI, what was written."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from plumbline_simulators.control import ControlError, answer, read_json
from plumbline_simulators.hubspot.control_settings import ControlSettings
from plumbline_simulators.hubspot.errors import HubSpotError
from plumbline_simulators.hubspot.kinds import KINDS
from plumbline_simulators.hubspot.state import HubSpotState
from plumbline_simulators.hubspot.store import Records, Source, Values
from plumbline_simulators.hubspot.values import iso

PERSON = Source("CRM_UI", "userId:5")
Json = dict[str, Any]
Handler = Callable[[Request], Awaitable[Response]]


class Control:
    """Handlers below `/control`.

    Records stand below `/control/objects/{type}`, and shorter below `/control/companies`,
    `/control/contacts` and `/control/deals`.
    """

    def __init__(self, state: HubSpotState) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/control/seed", _refusing(self.seed), methods=["POST"]),
            Route("/control/writes", _refusing(self.writes)),
            *ControlSettings(self._state).routes(),
            *self._record_routes("/control/objects/{type}"),
            *(route for plural in KINDS for route in self._record_routes(f"/control/{plural}")),
        ]

    def _record_routes(self, base: str) -> list[Route]:
        one = ["GET", "POST", "DELETE"]
        return [
            Route(base, _refusing(self.create), methods=["POST"]),
            Route(base + "/{id}", _refusing(self.one), methods=one),
            Route(base + "/{id}/restore", _refusing(self.restore), methods=["POST"]),
            Route(base + "/{id}/merge", _refusing(self.merge), methods=["POST"]),
        ]

    async def seed(self, request: Request) -> Response:
        """`companies`, `contacts`, `deals` (id, properties), `owners`; silent without `events`."""
        data = await read_json(request)
        self._state.silent = not data.get("events", False)
        made: dict[str, int] = {}
        try:
            for plural, records in self._state.records.items():
                for place, entry in enumerate(data.get(plural, [])):
                    values = self._values(records, entry, f"{plural}[{place}]")
                    given = str(entry["id"]) if "id" in entry else None
                    records.create(values, PERSON, given)
                made[plural] = len(data.get(plural, []))
        finally:
            self._state.silent = False
        for place, owner in enumerate(data.get("owners", [])):
            self._state.owners.append(self._owner(owner, place))
        return answer({"made": made, "owners": len(self._state.owners)}, 201)

    def _owner(self, given: Any, place: int) -> Json:
        if not isinstance(given, dict) or "id" not in given:
            raise ControlError(f"owners[{place}]: expected an object with an id")
        now = iso(self._state.clock.now())
        known = {"archived": False, "type": "PERSON", "createdAt": now, "updatedAt": now}
        return known | given | {"id": str(given["id"])}

    def _values(self, records: Records, entry: Any, where: str) -> Values:
        if not isinstance(entry, dict):
            raise ControlError(f"{where}: expected an object")
        try:
            return records.catalog.check(entry.get("properties"), by_api=False)
        except HubSpotError as error:
            raise ControlError(f"{where}: {error}") from error

    def _records(self, request: Request) -> Records:
        segment = request.url.path.split("/")[2]
        return self._state.of(request.path_params.get("type", segment))

    def _told(self, records: Records, row: Json, status: int = 200) -> Response:
        """The record with the versions of all its values and the number of its writes."""
        versions = {name: records.history(row, name) for name in row["properties"]}
        return answer({key: row[key] for key in row if key != "by"} | {"history": versions}, status)

    async def create(self, request: Request) -> Response:
        """A person creates a record in the UI."""
        data = await read_json(request)
        records = self._records(request)
        values = self._values(records, data, "body")
        given = str(data["id"]) if "id" in data else None
        return self._told(records, records.create(values, PERSON, given), 201)

    async def one(self, request: Request) -> Response:
        """Look; or a person changes or deletes the record in the UI."""
        records = self._records(request)
        record_id = request.path_params["id"]
        if request.method == "DELETE":
            records.archive(record_id, PERSON)
            return answer({"archived": record_id})
        if request.method == "POST":
            values = self._values(records, await read_json(request), "body")
            row = records.update(records.get(record_id), values, PERSON)
            return self._told(records, row)
        found = records.find(record_id)
        if found is None:
            return answer({"error": f"no {records.kind.singular} {record_id}"}, 404)
        return self._told(records, found)

    async def restore(self, request: Request) -> Response:
        """A person restores a deleted record."""
        records = self._records(request)
        return self._told(records, records.restore(request.path_params["id"], PERSON))

    async def merge(self, request: Request) -> Response:
        """A person merges `other` into this record; the survivor has a new id."""
        data = await read_json(request)
        if "other" not in data:
            raise ControlError("other: the id of the record to merge is missing")
        records = self._records(request)
        row = records.merge(request.path_params["id"], str(data["other"]), PERSON)
        return self._told(records, row)

    async def writes(self, request: Request) -> Response:
        """Accepted writes after `since`, oldest first; `at_ms` is real time."""
        text = request.query_params.get("since", "0")
        if not text.isdigit():
            raise ControlError(f"since: expected a number from 0, found {text!r}")
        oldest = self._state.write_count - len(self._state.writes)
        skip = max(0, int(text) - oldest)
        rows = [orjson.loads(raw) for raw in list(self._state.writes)[skip:]]
        return answer({"count": self._state.write_count, "writes": rows})


def _refusing(handler: Handler) -> Handler:
    async def handled(request: Request) -> Response:
        try:
            return await handler(request)
        except HubSpotError as error:
            raise ControlError(str(error)) from error

    return handled
