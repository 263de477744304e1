"""Associations: one pair at a time (v4), lists, and batches of v3 and v4."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from plumbline_simulators.hubspot.answers import Api, json_answer, read_inputs, read_json
from plumbline_simulators.hubspot.errors import HubSpotError, not_found
from plumbline_simulators.hubspot.links import Types, default_type
from plumbline_simulators.hubspot.store import Records
from plumbline_simulators.hubspot.values import iso

Json = dict[str, Any]
CREATE_MAX = 2000
READ_MAX = 1000
Row = Callable[[Records, Records, Json], Json]


class Associations(Api):
    """Handlers of everything with two object types in its path."""

    def _sides(self, request: Request) -> tuple[Records, Records]:
        place = request.path_params
        return self.state.of(place["type"]), self.state.of(place["to_type"])

    async def default(self, request: Request) -> Response:
        """Associate two records by the default type."""
        here, there = self._sides(request)
        ends = {
            "from": {"id": request.path_params["id"]},
            "to": {"id": request.path_params["to_id"]},
        }
        return json_answer(self._batch([self._create_default(here, there, ends)], []))

    async def pair(self, request: Request) -> Response:
        """Associate two records by given types, or take all their associations away."""
        here, there = self._sides(request)
        from_id, to_id = request.path_params["id"], request.path_params["to_id"]
        if request.method == "DELETE":
            self.state.links.remove(here, from_id, there, to_id)
            return Response(status_code=204)
        types = _types(await read_json(request))
        self.state.links.add(here, from_id, there, to_id, types)
        return json_answer(_labelled(here, there, from_id, to_id), 201)

    async def listed(self, request: Request) -> Response:
        """Records associated with one."""
        here, there = self._sides(request)
        row = here.get(request.path_params["id"])
        return json_answer({"results": self._with_types(here, row["id"], there)})

    async def batch(self, request: Request) -> Response:
        """`read`, `create`, `archive`; v3 and v4 differ in their shapes."""
        here, there = self._sides(request)
        action = request.path_params["action"]
        old = request.url.path.startswith("/crm/v3/")
        inputs = (await read_inputs(request, READ_MAX if action == "read" else CREATE_MAX))[
            "inputs"
        ]
        if action == "archive":
            for row in inputs:
                others = row["to"] if isinstance(row.get("to"), list) else [row.get("to")]
                for other in others:
                    self.state.links.remove(here, _id(row.get("from")), there, _id(other))
            return Response(status_code=204)
        rows: dict[str, tuple[Row, int]] = {
            "read": (self._read_v3 if old else self._read_v4, 200),
            "create": (self._create_v3 if old else self._create_v4, 201),
            "associate/default": (self._create_default, 200),
        }
        if action not in rows:
            raise not_found(f"batch/{action}")
        handle, status = rows[action]
        results, errors = [], []
        for row in inputs:
            try:
                results.append(handle(here, there, row))
            except HubSpotError as problem:
                errors.append(problem.row({"fromObjectId": [_id(row.get("from") or row)]}))
        return json_answer(self._batch(results, errors), 207 if errors else status)

    def _read_v3(self, here: Records, there: Records, row: Json) -> Json:
        from_id = _id(row)
        found = self.state.links.listed(here, from_id, there)
        if not found:
            raise not_found(f"No {there.kind.singular} is associated with {from_id}: association")
        return {"from": {"id": from_id}, "to": found}

    def _read_v4(self, here: Records, there: Records, row: Json) -> Json:
        from_id = _id(row)
        found = self._with_types(here, from_id, there)
        if not found:
            raise not_found(f"No {there.kind.singular} is associated with {from_id}: association")
        return {"from": {"id": from_id}, "to": found}

    def _create_v3(self, here: Records, there: Records, row: Json) -> Json:
        made = self._create_default(here, there, row)
        return {"from": made["from"], "to": made["to"], "type": str(row.get("type", ""))}

    def _create_v4(self, here: Records, there: Records, row: Json) -> Json:
        from_id, to_id = _id(row.get("from")), _id(row.get("to"))
        self.state.links.add(here, from_id, there, to_id, _types(row.get("types")))
        return _labelled(here, there, from_id, to_id)

    def _create_default(self, here: Records, there: Records, row: Json) -> Json:
        from_id, to_id = _id(row.get("from")), _id(row.get("to"))
        self.state.links.add(here, from_id, there, to_id)
        spec = {
            "associationCategory": "HUBSPOT_DEFINED",
            "associationTypeId": default_type(here, there),
        }
        return {"from": {"id": from_id}, "to": {"id": to_id}, "associationSpec": spec}

    def _with_types(self, here: Records, from_id: str, there: Records) -> list[Json]:
        return [
            {
                "toObjectId": int(to_id),
                "associationTypes": [
                    {"category": category, "typeId": number, "label": None}
                    for category, number in sorted(types)
                ],
            }
            for to_id, types in self.state.links.of(here, from_id, there).items()
        ]

    def _batch(self, results: list[Json], errors: list[Json]) -> Json:
        now = iso(self.state.clock.now())
        body = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
        return body | ({"numErrors": len(errors), "errors": errors} if errors else {})


def _id(end: Any) -> str:
    if not isinstance(end, dict) or "id" not in end:
        raise HubSpotError(400, "VALIDATION_ERROR", "an association needs ids on both ends")
    return str(end["id"])


def _types(given: Any) -> Types:
    try:
        return {(str(one["associationCategory"]), int(one["associationTypeId"])) for one in given}
    except (KeyError, TypeError, ValueError) as error:
        message = "types must be a list of associationCategory and associationTypeId"
        raise HubSpotError(400, "VALIDATION_ERROR", message) from error


def _labelled(here: Records, there: Records, from_id: str, to_id: str) -> Json:
    return {
        "fromObjectTypeId": here.kind.type_id, "fromObjectId": from_id,
        "toObjectTypeId": there.kind.type_id, "toObjectId": to_id, "labels": [],
    }  # fmt: skip
