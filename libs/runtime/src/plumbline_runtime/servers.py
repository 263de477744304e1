"""HTTP servers inside the service's event loop: uvicorn without signal handlers of its own."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from plumbline_runtime.config_checks import split_listen

_BACKLOG: Final = 2048
_STARTED_SECONDS: Final = 10.0
_KEEP_ALIVE_SECONDS: Final = 75
"""Longer than a load balancer or a vendor's client leaves a connection idle (60 s as a rule): when
the server closes it first, a request may be on its way into it and is lost without an answer."""
_UNREAD_SECONDS: Final = 0.1
"""For requests of connections that had been accepted and not read when the address closed."""


class _Quiet(uvicorn.Server):
    """The service's supervisor owns the signals."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the handlers as they are."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the address, answer what had come in by then, close the connections.

        A connection that is closed with a request unread in it is reset: its sender can't know
        whether the request was taken.
        """
        for server in self.servers:
            server.close()
        await asyncio.sleep(_UNREAD_SECONDS)
        await super().shutdown(sockets)


class HttpServer:
    """One listening address and the app behind it."""

    def __init__(self, app: ASGIApp, listen: str, *, graceful_seconds: int = 5) -> None:
        host, port = split_listen(listen)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        # Accepted connections inherit it: Nagle's delay would cost 40 ms an answer.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound = self._socket.getsockname()[1]
        self.address = f"[{host}]:{bound}" if ":" in host else f"{host}:{bound}"
        self._server = _Quiet(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="auto",
                log_config=None,
                access_log=False,
                server_header=False,
                backlog=_BACKLOG,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=graceful_seconds,
            )
        )

    async def run(self) -> None:
        """Serve until `stop`."""
        await self._server.serve(sockets=[self._socket])

    async def started(self) -> None:
        """Wait until requests are answered; raises TimeoutError."""
        async with asyncio.timeout(_STARTED_SECONDS):
            while not self._server.started:  # noqa: ASYNC110 - uvicorn offers no event
                await asyncio.sleep(0.01)

    def stop(self) -> None:
        """Accept nothing more and let `run` return once open requests are answered."""
        self._server.should_exit = True
