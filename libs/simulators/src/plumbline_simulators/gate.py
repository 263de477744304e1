"""The ASGI layer in front of a simulated API: reads the body, injects faults, logs the call."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from plumbline_simulators.calllog import CallLog
from plumbline_simulators.faults import Action, FaultBook

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]

DROP_EXTENSION = "plumbline.connection"


class Gate:
    """Wraps `app`; give the result to `server.running`."""

    def __init__(self, app: AsgiApp, *, faults: FaultBook, calls: CallLog) -> None:
        self._app = app
        self._faults = faults
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_at, began = time.time(), time.perf_counter()
        method, path = scope["method"], scope["path"]
        body = await _read_body(receive)
        actions = self._faults.actions("request", method, path)
        answer = _Answer()
        try:
            await self._answer(scope, body, actions, answer)
            await _transmit(scope, receive, send, answer, actions)
        finally:
            self._calls.add(
                method=method,
                path=path,
                query=scope["query_string"].decode("latin-1"),
                status=0 if _dropped(actions) else answer.status,
                headers={k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]},
                body=body,
                started_at=started_at,
                duration_seconds=time.perf_counter() - began,
                faults=tuple(action.kind for action in actions),
            )

    async def _answer(
        self, scope: Scope, body: bytes, actions: list[Action], answer: "_Answer"
    ) -> None:
        for action in actions:
            if action.kind == "delay":
                await asyncio.sleep(action.delay_seconds)
        for action in actions:
            if action.kind == "drop_before":
                return
            if action.kind == "status":
                answer.replace(action)
                return
        sent = False

        async def receive_once() -> Message:
            nonlocal sent
            if sent:
                return {"type": "http.disconnect"}
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, receive_once, answer.collect)
        for action in actions:
            if action.kind == "status_after":
                answer.replace(action)


class _Answer:
    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    async def collect(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")

    def replace(self, action: Action) -> None:
        self.status = action.status
        self.body = action.body.encode()
        given = {name.lower(): value for name, value in action.headers.items()}
        given.setdefault("content-type", "application/json")
        given["content-length"] = str(len(self.body))
        self.headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in given.items()]


async def _read_body(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


async def _transmit(
    scope: Scope, receive: Receive, send: Send, answer: _Answer, actions: list[Action]
) -> None:
    connection = scope.get("extensions", {}).get(DROP_EXTENSION)
    if _dropped(actions):
        await _close(connection, receive, flush=False)
        return
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    if any(action.kind == "truncate" for action in actions):
        half = answer.body[: len(answer.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await _close(connection, receive, flush=True)
        return
    await send({"type": "http.response.body", "body": answer.body})


async def _close(connection: Any, receive: Receive, *, flush: bool) -> None:
    if connection is None:
        raise RuntimeError("dropping a connection needs the server of plumbline_simulators")
    if flush:
        connection["close"]()
    else:
        connection["abort"]()
    while (await receive())["type"] != "http.disconnect":
        pass


def _dropped(actions: list[Action]) -> bool:
    return any(action.kind in ("drop_before", "drop_after") for action in actions)
