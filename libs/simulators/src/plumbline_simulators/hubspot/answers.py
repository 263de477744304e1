"""What the API's handlers share: decoding bodies, finding records, answering JSON."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from plumbline_simulators.hubspot.errors import HubSpotError
from plumbline_simulators.hubspot.state import HubSpotState
from plumbline_simulators.hubspot.store import Records, Source


def json_answer(data: object, status: int = 200) -> Response:
    """A JSON body."""
    return Response(orjson.dumps(data), status, media_type="application/json")


async def read_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object; 400 otherwise."""
    try:
        data = orjson.loads(await request.body() or b"{}")
    except orjson.JSONDecodeError as error:
        message = "Invalid input JSON: unable to parse the body"
        raise HubSpotError(400, "VALIDATION_ERROR", message) from error
    if not isinstance(data, dict):
        raise HubSpotError(400, "VALIDATION_ERROR", "Invalid input JSON: expected an object")
    return data


class Api:
    """Handlers over one portal."""

    def __init__(self, state: HubSpotState) -> None:
        self.state = state

    def records(self, request: Request) -> Records:
        """Records of the type the path names."""
        return self.state.of(request.path_params["type"])

    def author(self, request: Request, data: dict[str, Any]) -> Source:
        """Writes through the API are our app's."""
        return Source(
            "INTEGRATION",
            str(self.state.app_id),
            trace_id=str(data.get("objectWriteTraceId") or ""),
            request_id=request.state.request_id,
        )
