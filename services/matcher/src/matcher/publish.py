"""The outbox's way to Kafka: after each commit, and at start for what a crash left behind.

States go out once per account (the newest), events in order, then reads, attention and decisions;
then `published_up_to` is raised. A crash in between publishes again, with the same ids (design 6).

Of several matchers one at a time publishes for a workspace: it holds the workspace's lock from
before it reads what to publish until the mark is raised, so a state read earlier is never published
after a newer one. A process that slept in between has lost the lock with its session when it wakes
and publishes its old states after all: it finds that it can't raise the mark and publishes once
more, under the lock, what is newest by then. So the last state of a key is the newest one.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import asyncpg
import orjson
import structlog
from plumbline_runtime import failpoints
from plumbline_runtime.metrics import E2E_SECONDS
from plumbline_runtime.postgres import UNREACHABLE
from plumbline_runtime.producer import Message, PublishFailed
from plumbline_runtime.tracing import change_trace, traceparent
from plumbline_schemas.envelope import Envelope
from plumbline_schemas.topics import ACCOUNTS_EVENTS, ACCOUNTS_STATE, TOPICS, Topic

log = structlog.get_logger()

_SOURCE: Final = "plumbline/matcher"
_STRIPE_TO_ACCOUNT: Final = E2E_SECONDS.labels("stripe_to_account")


_LEFT: Final = "select * from matcher.unpublished($1, $2, $3)"
"""With the workspace's lock, held until the transaction ends (migration 0017)."""
_PUBLISHED: Final = "select matcher.published($1, $2, $3)"

Connection = asyncpg.pool.PoolConnectionProxy


class Producer(Protocol):
    """The part of the runtime's producer that the outbox needs."""

    async def publish_many(self, topic: Topic, messages: Sequence[Message]) -> None:
        """Return when all are acknowledged, in order per key; raises PublishFailed."""


class OutboxPublisher:
    """Publishes workspaces' changes; one flush at a time."""

    def __init__(self, pool: asyncpg.Pool, producer: Producer, *, rows: int = 1000) -> None:
        self._pool = pool
        self._producer = producer
        self._rows = rows
        self._turn = asyncio.Lock()
        self._doubtful: dict[str, int] = {}
        """Per workspace the sequence after which this process may have published out of turn."""

    async def flush(self, workspace: str) -> None:
        """Publish until nothing of the workspace is left.

        Raises PublishFailed, and what asyncpg raises when the lock is not to be had in time.
        """
        async with self._turn:
            while await self._flush_surely(workspace):
                continue

    async def _flush_surely(self, workspace: str) -> bool:
        """Once more, at once, when the lock may have been lost while publishing."""
        try:
            return await self._flush_some(workspace)
        except UNREACHABLE:
            if workspace not in self._doubtful:
                raise
            log.warning("published_out_of_turn", workspace=workspace)
            return await self._flush_some(workspace)

    async def flush_all(self) -> None:
        """Publish what any workspace has left."""
        rows = await self._pool.fetch(
            """select workspace from matcher.workspaces
               where published_up_to < sequence or outbox_published < outbox_sequence
               order by workspace"""
        )
        for workspace in sorted({row["workspace"] for row in rows} | self._doubtful.keys()):
            await self.flush(workspace)

    async def run(self, stopping: asyncio.Event, pause_seconds: float) -> None:
        """Look for leftovers until the service stops."""
        while not stopping.is_set():
            try:
                await self.flush_all()
            except (*UNREACHABLE, PublishFailed) as error:
                log.warning("publication_waits", error=error)
            try:
                async with asyncio.timeout(pause_seconds):
                    await stopping.wait()
            except TimeoutError:
                continue

    async def _flush_some(self, workspace: str) -> bool:
        """Publish some rows; False when there were no more.

        What a commit adds meanwhile is published by the flush that follows it.
        """
        async with self._pool.acquire() as conn, conn.transaction():
            left: Any = await conn.fetchrow(
                _LEFT, workspace, self._doubtful.get(workspace), self._rows
            )
            changes, messages = left["changes"], left["messages"]
            if changes or messages:
                await self._publish(workspace, left)
                await raise_marks(conn, workspace, changes, messages)
        self._doubtful.pop(workspace, None)
        return max(len(changes), len(messages)) >= self._rows

    async def _publish(self, workspace: str, left: Any) -> None:
        """Ledger rows and messages above the marks, and above what is in doubt."""
        changes = left["changes"]
        if changes:
            self._doubtful[workspace] = changes[0]["sequence"] - 1
            await self._publish_states(left["states"], traces_of(changes))
            measure(changes)
            await self._publish_events(changes)
        failpoints.hit("matcher.after_publish")
        await self._publish_messages(workspace, left["messages"])
        failpoints.hit("matcher.before_published_up_to")

    async def _publish_states(
        self, rows: Sequence[asyncpg.Record], accounts: Mapping[str, str]
    ) -> None:
        """The newest state of each account, under the trace of its newest change."""
        messages = []
        for row in rows:
            account, version = row["account_id"], row["version"]
            effective_at = datetime.fromisoformat(row["effective_at"])
            envelope = Envelope(
                id=f"{account}:{version}",
                source=_SOURCE,
                type="account.state",
                time=effective_at,
                subject=account,
                schema=ACCOUNTS_STATE.name,
                sequence=version,
                traceparent=traceparent(accounts[account]),
            )
            headers = envelope.headers()
            messages.append(Message(account, row["state"].encode(), headers))
            if row["merged_into"] is not None:
                messages.append(Message(account, None, headers))
        await self._producer.publish_many(ACCOUNTS_STATE, messages)

    async def _publish_events(self, changes: list[asyncpg.Record]) -> None:
        messages = []
        for row in changes:
            for place, event in enumerate(orjson.loads(row["events"])):
                messages.append(_event_message(row, place, event))
        if messages:
            await self._producer.publish_many(ACCOUNTS_EVENTS, messages)

    async def _publish_messages(self, workspace: str, rows: list[asyncpg.Record]) -> None:
        """Runs of the same topic together, so that the order between topics is kept."""
        run: list[Message] = []
        topic: Topic | None = None
        for row in rows:
            if topic is not None and topic.name != row["topic"]:
                await self._producer.publish_many(topic, run)
                run = []
            topic = TOPICS[row["topic"]]
            run.append(_outbox_message(workspace, row))
        if topic is not None:
            await self._producer.publish_many(topic, run)


