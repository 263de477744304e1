"""HubSpot's part of the control API: seeding, people in the UI, limits, webhooks, writes."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from plumbline_simulators.control import ControlError, answer, read_json
from plumbline_simulators.hubspot.errors import HubSpotError
from plumbline_simulators.hubspot.state import HubSpotState, RowFault
from plumbline_simulators.hubspot.store import Source
from plumbline_simulators.hubspot.webhooks import SINGULAR

PERSON = Source("CRM_UI", "userId:5")


class Control:
    """Handlers below `/control`."""

    def __init__(self, state: HubSpotState) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/control/seed", self.seed, methods=["POST"]),
            Route("/control/objects/{type}", self.create, methods=["POST"]),
            Route("/control/objects/{type}/{id}", self.one, methods=["GET", "POST", "DELETE"]),
            Route("/control/objects/{type}/{id}/restore", self.restore, methods=["POST"]),
            Route("/control/objects/{type}/{id}/merge", self.merge, methods=["POST"]),
            Route("/control/writes", self.writes),
            Route("/control/limits", self.limits, methods=["GET", "POST"]),
            Route("/control/tokens", self.tokens, methods=["POST"]),
            Route("/control/webhooks", self.webhooks, methods=["GET", "POST"]),
            Route("/control/row_faults", self.row_faults, methods=["POST", "DELETE"]),
            Route("/control/behaviour", self.behaviour, methods=["POST"]),
        ]

    async def seed(self, request: Request) -> Response:
        """`companies`, `contacts` (id, properties), `owners`; silent without `events: true`."""
        data = await read_json(request)
        self._state.silent = not data.get("events", False)
        made: dict[str, int] = {}
        try:
            for object_type in ("companies", "contacts"):
                records = self._state.records[object_type]
                for place, entry in enumerate(data.get(object_type, [])):
                    values = self._values(object_type, entry, f"{object_type}[{place}]")
                    given = str(entry["id"]) if "id" in entry else None
                    records.create(values, PERSON, given)
                made[object_type] = len(data.get(object_type, []))
        except HubSpotError as error:
            raise ControlError(str(error)) from error
        finally:
            self._state.silent = False
        self._state.owners += data.get("owners", [])
        return answer({"made": made}, 201)

    def _values(self, object_type: str, entry: Any, where: str) -> dict[str, str | None]:
        if not isinstance(entry, dict):
            raise ControlError(f"{where}: expected an object")
        catalog = self._state.records[object_type].catalog
        try:
            return catalog.check(entry.get("properties", {}), by_api=False)
        except HubSpotError as error:
            raise ControlError(f"{where}: {error}") from error

    async def create(self, request: Request) -> Response:
        """A person creates a record in the UI."""
        data = await read_json(request)
        records = self._state.of(request.path_params["type"])
        values = self._values(records.type, data, "body")
        given = str(data["id"]) if "id" in data else None
        return answer(records.create(values, PERSON, given), 201)

    async def one(self, request: Request) -> Response:
        """Look; or a person changes or deletes the record in the UI."""
        records = self._state.of(request.path_params["type"])
        record_id = request.path_params["id"]
        try:
            if request.method == "DELETE":
                records.archive(record_id, PERSON)
                return answer({"archived": record_id})
            if request.method == "POST":
                values = self._values(records.type, await read_json(request), "body")
                return answer(records.update(records.get(record_id), values, PERSON))
        except HubSpotError as error:
            raise ControlError(str(error)) from error
        found = records.find(record_id)
        if found is None:
            return answer({"error": f"no {SINGULAR[records.type]} {record_id}"}, 404)
        return answer(found)

    async def restore(self, request: Request) -> Response:
        """A person restores a deleted record."""
        records = self._state.of(request.path_params["type"])
        return answer(records.restore(request.path_params["id"], PERSON))

    async def merge(self, request: Request) -> Response:
        """A person merges `other` into this record; the survivor has a new id."""
        data = await read_json(request)
        records = self._state.of(request.path_params["type"])
        return answer(records.merge(request.path_params["id"], str(data["other"]), PERSON))

    async def writes(self, request: Request) -> Response:
        """Accepted writes after `since`, oldest first."""
        since = int(request.query_params.get("since", "0"))
        oldest = self._state.write_count - len(self._state.writes)
        skip = max(0, since - oldest)
        rows = [orjson.loads(raw) for raw in list(self._state.writes)[skip:]]
        return answer({"count": self._state.write_count, "writes": rows})

    async def limits(self, request: Request) -> Response:
        """Look at or set `per_10_seconds`, `per_day`, `search_per_second`, `retry_after`."""
        limits = self._state.limits
        names = ("per_10_seconds", "per_day", "search_per_second", "retry_after", "used_today")
        if request.method == "POST":
            for name, value in (await read_json(request)).items():
                if name not in names:
                    raise ControlError(f"{name}: unknown; known are {', '.join(names)}")
                setattr(limits, name, value)
        return answer({name: getattr(limits, name) for name in names})

    async def tokens(self, request: Request) -> Response:
        """`add`, `add_refresh`, `revoke` (lists), `scopes_missing` (path words)."""
        data = await read_json(request)
        tokens = self._state.tokens
        tokens.static |= set(data.get("add", []))
        tokens.refresh |= set(data.get("add_refresh", []))
        for token in data.get("revoke", []):
            tokens.revoke(token)
        if "scopes_missing" in data:
            tokens.scopes_missing = set(data["scopes_missing"])
        return answer({"static": len(tokens.static), "refresh": len(tokens.refresh)})

    async def webhooks(self, request: Request) -> Response:
        """Look at deliveries; set `url`, `public_url`, `client_secret`, `subscriptions`, ..."""
        hooks = self._state.webhooks
        if request.method == "POST":
            data = await read_json(request)
            for fault in data.pop("faults", []):
                hooks.faults.add_json({"channel": "delivery", **fault})
            for name, value in data.items():
                if not hasattr(hooks.settings, name):
                    raise ControlError(f"{name}: no such webhook setting")
                setattr(hooks.settings, name, set(value) if name == "subscriptions" else value)
        body = {
            "delivered": hooks.delivered,
            "waiting": hooks.waiting,
            "given_up": hooks.given_up,
            "posts": list(hooks.posts)[-100:],
        }
        return answer(body)

    async def row_faults(self, request: Request) -> Response:
        """Make rows of batch writes fail: `ids`, `category`, `message`, `times`."""
        if request.method == "DELETE":
            self._state.row_faults.clear()
            return answer({"row_faults": 0})
        data = await read_json(request)
        times = int(data.get("times", 1))
        fault = RowFault(
            str(data.get("category", "VALIDATION_ERROR")),
            str(data.get("message", "this row is refused")),
            {str(one): times for one in data.get("ids", [])},
        )
        self._state.row_faults.append(fault)
        return answer({"row_faults": len(self._state.row_faults)}, 201)

    async def behaviour(self, request: Request) -> Response:
        """Set `shuffle_results`, `search_lag_seconds`."""
        data = await read_json(request)
        for name, value in data.items():
            if name not in {"shuffle_results", "search_lag_seconds"}:
                raise ControlError(f"{name}: no such behaviour")
            setattr(self._state, name, value)
        return answer({"set": sorted(data)})
