"""A load balancer that sends nothing twice: turn by turn to instances whose /health/ready says so.

It asks each instance's health all the time, and takes one that says 503 for away until its health
says otherwise. What it has passed on is never passed on again, so a connection that is refused or
cut off is one a vendor would have met.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import httpx
from plumbline_simulators.gate import Message, Receive, Scope, Send

UNAVAILABLE = 503
EVERY_SECONDS = 0.05
DRAINING = "shutting down"
"""What an instance says that leaves."""


class Balancer:
    """ASGI application; `statuses` is what callers were answered."""

    def __init__(self, client: httpx.AsyncClient, instances: Sequence[str]) -> None:
        self.statuses = Counter[int]()
        self.draining = 0
        """Requests that met an instance before its leaving was seen."""
        self.broken = Counter[str]()
        """Connections refused, reset or cut off, and answers that no balancer should see."""
        self.passed_over = 0
        """Requests that went past an instance that was away."""
        self._client = client
        self._instances = list(instances)
        self._away: set[str] = set()
        self._turn = 0

    @contextlib.asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """A block in which every instance's health is asked."""
        looks = [asyncio.create_task(self._look(one)) for one in self._instances]
        try:
            yield
        finally:
            for look in looks:
                look.cancel()
            await asyncio.gather(*looks, return_exceptions=True)

    async def _look(self, instance: str) -> None:
        while True:
            await self.ask(instance)
            await asyncio.sleep(EVERY_SECONDS)

    async def ask(self, instance: str) -> None:
        """Believe what its health says now."""
        try:
            ready = (await self._client.get(f"{instance}/health/ready")).status_code == 200
        except httpx.TransportError:
            ready = False
        (self._away.discard if ready else self._away.add)(instance)

    async def sees(self, instance: str) -> bool:
        """Whether requests go to it."""
        return instance not in self._away

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        body, message = b"", Message({"more_body": True})
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        status, content = await self._answer(scope, body)
        self.statuses[status] += 1
        headers = [(b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, scope: Scope, body: bytes) -> tuple[int, bytes]:
        instance = self._next()
        if instance is None:
            self.broken["no instance"] += 1
            return UNAVAILABLE, b"no instance"
        query = scope["query_string"].decode("latin-1")
        url = instance + scope["path"] + (f"?{query}" if query else "")
        skipped = (b"connection", b"content-length")
        headers = [pair for pair in scope["headers"] if pair[0] not in skipped]
        try:
            answer = await self._client.request(scope["method"], url, headers=headers, content=body)
        except httpx.TransportError as error:
            self.broken[type(error).__name__] += 1
            return UNAVAILABLE, b"cut off"
        if answer.status_code == UNAVAILABLE and DRAINING in answer.text:
            self._away.add(instance)
            self.draining += 1
        elif not answer.is_success:
            self.broken[f"{answer.status_code} {answer.text[:60]}"] += 1
        return answer.status_code, answer.content

    def _next(self) -> str | None:
        """The next instance that is there."""
        for _ in self._instances:
            self._turn = (self._turn + 1) % len(self._instances)
            if self._instances[self._turn] not in self._away:
                return self._instances[self._turn]
            self.passed_over += 1
        return None
