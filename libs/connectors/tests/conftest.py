"""A vendor that answers what a test tells it to, over a real socket on loopback."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

import orjson
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


class Call(NamedTuple):
    method: str
    path: str
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class ScriptedVendor:
    """Answers of one method and path are given in turn; the last one stays."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[Call] = []
        self._script: dict[tuple[str, str], deque[tuple[int, bytes, dict[str, str]]]] = {}

    def on(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        self._script.setdefault((method, path), deque()).append((status, raw, dict(headers or {})))

    def reset(self) -> None:
        self.calls.clear()
        self._script.clear()

    async def answer(self, request: Request) -> Response:
        self.calls.append(
            Call(
                request.method,
                request.url.path,
                request.query_params.multi_items(),
                request.headers,
                await request.body(),
            )
        )
        answers = self._script.get((request.method, request.url.path))
        if not answers:
            return Response(b'{"message": "unknown path"}', 410)
        status, body, headers = answers.popleft() if len(answers) > 1 else answers[0]
        return Response(body, status, {"content-type": "application/json", **headers})


@pytest.fixture(scope="session")
async def vendor_server() -> AsyncIterator[ScriptedVendor]:
    scripted = ScriptedVendor()
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    app = Starlette(routes=[Route("/{path:path}", scripted.answer, methods=methods)])
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="error", lifespan="off", date_header=False
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    scripted.url = f"http://127.0.0.1:{port}"
    yield scripted
    server.should_exit = True
    await running


@pytest.fixture
def vendor(vendor_server: ScriptedVendor) -> ScriptedVendor:
    vendor_server.reset()
    return vendor_server
