"""One record at a time: create, read, change, archive, list, merge."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from plumbline_simulators.hubspot.answers import Api, json_answer, read_object
from plumbline_simulators.hubspot.errors import HubSpotError
from plumbline_simulators.hubspot.views import show, wanted, written

LIST_MAX = 100


class Objects(Api):
    """Handlers of `/objects/{type}` and below."""

    async def collection(self, request: Request) -> Response:
        """List, or create."""
        if request.method == "POST":
            return await self._create(request)
        records = self.records(request)
        query = request.query_params
        limit = _number(query.get("limit"), 10)
        if not 1 <= limit <= LIST_MAX:
            message = f"limit must be between 1 and {LIST_MAX}, got {limit}"
            raise HubSpotError(400, "VALIDATION_ERROR", message)
        after = _number(query.get("after"), 0)
        properties, history = wanted(query)
        archived = query.get("archived", "").lower() == "true"
        page = []
        for row in records.all(archived=archived):
            if int(row["id"]) > after:
                page.append(show(row, records.type, properties, history))
            if len(page) > limit:
                break
        body: dict[str, Any] = {"results": page[:limit]}
        if len(page) > limit:
            last = page[limit - 1]["id"]
            body["paging"] = {"next": {"after": last, "link": f"?after={last}"}}
        return json_answer(body)

    async def _create(self, request: Request) -> Response:
        records = self.records(request)
        data = await read_object(request)
        values = records.catalog.check(data.get("properties") or {})
        if records.type == "companies" and not (values.get("name") or values.get("domain")):
            raise HubSpotError(400, "VALIDATION_ERROR", "A company needs a name or a domain")
        row = records.create(values, self.author(request, data))
        return json_answer(written(row, records.type, values, data.get("objectWriteTraceId")), 201)

    async def one(self, request: Request) -> Response:
        """Read, change or archive one record."""
        records = self.records(request)
        record_id = request.path_params["id"]
        id_property = request.query_params.get("idProperty")
        if request.method == "DELETE":
            if records.find(record_id) is not None:
                records.archive(record_id, self.author(request, {}))
            return Response(status_code=204)
        if request.method == "PATCH":
            data = await read_object(request)
            values = records.catalog.check(data.get("properties") or {})
            row = records.get(record_id, id_property)
            row = records.update(row, values, self.author(request, data))
            return json_answer(written(row, records.type, values, data.get("objectWriteTraceId")))
        properties, history = wanted(request.query_params)
        row = records.find(record_id, id_property) or records.get(record_id)
        if row["archived"] and request.query_params.get("archived", "").lower() != "true":
            row = records.get(record_id)
        return json_answer(show(row, records.type, properties, history))

    async def merge(self, request: Request) -> Response:
        """Merge two records into a new one."""
        records = self.records(request)
        data = await read_object(request)
        primary, other = str(data.get("primaryObjectId")), str(data.get("objectIdToMerge"))
        if primary == other:
            raise HubSpotError(400, "VALIDATION_ERROR", "Can't merge a record with itself")
        row = records.merge(primary, other, self.author(request, data))
        return json_answer(show(row, records.type, ()))


def _number(text: str | None, default: int) -> int:
    try:
        return default if text is None else int(text)
    except ValueError as error:
        raise HubSpotError(400, "VALIDATION_ERROR", f"{text!r} is not a number") from error
