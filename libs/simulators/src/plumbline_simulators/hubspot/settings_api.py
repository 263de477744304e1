"""Properties, groups, owners and account details."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from plumbline_simulators.hubspot.answers import (
    Api,
    json_answer,
    read_inputs,
    read_object,
    whole,
)
from plumbline_simulators.hubspot.catalog import Catalog
from plumbline_simulators.hubspot.errors import HubSpotError, not_found
from plumbline_simulators.hubspot.values import iso

Json = dict[str, Any]
OWNERS_MAX = 500


class Properties(Api):
    """Handlers of `/properties/{type}` and below."""

    def _catalog(self, request: Request) -> Catalog:
        return self.records(request).catalog

    async def collection(self, request: Request) -> Response:
        """List, or create."""
        catalog = self._catalog(request)
        if request.method == "POST":
            return json_answer(catalog.add(await read_object(request)).json(), 201)
        return json_answer({"results": [one.json() for one in catalog.properties.values()]})

    async def one(self, request: Request) -> Response:
        """Read, change, or archive a definition."""
        catalog, name = self._catalog(request), request.path_params["name"]
        if request.method == "DELETE":
            self.records(request).drop_property(name)
            return Response(status_code=204)
        if request.method == "PATCH":
            return json_answer(catalog.change(name, await read_object(request)).json())
        return json_answer(catalog.get(name).json())

    async def batch(self, request: Request) -> Response:
        """Create, read or archive several definitions; what fails is told per row."""
        catalog, action = self._catalog(request), request.path_params["action"]
        if action not in {"create", "read", "archive"}:
            raise not_found(f"batch/{action}")
        results, errors = [], []
        for row in (await read_inputs(request))["inputs"]:
            name = str(row.get("name"))
            try:
                if action == "archive":
                    self.records(request).drop_property(name)
                    continue
                made = catalog.add(row) if action == "create" else catalog.get(name)
                results.append(made.json())
            except HubSpotError as problem:
                errors.append(problem.row({"name": [name]}))
        if action == "archive":
            return Response(status_code=204)
        now = iso(self.state.clock.now())
        body = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
        if errors:
            return json_answer(body | {"numErrors": len(errors), "errors": errors}, 207)
        return json_answer(body, 201 if action == "create" else 200)

    async def groups(self, request: Request) -> Response:
        """List, or create."""
        catalog = self._catalog(request)
        if request.method == "POST":
            return json_answer(catalog.add_group(await read_object(request)), 201)
        return json_answer({"results": [catalog.group(name) for name in catalog.groups]})

    async def group(self, request: Request) -> Response:
        """Read, change or archive one group."""
        catalog, name = self._catalog(request), request.path_params["name"]
        if request.method == "DELETE":
            catalog.remove_group(name)
            return Response(status_code=204)
        if request.method == "PATCH":
            return json_answer(catalog.change_group(name, await read_object(request)))
        return json_answer(catalog.group(name))


class Surroundings(Api):
    """Handlers of what stands around the records."""

    async def owners(self, request: Request) -> Response:
        """A page of owners, of one e-mail address when asked."""
        query = request.query_params
        limit = whole("limit", query.get("limit"), 100, 1, OWNERS_MAX)
        after = whole("after", query.get("after"), 0, 0)
        archived = query.get("archived", "").lower() == "true"
        email = query.get("email")
        found = [
            owner
            for owner in self.state.owners
            if owner["archived"] is archived and email in (None, "", owner.get("email"))
        ]
        body: Json = {"results": found[after : after + limit]}
        if after + limit < len(found):
            body["paging"] = {"next": {"after": str(after + limit)}}
        return json_answer(body)

    async def owner(self, request: Request) -> Response:
        """One owner by id, or by user id with `idProperty=userId`."""
        by = "userId" if request.query_params.get("idProperty") == "userId" else "id"
        for owner in self.state.owners:
            if str(owner.get(by)) == request.path_params["id"]:
                return json_answer(owner)
        raise not_found("owner")

    async def account(self, request: Request) -> Response:
        """Which portal this is."""
        del request
        return json_answer(
            {
                "portalId": self.state.portal_id,
                "accountType": "STANDARD",
                "timeZone": "UTC",
                "companyCurrency": "USD",
                "additionalCurrencies": [],
                "utcOffset": "+00:00",
                "utcOffsetMilliseconds": 0,
                "uiDomain": "app.hubspot.com",
                "dataHostingLocation": "na1",
            }
        )
