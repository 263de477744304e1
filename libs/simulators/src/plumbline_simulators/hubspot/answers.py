"""What the API's handlers share: decoding bodies, finding records, answering JSON."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from plumbline_simulators.hubspot.errors import HubSpotError
from plumbline_simulators.hubspot.state import HubSpotState
from plumbline_simulators.hubspot.store import Records, Source

BATCH_MAX = 100


def json_answer(data: object, status: int = 200) -> Response:
    """A JSON body."""
    return Response(orjson.dumps(data), status, media_type="application/json")


async def read_json(request: Request) -> Any:
    """The body as JSON, an empty object without one; 400 otherwise."""
    try:
        return orjson.loads(await request.body() or b"{}")
    except orjson.JSONDecodeError as error:
        message = "Invalid input JSON: unable to parse the body"
        raise HubSpotError(400, "VALIDATION_ERROR", message) from error


async def read_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object; 400 otherwise."""
    data = await read_json(request)
    if not isinstance(data, dict):
        raise HubSpotError(400, "VALIDATION_ERROR", "Invalid input JSON: expected an object")
    return data


async def read_inputs(request: Request, most: int = BATCH_MAX) -> dict[str, Any]:
    """A batch's body; 400 unless `inputs` is a list of at most `most` objects."""
    data = await read_object(request)
    inputs = data.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(row, dict) for row in inputs):
        raise HubSpotError(400, "VALIDATION_ERROR", "inputs must be a list of objects")
    if len(inputs) > most:
        message = f"Too many inputs: {len(inputs)}, the limit is {most}"
        raise HubSpotError(400, "VALIDATION_ERROR", message)
    return data


def whole(name: str, given: object, default: int, least: int, most: int | None = None) -> int:
    """A whole number from a query or body; 400 for anything else or outside of the bounds."""
    if given is None or given == "":
        return default
    try:
        number = int(given) if isinstance(given, str | int) else None
    except ValueError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        bounds = f"at least {least}" if most is None else f"between {least} and {most}"
        message = f"{name} must be a number {bounds}, got {given!r}"
        raise HubSpotError(400, "VALIDATION_ERROR", message)
    return number


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

    def archive(self, request: Request, records: Records, record_id: str) -> None:
        """Archive; what is gone already, or never was, is no error (204)."""
        found = records.find(record_id)
        if found is not None and not found["archived"]:
            records.archive(record_id, self.author(request, {}))
