"""An address that listens before its service can work: 503 until the app behind it is there.

A vendor whose connection is refused learns less than one that hears 503 with Retry-After, and a
load balancer that can't connect takes the instance for dead.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Any, Final, NamedTuple

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from plumbline_runtime.servers import HttpServer

PATIENCE: Final = 3
"""How many times as long as asked for `quiet` waits at most."""
_LOOK_SECONDS: Final = 0.02
_HEALTH: Final = "/health/"
_LIVE: Final = "/health/live"
_READY: Final = "/health/ready"
_JSON: Final = (b"content-type", b"application/json")
_LATER: Final = ((b"retry-after", b"1"), (b"connection", b"close"))


class Doorway:
    """ASGI application in front of another one that comes later.

    `missing` says what is still waited for, for a person; nothing is ever accepted before `open`.
    """

    def __init__(self, service: str, missing: Callable[[], list[str]]) -> None:
        self._service = service
        self._missing = missing
        self._app: ASGIApp | None = None
        self.requests = 0
        """What came so far, without questions about health."""

    def open(self, app: ASGIApp) -> None:
        """From now on `app` answers."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI server."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        self.requests += not scope["path"].startswith(_HEALTH)
        if self._app is not None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._not_yet(scope["path"], send)
        else:
            await send({"type": "websocket.close", "code": 1013})

    async def _not_yet(self, path: str, send: Send) -> None:
        if path == _LIVE:
            await _answer(send, 200, {"live": True})
        elif path == _READY:
            missing = [
                {"service": self._service, "missing": name, "detail": "connecting"}
                for name in self._missing()
            ]
            await _answer(send, 503, {"ready": False, "missing": missing}, *_LATER)
        else:
            waits = ", ".join(self._missing()) or "its start"
            error = f"{self._service} waits for {waits}, send it again"
            await _answer(send, 503, {"error": error}, *_LATER)


class Front(NamedTuple):
    """A listening address and its doorway."""

    server: HttpServer
    doorway: Doorway

    @classmethod
    def at(cls, listen: str, service: str, missing: Callable[[], list[str]]) -> "Front":
        """Bind the address; its server is not running yet."""
        doorway = Doorway(service, missing)
        return cls(HttpServer(doorway, listen), doorway)


async def quiet(doorways: Collection[Doorway], seconds: float) -> None:
    """Wait until no request has come for so long, at most `PATIENCE` times as long in all.

    A load balancer that is behind passes on what it had chosen before it saw the address leave;
    a connection that nobody has accepted yet when the address closes is reset.
    """
    began = last = time.monotonic()
    known = -1
    while (now := time.monotonic()) - began < seconds * PATIENCE:
        if known != (come := sum(doorway.requests for doorway in doorways)):
            known, last = come, now
        elif now - last >= seconds:
            return
        await asyncio.sleep(_LOOK_SECONDS)


async def _answer(send: Send, status: int, body: Any, *headers: tuple[bytes, bytes]) -> None:
    raw = orjson.dumps(body)
    length = (b"content-length", str(len(raw)).encode())
    start = {"type": "http.response.start", "status": status, "headers": [_JSON, length, *headers]}
    await send(start)
    await send({"type": "http.response.body", "body": raw})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
