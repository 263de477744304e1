"""Kinds of objects that the token may not touch: left alone, while the other kinds go on.

A token that lacks the scopes of contacts is no bad token: its companies are written. What a kind
waits for is told by its scope, and tried again every `retry_seconds` by the next thing to be done.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

import asyncpg
import structlog
from plumbline_runtime.attention import Item, close_items, open_attention
from plumbline_runtime.postgres import transaction
from plumbline_schemas.errors import MissingScopes

log = structlog.get_logger()

Call = Literal["read", "write", "properties"]
"""What is done with a kind: each may take a scope of its own."""

_OPEN: Final = """
select subject from runtime.attention_view
where workspace = $1 and kind = 'connection_refused' and status = 'open'
  and details @> $2
"""


class Kinds:
    """Which kinds of objects of one connection may be worked on."""

    def __init__(
        self,
        pool: "asyncpg.Pool",
        workspace: str,
        connection: str,
        *,
        retry_seconds: float,
        wake: Callable[[], None],
    ) -> None:
        """`wake` is called when attention was stored."""
        self._pool = pool
        self._workspace = workspace
        self._connection = connection
        self._retry = retry_seconds
        self._wake = wake
        self._refused: dict[tuple[str, Call], float] = {}
        """Until when it is not tried again."""
        self._accepted: set[tuple[str, Call]] = set()

    def admits(self, kind: str) -> bool:
        """Whether there is any use in working on this kind now."""
        now = time.monotonic()
        return all(until <= now for (held, _), until in self._refused.items() if held == kind)

    @asynccontextmanager
    async def calling(self, kind: str, call: Call) -> AsyncIterator[None]:
        """Around a call of the vendor's API: takes note of what it says about scopes."""
        try:
            yield
        except MissingScopes as error:
            await self._note_refusal(kind, call, error)
            raise
        if (kind, call) not in self._accepted:
            await self._note_acceptance(kind, call)

    async def _note_refusal(self, kind: str, call: Call, error: MissingScopes) -> None:
        self._refused[kind, call] = time.monotonic() + self._retry
        self._accepted.discard((kind, call))
        scope = error.scopes[0] if error.scopes else f"{kind}/{call}"
        names = " or ".join(error.scopes) or f"the scopes of {kind}"

        async def tell(conn: Any) -> None:
            await open_attention(
                conn,
                workspace=self._workspace,
                kind="connection_refused",
                subject=f"{self._connection}/{scope}",
                summary=f"{self._workspace}/{self._connection}: the token lacks {names}: nothing "
                f"of kind {kind} is written, other kinds are; add the scope in HubSpot",
                details={**self._details(kind, call), "scopes": list(error.scopes)},
            )

        await transaction(self._pool, tell)
        log.warning("kind_refused", target=f"{self._workspace}/{self._connection}",
                    kind=kind, call=call, scopes=list(error.scopes))  # fmt: skip
        self._wake()

    async def _note_acceptance(self, kind: str, call: Call) -> None:
        """The first success since the start, or since a refusal: whatever was told is over."""

        async def tell(conn: Any) -> bool:
            rows = await conn.fetch(_OPEN, self._workspace, self._details(kind, call))
            items = [Item(self._workspace, "connection_refused", row["subject"]) for row in rows]
            return await close_items(conn, items)

        closed = await transaction(self._pool, tell)
        self._refused.pop((kind, call), None)
        self._accepted.add((kind, call))
        if closed:
            log.info("kind_accepted_again", target=f"{self._workspace}/{self._connection}",
                     kind=kind, call=call)  # fmt: skip
            self._wake()

    def _details(self, kind: str, call: Call) -> dict[str, str]:
        return {"connection": self._connection, "kind": kind, "call": call}