async def raise_marks(
    conn: Connection,
    workspace: str,
    changes: Sequence[asyncpg.Record],
    messages: Sequence[asyncpg.Record],
) -> None:
    """Note that these rows are published."""
    await conn.execute(
        _PUBLISHED,
        workspace,
        changes[-1]["sequence"] if changes else 0,
        messages[-1]["position"] if messages else 0,
    )


def traces_of(changes: Sequence[asyncpg.Record]) -> dict[str, str]:
    """The trace of each account's newest change."""
    return {row["account_id"]: _trace(row) for row in changes}


def measure(changes: Sequence[asyncpg.Record]) -> None:
    """How long accounts took from holding the vendor's event to their published state."""
    now = datetime.now(UTC)
    for row in changes:
        if row["cause_event"] is not None and row["cause_origin"] == "webhook":
            _STRIPE_TO_ACCOUNT.observe(max(0.0, (now - row["received_at"]).total_seconds()))


def _trace(row: asyncpg.Record) -> str:
    return change_trace(row["cause_key"], row["cause_event"], row["cause_time"])


def _event_message(row: asyncpg.Record, place: int, event: dict[str, Any]) -> Message:
    account, sequence = row["account_id"], row["sequence"]
    envelope = Envelope(
        id=f"{account}:{sequence}:{place}",
        source=_SOURCE,
        type=event["type"],
        time=row["effective_at"],
        subject=account,
        schema=ACCOUNTS_EVENTS.name,
        sequence=sequence,
        traceparent=traceparent(_trace(row)),
    )
    return Message(account, orjson.dumps(event), envelope.headers())


def _outbox_message(workspace: str, row: asyncpg.Record) -> Message:
    envelope = Envelope(
        id=f"{workspace}:outbox:{row['position']}",
        source=_SOURCE,
        type=row["topic"],
        time=row["occurred_at"],
        subject=row["key"],
        schema=row["topic"],
    )
    return Message(row["key"], row["value"].encode(), envelope.headers())
