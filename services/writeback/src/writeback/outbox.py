"""What leaves this service by Kafka: outcomes and attention, stored with the change they tell of.

They are published after the commit and forgotten when acknowledged, so a crash repeats them
rather than losing them.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol

import asyncpg
import structlog
from plumbline_runtime.postgres import UNREACHABLE
from plumbline_runtime.producer import Message, PublishFailed
from plumbline_runtime.tracing import traceparent
from plumbline_schemas.attention import Attention, AttentionKind
from plumbline_schemas.envelope import Envelope
from plumbline_schemas.outcomes import WritebackOutcome
from plumbline_schemas.topics import ATTENTION, WRITEBACK_OUTCOMES, Topic

from writeback.effects import Effect

log = structlog.get_logger()

SOURCE: Final = "/writeback"
_LIMIT: Final = 500
_POLL_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 1.0

_WAITING: Final = """
    select exists (select from writeback.outcomes) as outcomes,
           exists (select from writeback.attention where not published) as attention
"""

Connection = Any
"""An asyncpg connection, pooled or not."""


class Publisher(Protocol):
    """The part of the runtime's producer that the outbox needs."""

    async def publish_many(
        self, topic: Topic, messages: Sequence[Message], *, timeout_seconds: float | None = None
    ) -> None:
        """Return when all replicas have all of them; raises PublishFailed."""


class Subject(NamedTuple):
    """What an attention item is about."""

    workspace: str
    kind: AttentionKind
    subject: str


async def save_outcomes(conn: Connection, outcomes: Sequence[WritebackOutcome]) -> None:
    """Store outcomes for publishing, in the transaction that records them."""
    if outcomes:
        await conn.execute(
            "insert into writeback.outcomes (outcome) select unnest($1::jsonb[])",
            [outcome.model_dump(mode="json", exclude_none=True) for outcome in outcomes],
        )


async def open_attention(
    conn: Connection, subject: Subject, summary: str, details: dict[str, Any]
) -> None:
    """Open an item, or say what changed about an open one; an unchanged one stays silent."""
    await conn.execute(
        """insert into writeback.attention as a
               (workspace, kind, subject, status, summary, details, opened_at, changed_at,
                published)
           values ($1, $2, $3, 'open', $4, $5, clock_timestamp(), clock_timestamp(), false)
           on conflict (workspace, kind, subject) do update set
               status = 'open', summary = excluded.summary, details = excluded.details,
               opened_at = case when a.status = 'open' then a.opened_at
                                else excluded.opened_at end,
               changed_at = excluded.changed_at, published = false
           where a.status <> 'open' or a.summary <> excluded.summary
              or a.details <> excluded.details""",
        *subject,
        summary,
        details,
    )


async def close_attention(conn: Connection, subjects: Iterable[Subject]) -> bool:
    """Close the items that are open; True when any was."""
    ordered = sorted(set(subjects))
    if not ordered:
        return False
    status = await conn.execute(
        """update writeback.attention
           set status = 'closed', changed_at = clock_timestamp(), published = false
           where status = 'open' and (workspace, kind, subject) in
               (select * from unnest($1::text[], $2::text[], $3::text[]))""",
        [subject.workspace for subject in ordered],
        [subject.kind for subject in ordered],
        [subject.subject for subject in ordered],
    )
    return bool(status != "UPDATE 0")


async def close_record_attention(conn: Connection, effects: Iterable[Effect]) -> bool:
    """Close what was open about records that hold their values now."""
    kinds: tuple[AttentionKind, ...] = ("failed_effect", "conflict")
    return await close_attention(
        conn, [Subject(one.workspace, kind, one.id.key) for one in effects for kind in kinds]
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
        """Publish one page of each kind; returns the larger number of records."""
        [waiting] = await self._pool.fetch(_WAITING)
        outcomes = await self._publish_outcomes() if waiting["outcomes"] else 0
        return max(outcomes, await self._publish_attention() if waiting["attention"] else 0)

    async def _publish_outcomes(self) -> int:
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
        return len(rows)

    async def _publish_attention(self) -> int:
        async with self._pool.acquire() as conn, conn.transaction():
            rows = await conn.fetch(
                """select workspace, kind, subject, status, summary, details, opened_at,
                          changed_at
                   from writeback.attention where not published
                   order by changed_at limit $1 for update skip locked""",
                _LIMIT,
            )
            if rows:
                items = [Attention.model_validate(dict(row)) for row in rows]
                await self._publisher.publish_many(
                    ATTENTION, [_attention_message(item) for item in items]
                )
                await conn.execute(
                    """update writeback.attention set published = true
                       where (workspace, kind, subject) in
                           (select * from unnest($1::text[], $2::text[], $3::text[]))""",
                    [item.workspace for item in items],
                    [item.kind for item in items],
                    [item.subject for item in items],
                )
        return len(rows)


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


def _attention_message(item: Attention) -> Message:
    changed: datetime = item.changed_at.astimezone(UTC)
    envelope = Envelope(
        id=f"{item.key}/{item.status}/{int(changed.timestamp() * 1000)}",
        source=SOURCE,
        type="attention.changed",
        time=changed,
        subject=item.key,
        schema=ATTENTION.name,
    )
    return Message(item.key, item.model_dump_json().encode(), envelope.headers())
