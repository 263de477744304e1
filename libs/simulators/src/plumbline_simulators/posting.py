"""A small keep-alive HTTP/1.1 client for posting webhooks to loopback receivers at speed."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

import httptools


class PostError(OSError):
    """No answer: refused, closed, timed out or not HTTP."""


class _Connection(asyncio.Protocol):
    """One connection, one exchange at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiting: asyncio.Future[int] | None = None
        self.usable = True
        self.body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(PostError(f"not an HTTP answer: {error}"))
            self.close()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        self.usable = self.usable and self._parser.should_keep_alive()
        self._parser = httptools.HttpResponseParser(self)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(status)

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        self._fail(PostError(f"connection closed: {exc or 'without an answer'}"))

    def _fail(self, error: PostError) -> None:
        self.usable = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)

    def close(self) -> None:
        self.usable = False
        if self._transport is not None:
            self._transport.close()

    async def exchange(self, request: bytes) -> int:
        assert self._transport is not None
        self.body = b""
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting


class PostClient:
    """Posts bodies and returns statuses; redirects are not followed, nothing is retried."""

    def __init__(self, *, timeout_seconds: float = 20.0) -> None:
        self._timeout = timeout_seconds
        self._idle: dict[tuple[str, int], deque[_Connection]] = defaultdict(deque)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The answer's status; raises PostError when there is none, ValueError for a bad url."""
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"url: only http is spoken here, found {url!r}")
        port = parts.port or 80
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"POST {target} HTTP/1.1", f"Host: {parts.hostname}:{port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        request = "\r\n".join(lines).encode("latin-1") + body
        try:
            async with asyncio.timeout(self._timeout):
                return await self._send(parts.hostname, port, request)
        except TimeoutError as error:
            raise PostError(f"no answer within {self._timeout} s") from error

    async def _send(self, host: str, port: int, request: bytes) -> int:
        connection = await self._take(host, port)
        try:
            status = await connection.exchange(request)
        except BaseException:
            connection.close()
            raise
        if connection.usable:
            self._idle[host, port].append(connection)
        else:
            connection.close()
        return status

    async def _take(self, host: str, port: int) -> _Connection:
        idle = self._idle[host, port]
        while idle:
            connection = idle.pop()
            if connection.usable:
                return connection
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(_Connection, host, port)
        except OSError as error:
            raise PostError(f"cannot connect to {host}:{port}: {error}") from error
        return connection

    def close(self) -> None:
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()
