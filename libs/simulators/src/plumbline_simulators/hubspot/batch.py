"""Batches of up to 100: read, create, update, upsert, archive, with outcomes per row."""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from plumbline_simulators.hubspot.answers import Api, json_answer, read_inputs
from plumbline_simulators.hubspot.errors import HubSpotError, not_found
from plumbline_simulators.hubspot.store import Records, Values
from plumbline_simulators.hubspot.values import iso
from plumbline_simulators.hubspot.views import names, show, written

Json = dict[str, Any]


class Planned(NamedTuple):
    """One row of a batch that may be written."""

    row: Json
    found: Json | None
    """The record to change, as it was when planned; None creates."""
    values: Values
    shows_new: bool


Plan = Callable[[Records, Json, Json], Planned]


class Batches(Api):
    """Handlers of `/objects/{type}/batch/{action}`."""

    async def handle(self, request: Request) -> Response:
        """Dispatch by action."""
        action = request.path_params["action"]
        data = await read_inputs(request)
        records = self.records(request)
        if action == "read":
            archived = request.query_params.get("archived", "").lower() == "true"
            return self._read(records, data, archived=archived)
        if action == "archive":
            for row in data["inputs"]:
                self.archive(request, records, str(row.get("id")))
            return Response(status_code=204)
        plans: dict[str, tuple[Plan, int]] = {
            "create": (_plan_create, 201),
            "update": (_plan_update, 200),
            "upsert": (_plan_upsert, 200),
        }
        if action not in plans:
            raise not_found(f"batch/{action}")
        plan, status = plans[action]
        if action != "create":
            _refuse_repeated_ids(data["inputs"])
        self._refuse_whole(data["inputs"])
        if _each_row_for_itself(data, action):
            results, errors = self._row_by_row(request, records, data, plan)
        else:
            results, errors = self._all_or_none(request, records, data, plan)
        return self._answer(results, errors, status)

    def _refuse_whole(self, inputs: list[Json]) -> None:
        for row in inputs:
            fault = self.state.row_fault(str(row.get("id", "")), whole=True)
            if fault is not None:
                raise HubSpotError(400, fault.category, fault.message)

    def _read(self, records: Records, data: Json, *, archived: bool) -> Response:
        results, missing = [], []
        properties = names(data.get("properties") or ())
        history = names(data.get("propertiesWithHistory") or ())
        seen: set[str] = set()
        for row in data["inputs"]:
            wanted_id = str(row.get("id"))
            found = records.find(wanted_id, data.get("idProperty"))
            if found is None or found["archived"] is not archived:
                missing.append(wanted_id)
            elif found["id"] not in seen:
                seen.add(found["id"])
                results.append(show(found, records, properties, history))
        errors = []
        if missing:
            problem = HubSpotError(404, "OBJECT_NOT_FOUND", "Could not get some objects")
            errors = [problem.row({"ids": missing})]
        return self._answer(results, errors, 200)

    def _row_by_row(
        self, request: Request, records: Records, data: Json, plan: Plan
    ) -> tuple[list[Json], list[Json]]:
        results, errors = [], []
        for row in data["inputs"]:
            try:
                planned = self._planned(records, row, data, plan)
                results.append(self._apply(request, records, planned, planned.found))
            except HubSpotError as problem:
                errors.append(_row_error(problem, row))
        return results, errors

    def _all_or_none(
        self, request: Request, records: Records, data: Json, plan: Plan
    ) -> tuple[list[Json], list[Json]]:
        """Nothing is written before every row is known to be good; unknown ids are only told."""
        planned, errors = [], []
        taken: set[tuple[str, str]] = set()
        for row in data["inputs"]:
            try:
                one = self._planned(records, row, data, plan)
            except HubSpotError as problem:
                if problem.category != "OBJECT_NOT_FOUND":
                    raise
                errors.append(_row_error(problem, row))
                continue
            keys = set(records.unique_values(one.values))
            if keys & taken:
                message = f"{min(keys & taken)[0]} is given to two rows of this batch"
                raise HubSpotError(409, "CONFLICT", message)
            taken |= keys
            planned.append(one)
        results = []
        for one in planned:
            # Two ids may lead to one record, which an earlier row has changed by now.
            found = None if one.found is None else records.get(one.found["id"])
            results.append(self._apply(request, records, one, found))
        return results, errors

    def _planned(self, records: Records, row: Json, data: Json, plan: Plan) -> Planned:
        fault = self.state.row_fault(str(row.get("id", "")))
        if fault is not None:
            raise HubSpotError(400, fault.category, fault.message)
        planned = plan(records, row, data)
        own_id = None if planned.found is None else planned.found["id"]
        records.refuse_twins(planned.values, own_id)
        return planned

    def _apply(
        self, request: Request, records: Records, planned: Planned, found: Json | None
    ) -> Json:
        author = self.author(request, planned.row)
        if found is None:
            made = records.create(planned.values, author)
        else:
            made = records.update(found, planned.values, author)
        trace_id = planned.row.get("objectWriteTraceId")
        shown = written(made, records, planned.values, trace_id)
        return {**shown, "new": found is None} if planned.shows_new else shown

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


def _plan_create(records: Records, row: Json, data: Json) -> Planned:
    del data
    return Planned(row, None, records.catalog.check_new(row.get("properties")), shows_new=False)


def _plan_update(records: Records, row: Json, data: Json) -> Planned:
    found = records.get(str(row.get("id")), row.get("idProperty") or data.get("idProperty"))
    values = records.catalog.check(row.get("properties"))
    return Planned(row, found, values, shows_new=False)


def _plan_upsert(records: Records, row: Json, data: Json) -> Planned:
    """By a unique property, which a new record gets; an id alone can't create."""
    id_property = row.get("idProperty") or data.get("idProperty")
    wanted_id = str(row.get("id"))
    if id_property is None or id_property == "hs_object_id":
        return _plan_update(records, row, data)._replace(shows_new=True)
    found = records.find(wanted_id, id_property)
    if found is not None and not found["archived"]:
        values = records.catalog.check(row.get("properties"))
        return Planned(row, found, values, shows_new=True)
    given = {id_property: wanted_id, **records.catalog.check(row.get("properties"))}
    return Planned(row, None, records.catalog.check_new(given), shows_new=True)


def _each_row_for_itself(data: Json, action: str) -> bool:
    """Needs a trace id of its own on every row; no upsert by email can have it (vendors 2.3)."""
    inputs = data["inputs"]
    by_email = any((row.get("idProperty") or data.get("idProperty")) == "email" for row in inputs)
    if action == "upsert" and by_email:
        return False
    traces = Counter(str(row.get("objectWriteTraceId") or "") for row in inputs)
    return "" not in traces and max(traces.values(), default=1) == 1


def _refuse_repeated_ids(inputs: list[Json]) -> None:
    counted = Counter(str(row.get("id")) for row in inputs)
    repeated = sorted(one for one, times in counted.items() if times > 1)
    if repeated:
        message = f"Duplicate IDs found in batch input: {repeated}. IDs must be unique"
        raise HubSpotError(400, "VALIDATION_ERROR", message)


def _row_error(problem: HubSpotError, row: Json) -> Json:
    context = {"ids": [str(row["id"])]} if "id" in row else {}
    if row.get("objectWriteTraceId"):
        context["objectWriteTraceId"] = [str(row["objectWriteTraceId"])]
    return problem.row(context)
