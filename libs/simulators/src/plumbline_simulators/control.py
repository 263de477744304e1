"""The control API every simulator has on a port of its own: health, faults, calls, clock."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from plumbline_simulators.calllog import CallLog
from plumbline_simulators.clock import ClockError, SimulatedClock, parse_instant
from plumbline_simulators.faults import FaultBook, FaultError

Advance = Callable[[datetime], Awaitable[dict[str, Any]]]
Handler = Callable[[Request], Awaitable[Response]]


class ControlError(ValueError):
    """A control call that cannot be obeyed: answered as 400 with its message."""


def answer(data: object, status: int = 200) -> Response:
    return Response(orjson.dumps(data), status, media_type="application/json")


async def read_json(request: Request) -> dict[str, Any]:
    """The body as an object, {} when empty; raises ControlError."""
    raw = await request.body()
    if not raw:
        return {}
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ControlError(f"body: not JSON: {error}") from error
    if not isinstance(data, dict):
        raise ControlError("body: expected a JSON object")
    return data


class _Common:
    def __init__(
        self,
        vendor: str,
        clock: SimulatedClock,
        faults: FaultBook,
        calls: CallLog,
        advance: Advance | None,
    ) -> None:
        self._vendor = vendor
        self._clock = clock
        self._faults = faults
        self._calls = calls
        self._advance = advance

    async def health(self, request: Request) -> Response:  # noqa: ARG002
        return answer({"status": "ok", "vendor": self._vendor, **self._time()})

    async def faults(self, request: Request) -> Response:
        if request.method == "GET":
            return answer({"faults": self._faults.describe()})
        if request.method == "DELETE":
            rule_id = request.query_params.get("id")
            if rule_id is None:
                self._faults.clear()
            elif not self._faults.remove(rule_id):
                return answer({"error": f"no such fault: {rule_id}"}, 404)
            return answer({"faults": self._faults.describe()})
        data = await read_json(request)
        added = [self._faults.add_json(rule).id for rule in data.get("faults", [data])]
        return answer({"added": added}, 201)

    async def calls(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._calls.clear()
            return answer({"cleared": True})
        query = request.query_params
        found = self._calls.calls(
            path=query.get("path", ""),
            method=query.get("method"),
            limit=int(query.get("limit", "1000")),
        )
        return answer({**self._calls.summary(), "calls": found})

    async def clock(self, request: Request) -> Response:
        if request.method == "GET":
            return answer(self._time())
        data = await read_json(request)
        mode = data.get("mode")
        if mode not in (None, "frozen", "running"):
            raise ControlError(f"mode: expected frozen or running, found {mode!r}")
        if mode is not None:
            (self._clock.freeze if mode == "frozen" else self._clock.run)()
        counts: dict[str, Any] = {}
        target = self._target(data)
        if target is not None:
            if target < self._clock.now():
                raise ClockError(f"clock: {target.isoformat()} is in the simulated past")
            if self._advance is not None:
                counts = await self._advance(target)
            else:
                self._clock.advance_to(target)
        return answer({**self._time(), "counts": counts})

    def _target(self, data: dict[str, Any]) -> datetime | None:
        if "to" in data:
            return parse_instant(data["to"])
        seconds = data.get("advance_seconds")
        if seconds is None:
            return None
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
            raise ControlError(f"advance_seconds: expected a number from 0, found {seconds!r}")
        return self._clock.now() + timedelta(seconds=seconds)

    def _time(self) -> dict[str, Any]:
        now = self._clock.now()
        mode = "frozen" if self._clock.frozen else "running"
        return {"now": now.isoformat(), "epoch": int(now.timestamp()), "mode": mode}


async def _refused(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return answer({"error": str(error)}, 400)


def control_app(
    vendor: str,
    *,
    clock: SimulatedClock,
    faults: FaultBook,
    calls: CallLog,
    routes: Sequence[BaseRoute] = (),
    advance: Advance | None = None,
) -> Starlette:
    """`advance(target)` runs the vendor's simulation up to `target`, moves the clock there
    and returns counts; without it only the clock moves. ControlError, FaultError and ClockError
    raised by any handler become 400 with `{"error": message}`.
    """
    common = _Common(vendor, clock, faults, calls, advance)
    return Starlette(
        routes=[
            Route("/control/health", common.health),
            Route("/control/faults", common.faults, methods=["GET", "POST", "DELETE"]),
            Route("/control/calls", common.calls, methods=["GET", "DELETE"]),
            Route("/control/clock", common.clock, methods=["GET", "POST"]),
            *routes,
        ],
        exception_handlers={
            ControlError: _refused,
            FaultError: _refused,
            ClockError: _refused,
        },
    )
