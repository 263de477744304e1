"""Runs an ASGI app on loopback with uvicorn, inside the caller's event loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from plumbline_simulators.gate import DROP_EXTENSION, AsgiApp


class _DroppableProtocol(HttpToolsProtocol):
    """Lets the gate close the connection, which ASGI has no message for."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {
            DROP_EXTENSION: {"close": self.transport.close, "abort": self.transport.abort}
        }


class _EmbeddedServer(uvicorn.Server):
    """Leaves signals to the program around it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ServerError(RuntimeError):
    """The port could not be taken, or the server ended before it was ready."""


class RunningServer:
    """A started server; `base_url` without a trailing slash."""

    def __init__(self, server: uvicorn.Server, task: asyncio.Task[None], sock: socket.socket):
        self._server = server
        self._task = task
        self._socket = sock
        host, port = sock.getsockname()[:2]
        self.host: str = host
        self.port: int = port
        self.base_url = f"http://{host}:{port}"

    async def stop(self) -> None:
        self._server.should_exit = True
        try:
            await self._task
        finally:
            self._socket.close()


async def serve(app: AsgiApp, host: str = "127.0.0.1", port: int = 0) -> RunningServer:
    """Start serving and return once connections are accepted; port 0 takes a free one."""
    # The protocol is named so that asyncio turns Nagle's delay off for what it accepts.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise ServerError(f"cannot listen on {host}:{port}: {error}") from error
    config = uvicorn.Config(
        app,
        http=_DroppableProtocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        date_header=False,
        server_header=False,
        backlog=2048,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
    )
    server = _EmbeddedServer(config)
    task = asyncio.create_task(server.serve(sockets=[sock]), name=f"simulator {host}:{port}")
    while not server.started:
        if task.done():
            sock.close()
            raise ServerError(f"server on {host}:{port} ended at once") from task.exception()
        await asyncio.sleep(0.002)
    return RunningServer(server, task, sock)


@contextlib.asynccontextmanager
async def running(app: AsgiApp, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """`async with running(app) as base_url`: for tests and for embedding."""
    server = await serve(app, host, port)
    try:
        yield server.base_url
    finally:
        await server.stop()
