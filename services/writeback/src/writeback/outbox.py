"""Outcomes leave this service by Kafka; they are stored with the change they tell of.

They are published after the commit and forgotten when acknowledged, so a crash repeats them
rather than losing them.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import asyncpg
import structlog
from plumbline_runtime.attention import Item, close_items
from plumbline_runtime.postgres import UNREACHABLE
from plumbline_runtime.producer import Message, PublishFailed
from plumbline_runtime.tracing import traceparent
from plumbline_schemas.attention import AttentionKind
from plumbline_schemas.envelope import Envelope
from plumbline_schemas.outcomes import RefreshRequest, WritebackOutcome
from plumbline_schemas.topics import REFRESH_REQUESTS, WRITEBACK_OUTCOMES, Topic

from writeback.effects import Effect

log = structlog.get_logger()

SOURCE: Final = "/writeback"
_LIMIT: Final = 500
_POLL_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 1.0

_WAITING: Final = """select exists (select from writeback.outcomes)
                           or exists (select from writeback.looks)"""

Connection = Any
"""An asyncpg connection, pooled or not."""


class Publisher(Protocol):
    """The part of the runtime's producer that the outbox needs."""

    async def publish_many(
        self, topic: Topic, messages: Sequence[Message], *, timeout_seconds: float | None = None
    ) -> None:
        """Return when all replicas have all of them; raises PublishFailed."""


async def save_outcomes(conn: Connection, outcomes: Sequence[WritebackOutcome]) -> None:
    """Store outcomes for publishing, in the transaction that records them."""
    if outcomes:
        await conn.execute(
            "insert into writeback.outcomes (outcome) select unnest($1::jsonb[])",
            [outcome.model_dump(mode="json", exclude_none=True) for outcome in outcomes],
        )


async def close_record_attention(conn: Connection, effects: Iterable[Effect]) -> bool:
    """Close what was open about records that hold their values now."""
    kinds: tuple[AttentionKind, ...] = ("failed_effect", "conflict")
    return await close_items(
        conn, [Item(one.workspace, kind, one.id.key) for one in effects for kind in kinds]
    )


class Outbox:
    """Publishes what the tables hold, until `stopping` says so."""

    def __init__(self, pool: asyncpg.Pool, publisher: Publisher, stopping: asyncio.Event) -> None:
        self._pool = pool
        self._publisher = publisher
        self._stopping = stopping
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Something was stored in this process."""
        self._wake.set()

    async def run(self) -> None:
        """Publish as it comes; broken infrastructure is waited out, nothing is lost meanwhile."""
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                if await self.publish() == _LIMIT:
                    continue
            except (*UNREACHABLE, PublishFailed) as error:
                log.warning("outbox_interrupted", error=type(error).__name__)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            try:
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def publish(self) -> int:
        """Publish one page; returns the number of outcomes."""
        if not await self._pool.fetchval(_WAITING):
            return 0
        async with self._pool.acquire() as conn, conn.transaction():
            rows = await conn.fetch(
                """select id, outcome from writeback.outcomes order by id limit $1
                   for update skip locked""",
                _LIMIT,
            )
            if rows:
                messages = [_outcome_message(row["id"], row["outcome"]) for row in rows]
                await self._publisher.publish_many(WRITEBACK_OUTCOMES, messages)
                await conn.execute(
                    "delete from writeback.outcomes where id = any($1::bigint[])",
                    [row["id"] for row in rows],
                )
            asked = await conn.fetch(
                """select id, key, reason, requested_at from writeback.looks order by id limit $1
                   for update skip locked""",
                _LIMIT,
            )
            if asked:
                looks = [_look_message(dict(row)) for row in asked]
                await self._publisher.publish_many(REFRESH_REQUESTS, looks)
                await conn.execute(
                    "delete from writeback.looks where id = any($1::bigint[])",
                    [row["id"] for row in asked],
                )
        return max(len(rows), len(asked))


def _look_message(row: Mapping[str, Any]) -> Message:
    request = RefreshRequest(key=row["key"], reason=row["reason"], requested_at=row["requested_at"])
    envelope = Envelope(
        id=f"{row['key']}/look/{row['id']}",
        source=SOURCE,
        type="refresh.requested",
        time=row["requested_at"],
        subject=row["key"],
        schema=REFRESH_REQUESTS.name,
        sequence=row["id"],
        traceparent=None,
    )
    return Message(row["key"], request.model_dump_json().encode(), envelope.headers())


def _outcome_message(number: int, document: dict[str, Any]) -> Message:
    outcome = WritebackOutcome.model_validate(document)
    envelope = Envelope(
        id=f"{outcome.workspace}/outcome/{number}",
        source=SOURCE,
        type=f"writeback.{outcome.result}",
        time=outcome.written_at,
        subject=outcome.record,
        schema=WRITEBACK_OUTCOMES.name,
        sequence=outcome.version,
        traceparent=None if outcome.trace_id is None else traceparent(outcome.trace_id),
    )
    value = outcome.model_dump_json(exclude_none=True).encode()
    return Message(outcome.account, value, envelope.headers())
