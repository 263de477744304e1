"""Properties, groups, owners, associations, account details, tokens."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from plumbline_simulators.hubspot.answers import Api, json_answer, read_object
from plumbline_simulators.hubspot.catalog import Catalog
from plumbline_simulators.hubspot.errors import HubSpotError, not_found

Json = dict[str, Any]


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
        """Read, change the label of, or remove a definition."""
        catalog = self._catalog(request)
        found = catalog.get(request.path_params["name"])
        if request.method == "DELETE":
            if not found.own:
                raise HubSpotError(400, "VALIDATION_ERROR", f"{found.name} can't be archived")
            del catalog.properties[found.name]
            return Response(status_code=204)
        if request.method == "PATCH":
            data = await read_object(request)
            del catalog.properties[found.name]
            try:
                return json_answer(catalog.add({**found.json(), **data}).json())
            except HubSpotError:
                catalog.properties[found.name] = found
                raise
        return json_answer(found.json())

    async def batch(self, request: Request) -> Response:
        """Create or read several definitions."""
        catalog = self._catalog(request)
        inputs = (await read_object(request)).get("inputs") or []
        if request.path_params["action"] == "create":
            made = [catalog.add(one).json() for one in inputs]
            return json_answer({"status": "COMPLETE", "results": made}, 201)
        found = [catalog.get(str(one.get("name"))).json() for one in inputs]
        return json_answer({"status": "COMPLETE", "results": found})

    async def groups(self, request: Request) -> Response:
        """List, or create."""
        catalog = self._catalog(request)
        if request.method == "POST":
            return json_answer(catalog.add_group(await read_object(request)), 201)
        rows = [{**group, "archived": False} for group in catalog.groups.values()]
        return json_answer({"results": rows})

    async def group(self, request: Request) -> Response:
        """Read one group."""
        name = request.path_params["name"]
        groups = self._catalog(request).groups
        if name not in groups:
            raise not_found(f"property group {name}")
        return json_answer({**groups[name], "archived": False})


class Surroundings(Api):
    """Handlers of what stands around the records."""

    async def owners(self, request: Request) -> Response:
        """A page of owners."""
        limit = int(request.query_params.get("limit", "100"))
        after = int(request.query_params.get("after", "0"))
        page = self.state.owners[after : after + limit]
        body: Json = {"results": page}
        if after + limit < len(self.state.owners):
            body["paging"] = {"next": {"after": str(after + limit)}}
        return json_answer(body)

    async def owner(self, request: Request) -> Response:
        """One owner by id."""
        for owner in self.state.owners:
            if owner["id"] == request.path_params["id"]:
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
                "uiDomain": "app.hubspot.com",
                "dataHostingLocation": "na1",
            }
        )

    async def associate(self, request: Request) -> Response:
        """Associate two records by the default type."""
        place = request.path_params
        here, there = self.state.of(place["type"]), self.state.of(place["to_type"])
        row, other = here.get(place["id"]), there.get(place["to_id"])
        pairs = ((here, row, there, other), (there, other, here, row))
        for from_records, from_row, to_records, to_row in pairs:
            key = (from_records.type, from_row["id"], to_records.type)
            known = self.state.associations.setdefault(key, [])
            if to_row["id"] not in known:
                known.append(to_row["id"])
        return json_answer({"status": "COMPLETE", "results": []})

    async def associations(self, request: Request) -> Response:
        """Records associated with one."""
        place = request.path_params
        here, there = self.state.of(place["type"]), self.state.of(place["to_type"])
        row = here.get(place["id"])
        ids = self.state.associations.get((here.type, row["id"], there.type), [])
        number = 280 if here.type == "companies" else 279
        label = {"category": "HUBSPOT_DEFINED", "typeId": number, "label": None}
        rows = [{"toObjectId": int(one), "associationTypes": [label]} for one in ids]
        return json_answer({"results": rows})

    async def token(self, request: Request) -> Response:
        """Exchange a refresh token."""
        form = await request.form()
        if form.get("grant_type") != "refresh_token":
            return _oauth_error("unsupported_grant_type", "only refresh_token is simulated")
        refresh = str(form.get("refresh_token", ""))
        token = self.state.tokens.exchange(refresh)
        if token is None:
            return _oauth_error("invalid_grant", "missing or invalid refresh token")
        return json_answer(
            {
                "access_token": token,
                "refresh_token": refresh,
                "token_type": "bearer",
                "expires_in": int(self.state.tokens.lifetime_seconds),
            }
        )

    async def revoke(self, request: Request) -> Response:
        """Revoke a token."""
        form = await request.form()
        self.state.tokens.revoke(str(form.get("token", "")))
        return Response(status_code=204)


def _oauth_error(error: str, description: str) -> Response:
    status = "BAD_REFRESH_TOKEN" if error == "invalid_grant" else "BAD_REQUEST"
    body = {
        "error": error, "error_description": description, "status": status, "message": description,
    }  # fmt: skip
    return json_answer(body, 400)
