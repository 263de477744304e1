"""The API's routes in both layouts, and what stands in front of every handler."""

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from plumbline_simulators.hubspot.answers import json_answer
from plumbline_simulators.hubspot.associations import Associations
from plumbline_simulators.hubspot.batch import Batches
from plumbline_simulators.hubspot.errors import HubSpotError
from plumbline_simulators.hubspot.oauth import OAuth
from plumbline_simulators.hubspot.objects import Objects
from plumbline_simulators.hubspot.search import Search
from plumbline_simulators.hubspot.settings_api import Properties, Surroundings
from plumbline_simulators.hubspot.state import HubSpotState

Handler = Callable[[Request], Awaitable[Response]]
Wrap = Callable[[Handler], Handler]
OBJECTS = ("/crm/v3/objects", "/crm/objects/2026-03")
ASSOCIATED = ("/crm/v4/objects", "/crm/objects/2026-03")
ASSOCIATIONS = ("/crm/v3/associations", "/crm/v4/associations", "/crm/associations/2026-03")
PROPERTIES = ("/crm/v3/properties", "/crm/properties/2026-03")
OWNERS = ("/crm/v3/owners", "/crm/owners/2026-03")
ACCOUNT = ("/account-info/v3/details", "/account-info/2026-03/details")
OAUTH = ("/oauth/v1", "/oauth/v3", "/oauth/2026-03")


def hubspot_app(state: HubSpotState) -> Starlette:
    """The simulated API; unknown paths are refused as the vendor does."""
    guard = _Guard(state)
    routes = [
        *_association_routes(state, guard.wrap),
        *_object_routes(state, guard.wrap),
        *_property_routes(state, guard.wrap),
        *_other_routes(state, guard.wrap),
    ]

    async def refused(request: Request, error: Exception) -> Response:
        return _refusal(state, request, error)

    app = Starlette(routes=routes, exception_handlers={HTTPException: refused})
    app.router.redirect_slashes = False
    return app


def _object_routes(state: HubSpotState, wrap: Wrap) -> list[Route]:
    objects, batches, search = Objects(state), Batches(state), Search(state)
    one = ["GET", "PATCH", "DELETE"]
    routes = []
    for base in OBJECTS:
        routes += [
            Route(base + "/contacts/gdpr-delete", wrap(objects.purge), methods=["POST"]),
            Route(base + "/{type}/batch/{action}", wrap(batches.handle), methods=["POST"]),
            Route(base + "/{type}/search", wrap(search.handle), methods=["POST"]),
            Route(base + "/{type}/merge", wrap(objects.merge), methods=["POST"]),
            Route(base + "/{type}", wrap(objects.collection), methods=["GET", "POST"]),
            Route(base + "/{type}/{id}", wrap(objects.one), methods=one),
        ]
    return routes


def _property_routes(state: HubSpotState, wrap: Wrap) -> list[Route]:
    properties = Properties(state)
    one = ["GET", "PATCH", "DELETE"]
    routes = []
    for base in PROPERTIES:
        routes += [
            Route(base + "/{type}/groups", wrap(properties.groups), methods=["GET", "POST"]),
            Route(base + "/{type}/groups/{name}", wrap(properties.group), methods=one),
            Route(base + "/{type}/batch/{action}", wrap(properties.batch), methods=["POST"]),
            Route(base + "/{type}", wrap(properties.collection), methods=["GET", "POST"]),
            Route(base + "/{type}/{name}", wrap(properties.one), methods=one),
        ]
    return routes


def _association_routes(state: HubSpotState, wrap: Wrap) -> list[Route]:
    links = Associations(state)
    routes = []
    for base in ASSOCIATED:
        one = base + "/{type}/{id}/associations"
        pair = one + "/{to_type}/{to_id}"
        routes += [
            Route(one + "/default/{to_type}/{to_id}", wrap(links.default), methods=["PUT"]),
            Route(pair, wrap(links.pair), methods=["PUT", "DELETE"]),
            Route(one + "/{to_type}", wrap(links.listed)),
        ]
    for base in ASSOCIATIONS:
        batch = base + "/{type}/{to_type}/batch/{action:path}"
        routes.append(Route(batch, wrap(links.batch), methods=["POST"]))
    return routes


def _other_routes(state: HubSpotState, wrap: Wrap) -> list[Route]:
    around, oauth = Surroundings(state), OAuth(state)
    routes = [Route(path, wrap(around.account)) for path in ACCOUNT]
    for base in OWNERS:
        routes += [
            Route(base, wrap(around.owners)),
            Route(base + "/", wrap(around.owners)),
            Route(base + "/{id}", wrap(around.owner)),
        ]
    for base in OAUTH:
        routes += [
            Route(base + "/token", oauth.token, methods=["POST"]),
            Route(base + "/token/introspect", oauth.introspect, methods=["POST"]),
            Route(base + "/token/revoke", oauth.revoke, methods=["POST"]),
        ]
    looked_at = Route("/oauth/v1/access-tokens/{token}", _told(state, oauth.access_token))
    return [*routes, looked_at]


class _Guard:
    """Token, rate limits, request id and error bodies around every handler."""

    def __init__(self, state: HubSpotState) -> None:
        self._state = state

    def wrap(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            path = request.url.path
            sent = request.headers.get("authorization")
            static = self._state.tokens.check(sent, request.method, path)
            headers = self._state.limits.take(search=path.endswith("/search"), daily=static)
            try:
                answer = await handler(request)
            except HubSpotError as error:
                error.headers = {**headers, **error.headers}
                raise
            answer.headers.update(headers)
            return answer

        return _told(self._state, guarded)


def _told(state: HubSpotState, handler: Handler) -> Handler:
    """Gives every answer its request id, and errors their body."""

    async def told(request: Request) -> Response:
        request.state.request_id = state.next_request_id()
        try:
            answer = await handler(request)
        except HubSpotError as error:
            answer = json_answer(error.body(request.state.request_id), error.status)
            answer.headers.update(error.headers)
        answer.headers["X-HubSpot-Correlation-Id"] = request.state.request_id
        return answer

    return told


def _refusal(state: HubSpotState, request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"No resource at {request.method} {request.url.path}"
    category = "METHOD_NOT_ALLOWED" if error.status_code == 405 else "OBJECT_NOT_FOUND"
    refused = HubSpotError(error.status_code, category, message)
    return json_answer(refused.body(state.next_request_id()), error.status_code)
