"""The API's routes in both layouts, and what stands in front of every handler."""

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from plumbline_simulators.hubspot.answers import json_answer
from plumbline_simulators.hubspot.batch import Batches
from plumbline_simulators.hubspot.errors import HubSpotError
from plumbline_simulators.hubspot.objects import Objects
from plumbline_simulators.hubspot.search import Search
from plumbline_simulators.hubspot.settings_api import Properties, Surroundings
from plumbline_simulators.hubspot.state import HubSpotState

Handler = Callable[[Request], Awaitable[Response]]
OBJECTS = ("/crm/v3/objects", "/crm/objects/2026-03")
ASSOCIATED = ("/crm/v4/objects", "/crm/objects/2026-03")
PROPERTIES = ("/crm/v3/properties", "/crm/properties/2026-03")
OWNERS = ("/crm/v3/owners", "/crm/owners/2026-03")
ACCOUNT = ("/account-info/v3/details", "/account-info/2026-03/details")
OAUTH = ("/oauth/v1", "/oauth/v3", "/oauth/2026-03")


def hubspot_app(state: HubSpotState) -> Starlette:
    """The simulated API; unknown paths are refused as the vendor does."""
    guard = _Guard(state)
    routes = [
        *_object_routes(state, guard.wrap),
        *_property_routes(state, guard.wrap),
        *_other_routes(state, guard.wrap),
    ]

    async def refused(request: Request, error: Exception) -> Response:
        return _refusal(state, request, error)

    return Starlette(routes=routes, exception_handlers={HTTPException: refused})


def _object_routes(state: HubSpotState, wrap: Callable[[Handler], Handler]) -> list[Route]:
    objects, batches, search = Objects(state), Batches(state), Search(state)
    routes = []
    for base in OBJECTS:
        routes += [
            Route(base + "/{type}/batch/{action}", wrap(batches.handle), methods=["POST"]),
            Route(base + "/{type}/search", wrap(search.handle), methods=["POST"]),
            Route(base + "/{type}/merge", wrap(objects.merge), methods=["POST"]),
            Route(base + "/{type}", wrap(objects.collection), methods=["GET", "POST"]),
            Route(base + "/{type}/{id}", wrap(objects.one), methods=["GET", "PATCH", "DELETE"]),
        ]
    return routes


def _property_routes(state: HubSpotState, wrap: Callable[[Handler], Handler]) -> list[Route]:
    properties = Properties(state)
    routes = []
    for base in PROPERTIES:
        one = ["GET", "PATCH", "DELETE"]
        routes += [
            Route(base + "/{type}/groups", wrap(properties.groups), methods=["GET", "POST"]),
            Route(base + "/{type}/groups/{name}", wrap(properties.group)),
            Route(base + "/{type}/batch/{action}", wrap(properties.batch), methods=["POST"]),
            Route(base + "/{type}", wrap(properties.collection), methods=["GET", "POST"]),
            Route(base + "/{type}/{name}", wrap(properties.one), methods=one),
        ]
    return routes


def _other_routes(state: HubSpotState, wrap: Callable[[Handler], Handler]) -> list[Route]:
    around = Surroundings(state)
    routes = [Route(path, wrap(around.account)) for path in ACCOUNT]
    for base in OWNERS:
        routes += [
            Route(base, wrap(around.owners)),
            Route(base + "/", wrap(around.owners)),
            Route(base + "/{id}", wrap(around.owner)),
        ]
    for base in ASSOCIATED:
        default = base + "/{type}/{id}/associations/default/{to_type}/{to_id}"
        listed = base + "/{type}/{id}/associations/{to_type}"
        routes += [
            Route(default, wrap(around.associate), methods=["PUT"]),
            Route(listed, wrap(around.associations)),
        ]
    for base in OAUTH:
        routes += [
            Route(base + "/token", around.token, methods=["POST"]),
            Route(base + "/token/revoke", around.revoke, methods=["POST"]),
        ]
    return routes


class _Guard:
    """Token, rate limits, request id and error bodies around every handler."""

    def __init__(self, state: HubSpotState) -> None:
        self._state = state

    def wrap(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            request.state.request_id = self._state.next_request_id()
            headers: dict[str, str] = {}
            path = request.url.path
            try:
                self._state.tokens.check(request.headers.get("authorization"), path)
                headers = self._state.limits.take(search=path.endswith("/search"))
                answer = await handler(request)
            except HubSpotError as error:
                answer = json_answer(error.body(request.state.request_id), error.status)
                headers = {**headers, **error.headers}
            answer.headers.update(headers)
            answer.headers["X-HubSpot-Correlation-Id"] = request.state.request_id
            return answer

        return guarded


def _refusal(state: HubSpotState, request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"No resource at {request.method} {request.url.path}"
    category = "METHOD_NOT_ALLOWED" if error.status_code == 405 else "OBJECT_NOT_FOUND"
    refused = HubSpotError(error.status_code, category, message)
    return json_answer(refused.body(state.next_request_id()), error.status_code)
