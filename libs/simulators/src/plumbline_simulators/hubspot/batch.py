"""Batches of up to 100: read, create, update, upsert, archive, with outcomes per row."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from plumbline_simulators.hubspot.answers import Api, json_answer, read_object
from plumbline_simulators.hubspot.catalog import iso
from plumbline_simulators.hubspot.errors import HubSpotError, not_found
from plumbline_simulators.hubspot.store import Records
from plumbline_simulators.hubspot.views import show, written

Json = dict[str, Any]
BATCH_MAX = 100
Write = Callable[[Request, Records, Json, Json], Json]


class Batches(Api):
    """Handlers of `/objects/{type}/batch/{action}`."""

    async def handle(self, request: Request) -> Response:
        """Dispatch by action."""
        action = request.path_params["action"]
        data = await read_object(request)
        inputs = data.get("inputs")
        if not isinstance(inputs, list) or not all(isinstance(row, dict) for row in inputs):
            raise HubSpotError(400, "VALIDATION_ERROR", "inputs must be a list of objects")
        if len(inputs) > BATCH_MAX:
            message = f"Too many inputs: {len(inputs)}, the limit is {BATCH_MAX}"
            raise HubSpotError(400, "VALIDATION_ERROR", message)
        records = self.records(request)
        if action == "read":
            return self._read(records, data, inputs)
        if action == "archive":
            for row in inputs:
                if records.find(str(row.get("id"))) is not None:
                    records.archive(str(row["id"]), self.author(request, row))
            return Response(status_code=204)
        writes: dict[str, tuple[Write, int]] = {
            "create": (self._create, 201),
            "update": (self._update, 200),
            "upsert": (self._upsert, 200),
        }
        if action not in writes:
            raise not_found(f"batch/{action}")
        write, status = writes[action]
        return self._write(request, records, data, write, status)

    def _read(self, records: Records, data: Json, inputs: list[Json]) -> Response:
        results, missing = [], []
        history = data.get("propertiesWithHistory") or ()
        seen: set[str] = set()
        for row in inputs:
            wanted_id = str(row.get("id"))
            found = records.find(wanted_id, data.get("idProperty"))
            if found is None or found["archived"]:
                missing.append(wanted_id)
            elif found["id"] not in seen:
                seen.add(found["id"])
                results.append(show(found, records.type, data.get("properties") or (), history))
        errors = []
        if missing:
            problem = HubSpotError(404, "OBJECT_NOT_FOUND", "Could not get some objects")
            errors = [problem.row({"ids": missing})]
        return self._answer(results, errors, 200)

    def _write(
        self,
        request: Request,
        records: Records,
        data: Json,
        write: Write,
        status: int,
    ) -> Response:
        """Without a trace id of its own on every row, one bad row refuses the whole batch."""
        inputs = data["inputs"]
        traces = Counter(str(row.get("objectWriteTraceId") or "") for row in inputs)
        per_row = "" not in traces and max(traces.values(), default=1) == 1
        if not per_row:
            for row in inputs:
                records.catalog.check(row.get("properties") or {})
        results, errors = [], []
        for row in inputs:
            try:
                results.append(self._row(request, records, row, data, write))
            except HubSpotError as problem:
                if not per_row and problem.category != "OBJECT_NOT_FOUND":
                    raise
                context = {"ids": [str(row["id"])]} if "id" in row else {}
                if row.get("objectWriteTraceId"):
                    context["objectWriteTraceId"] = [str(row["objectWriteTraceId"])]
                errors.append(problem.row(context))
        return self._answer(results, errors, status)

    def _row(self, request: Request, records: Records, row: Json, data: Json, write: Write) -> Json:
        fault = self.state.row_fault(str(row.get("id", "")))
        if fault is not None:
            raise HubSpotError(400, fault.category, fault.message)
        return write(request, records, row, data)

    def _create(self, request: Request, records: Records, row: Json, data: Json) -> Json:
        del data
        values = records.catalog.check(row.get("properties") or {})
        made = records.create(values, self.author(request, row))
        return written(made, records.type, values, row.get("objectWriteTraceId"))

    def _update(self, request: Request, records: Records, row: Json, data: Json) -> Json:
        id_property = row.get("idProperty") or data.get("idProperty")
        found = records.get(str(row.get("id")), id_property)
        values = records.catalog.check(row.get("properties") or {})
        changed = records.update(found, values, self.author(request, row))
        return written(changed, records.type, values, row.get("objectWriteTraceId"))

    def _upsert(self, request: Request, records: Records, row: Json, data: Json) -> Json:
        id_property = row.get("idProperty") or data.get("idProperty")
        wanted_id = str(row.get("id"))
        values = records.catalog.check(row.get("properties") or {})
        found = records.find(wanted_id, id_property)
        author = self.author(request, row)
        new = found is None or found["archived"]
        if found is None or new:
            extra = {id_property: wanted_id} if id_property else {}
            changed = records.create({**extra, **values}, author)
        else:
            changed = records.update(found, values, author)
        return {**written(changed, records.type, values, row.get("objectWriteTraceId")), "new": new}

    def _answer(self, results: list[Json], errors: list[Json], status: int) -> Response:
        if self.state.shuffle_results:
            results.reverse()
        now = iso(self.state.clock.now())
        body: Json = {
            "status": "COMPLETE",
            "results": results,
            "startedAt": now,
            "completedAt": now,
        }
        if errors:
            body |= {"numErrors": len(errors), "errors": errors}
        return json_answer(body, 207 if errors else status)
