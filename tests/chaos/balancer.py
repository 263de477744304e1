"""A load balancer: turn by turn, and to the next when an instance is away, says 503 or is cut off.

Passing on what may have been taken is safe: a delivery that comes twice changes nothing (I1, I6).
A stopping server closes connections of which it has read no request yet: no answer comes.
"""

from collections import Counter
from collections.abc import Sequence

import httpx
from plumbline_simulators.gate import Message, Receive, Scope, Send

UNAVAILABLE = 503


class Balancer:
    """ASGI application; `statuses` is what callers were answered."""

    def __init__(self, client: httpx.AsyncClient, instances: Sequence[str]) -> None:
        self.statuses = Counter[int]()
        self.said = Counter[int]()
        """What instances answered."""
        self.turned_away = 0
        """Requests that an instance would not or could not take."""
        self.reasons = Counter[str]()
        """Why they were turned away or cut off."""
        self._client = client
        self._instances = list(instances)
        self._turn = 0

    def failed(self) -> int:
        """Answers of 500 and above."""
        return sum(n for status, n in self.statuses.items() if status >= 500)

    def strange(self) -> dict[int, int]:
        """Answers of instances that are neither 2xx nor 503, with their number."""
        known = (UNAVAILABLE, *range(200, 300))
        return {status: n for status, n in self.said.items() if status not in known}

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
        self._turn = (self._turn + 1) % len(self._instances)
        # Each instance once: what other requests do meanwhile moves only where they begin.
        for instance in (*self._instances[self._turn :], *self._instances[: self._turn]):
            query = scope["query_string"].decode("latin-1")
            url = instance + scope["path"] + (f"?{query}" if query else "")
            skipped = (b"connection", b"content-length")
            headers = [pair for pair in scope["headers"] if pair[0] not in skipped]
            try:
                answer = await self._client.request(
                    scope["method"], url, headers=headers, content=body
                )
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                self.turned_away += 1
                self.reasons[type(error).__name__] += 1
                continue
            except httpx.TransportError as error:
                self.reasons[f"cut off: {type(error).__name__}"] += 1
                continue
            self.said[answer.status_code] += 1
            if answer.status_code == UNAVAILABLE:
                self.turned_away += 1
                self.reasons[answer.text[:100]] += 1
                continue
            return answer.status_code, answer.content
        return UNAVAILABLE, b"no instance"
