"""A TCP proxy with faults: silent in both directions, or half of every connection gone.

For what needs no root: to both ends a silent tunnel looks like a network that drops every packet.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

LOOPBACK = "127.0.0.1"
Rewrite = Callable[[bytes], bytes]


class Tunnel:
    """Passes on to `port`; `rewrite` may change what the server says (same length)."""

    def __init__(self, port: int, rewrite: Callable[[int], Rewrite] | None = None) -> None:
        self._to = port
        self._make_rewrite = rewrite
        self._open = asyncio.Event()
        self._open.set()
        self._upstream: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.held = 0
        """Bytes that met the silence."""

    def silence(self) -> None:
        """From now on nothing passes; connections stay open and new ones are taken."""
        self._open.clear()

    def heal(self) -> None:
        """What was held passes on, late."""
        self._open.set()

    def halve(self) -> None:
        """Close the server's side of every connection and don't tell the client."""
        for writer in self._upstream:
            writer.transport.abort()

    async def serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await self._open.wait()
            server, there = await asyncio.open_connection(LOOPBACK, self._to)
        except OSError:
            back.transport.abort()
            return
        self._upstream.add(there)
        try:
            answers = asyncio.create_task(self._answers(server, back))
            await self._pump(client, there)
            await answers
        finally:
            answers.cancel()
            self._upstream.discard(there)
            for writer in (there, back):
                writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(1 << 16):
                await self._pass(data)
                to.write(data)
                await to.drain()
            if not to.transport.is_closing():
                to.write_eof()

    async def _pass(self, data: bytes) -> None:
        if not self._open.is_set():
            self.held += len(data)
            await self._open.wait()

    async def _answers(self, server: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        if self._make_rewrite is None:
            with contextlib.suppress(OSError):
                while data := await server.read(1 << 16):
                    await self._pass(data)
                    back.write(data)
                    await back.drain()
            return
        rewrite = self._make_rewrite(self.port)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                size = await server.readexactly(4)
                body = await server.readexactly(int.from_bytes(size))
                await self._pass(body)
                back.write(size + rewrite(body))
                await back.drain()

    async def close(self) -> None:
        """End every connection."""
        self._open.set()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def postgres_tunnel(port: int) -> AsyncIterator[Tunnel]:
    """In front of PostgreSQL at `port`."""
    async with _running(Tunnel(port)) as tunnel:
        yield tunnel


@asynccontextmanager
async def kafka_tunnel(port: int) -> AsyncIterator[Tunnel]:
    """In front of the one broker at `port`: its answers name the tunnel's port as its own."""

    def through(own: int) -> Rewrite:
        real, ours = (LOOPBACK.encode() + one.to_bytes(4) for one in (port, own))
        return lambda body: body.replace(real, ours)

    async with _running(Tunnel(port, through)) as tunnel:
        yield tunnel


@asynccontextmanager
async def _running(tunnel: Tunnel) -> AsyncIterator[Tunnel]:
    server = await asyncio.start_server(tunnel.serve, LOOPBACK, 0)
    tunnel.port = int(server.sockets[0].getsockname()[1])
    try:
        yield tunnel
    finally:
        server.close()
        await tunnel.close()
        await server.wait_closed()
