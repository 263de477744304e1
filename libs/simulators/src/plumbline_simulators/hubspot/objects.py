"""One record at a time: create, read, change, archive, list, merge, privacy deletion."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from plumbline_simulators.hubspot.answers import Api, json_answer, read_object, whole
from plumbline_simulators.hubspot.errors import HubSpotError
from plumbline_simulators.hubspot.store import Records
from plumbline_simulators.hubspot.views import names, show, wanted, written

LIST_MAX = 100
Json = dict[str, Any]


class Objects(Api):
    """Handlers of `/objects/{type}` and below."""

    async def collection(self, request: Request) -> Response:
        """List, or create."""
        if request.method == "POST":
            return await self._create(request)
        records = self.records(request)
        query = request.query_params
        limit = whole("limit", query.get("limit"), 10, 1, LIST_MAX)
        after = whole("after", query.get("after"), 0, 0)
        properties, history = wanted(query)
        page = []
        for row in records.all(archived=_archived(request), after=after):
            page.append(show(row, records, properties, history) | self._linked(request, row))
            if len(page) > limit:
                break
        body: Json = {"results": page[:limit]}
        if len(page) > limit:
            last = page[limit - 1]["id"]
            body["paging"] = {"next": {"after": last, "link": f"?after={last}"}}
        return json_answer(body)

    async def _create(self, request: Request) -> Response:
        records = self.records(request)
        data = await read_object(request)
        values = records.catalog.check_new(data.get("properties"))
        row = records.create(values, self.author(request, data))
        return json_answer(written(row, records, values, data.get("objectWriteTraceId")), 201)

    async def one(self, request: Request) -> Response:
        """Read, change or archive one record."""
        records = self.records(request)
        record_id = request.path_params["id"]
        id_property = request.query_params.get("idProperty")
        if request.method == "DELETE":
            self.archive(request, records, record_id)
            return Response(status_code=204)
        if request.method == "PATCH":
            data = await read_object(request)
            values = records.catalog.check(data.get("properties"))
            row = records.get(record_id, id_property)
            row = records.update(row, values, self.author(request, data))
            return json_answer(written(row, records, values, data.get("objectWriteTraceId")))
        properties, history = wanted(request.query_params)
        row = self._live_or_asked_for(request, records, record_id, id_property)
        shown = show(row, records, properties, history)
        return json_answer(shown | self._linked(request, row))

    def _live_or_asked_for(
        self, request: Request, records: Records, record_id: str, id_property: str | None
    ) -> Json:
        found = records.find(record_id, id_property)
        if found is not None and found["archived"] and _archived(request):
            return found
        return records.get(record_id, id_property)

    def _linked(self, request: Request, row: Json) -> Json:
        kinds = names(request.query_params.getlist("associations"))
        if not kinds:
            return {}
        here = self.records(request)
        found = {kind: self.state.links.listed(here, row["id"], self.state.of(kind))
                 for kind in kinds}  # fmt: skip
        return {"associations": {kind: {"results": rows} for kind, rows in found.items() if rows}}

    async def merge(self, request: Request) -> Response:
        """Merge two records into a new one."""
        records = self.records(request)
        data = await read_object(request)
        primary, other = str(data.get("primaryObjectId")), str(data.get("objectIdToMerge"))
        row = records.merge(primary, other, self.author(request, data))
        return json_answer(show(row, records))

    async def purge(self, request: Request) -> Response:
        """Privacy deletion of a contact."""
        data = await read_object(request)
        if "objectId" not in data:
            raise HubSpotError(400, "VALIDATION_ERROR", "objectId is missing")
        author = self.author(request, data)
        self.state.of("contacts").purge(str(data["objectId"]), author, data.get("idProperty"))
        return Response(status_code=204)


def _archived(request: Request) -> bool:
    return request.query_params.get("archived", "").lower() == "true"
