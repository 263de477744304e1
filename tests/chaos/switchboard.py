"""Stripe's address as Plumbline knows it: the key decides whose account answers.

In front of the simulators, so that a case may put in the key of another account, or have the same
account answer from another book.
"""

import httpx
from plumbline_simulators.gate import Message, Receive, Scope, Send


class Switchboard:
    """Passes GETs on; `lines` is base URL and key there, by the caller's key."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.lines: dict[str, tuple[str, str]] = {}
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request of Plumbline, which only reads."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1")
                   for name, value in scope["headers"]}  # fmt: skip
        message: Message = {"more_body": True}
        while message.get("more_body"):
            message = await receive()
        _, _, key = headers.pop("authorization", "").partition(" ")
        base, there = self.lines.get(key, (next(iter(self.lines.values()))[0], key))
        query = scope["query_string"].decode("latin-1")
        passed = {
            name: value for name, value in headers.items() if name not in {"host", "connection"}
        }
        answer = await self._client.request(
            scope["method"],
            base + scope["path"] + (f"?{query}" if query else ""),
            headers={**passed, "authorization": f"Bearer {there}", "accept-encoding": "identity"},
        )
        told = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in answer.headers.items()
            if name not in {"connection", "transfer-encoding", "content-length"}
        ]
        told.append((b"content-length", str(len(answer.content)).encode()))
        await send({"type": "http.response.start", "status": answer.status_code, "headers": told})
        await send({"type": "http.response.body", "body": answer.content})
