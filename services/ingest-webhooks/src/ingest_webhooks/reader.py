"""The reader of one connection: takes wanted reads, looks, publishes what was seen (design 5).

One process reads a connection at a time: it holds an advisory lock on the very database session
that it takes its work from, so a lost session stops the work; another instance stands by.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, Protocol

import asyncpg
import structlog
from plumbline_runtime import failpoints
from plumbline_runtime.producer import Message, PublishFailed
from plumbline_schemas.attention import Attention
from plumbline_schemas.envelope import Envelope
from plumbline_schemas.errors import Retryable, Unauthorized, VendorError
from plumbline_schemas.topics import ATTENTION, Topic

from ingest_webhooks import store
from ingest_webhooks.backoff import full_jitter
from ingest_webhooks.consume import ObservationPublisher
from ingest_webhooks.looks import Look, Looks
from ingest_webhooks.metrics import CIRCUIT_OPEN, READS
from ingest_webhooks.settings import IngestSettings
from ingest_webhooks.store import DueRead, Failure, storable

log = structlog.get_logger()

_VENDOR_DOWN_PAUSE: Final = 30.0
_CONNECT_SECONDS: Final = 5.0
_INFRASTRUCTURE: Final = (
    OSError,
    TimeoutError,
    PublishFailed,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)


class Publisher(ObservationPublisher, Protocol):
    """The part of the runtime's producer that the reader needs."""

    async def publish(
        self, topic: Topic, message: Message, *, timeout_seconds: float | None = None
    ) -> None:
        """Return when all replicas have it; raises PublishFailed."""


class HealthNotes(Protocol):
    """The runtime's health: a refused connection is told there, without being unready."""

    def set(self, condition: str, ok: bool, detail: str = "") -> None:
        """State a condition."""


class Reader:
    """Reads for one connection until `stopping` says so."""

    def __init__(
        self,
        workspace: str,
        connection: str,
        *,
        connect: Callable[[], Awaitable[asyncpg.Connection]],
        look: Look,
        publisher: Publisher,
        health: HealthNotes,
        settings: IngestSettings,
        stopping: asyncio.Event,
    ) -> None:
        self._workspace = workspace
        self._connection = connection
        self._connect = connect
        self._look = look
        self._publisher = publisher
        self._health = health
        self._settings = settings
        self._stopping = stopping
        self._wake = asyncio.Event()
        self._failed_rounds = 0
        self.label = f"{workspace}/{connection}"
        self.leading = False

    def wake(self) -> None:
        """Reads were asked for in this process: no need to wait for the next poll."""
        self._wake.set()

    async def run(self) -> None:
        """Lead or stand by until stopped; broken infrastructure is waited out."""
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    conn = await self._connect()
            except _INFRASTRUCTURE as error:
                log.warning("reader_cannot_connect", source=self.label, error=type(error).__name__)
                await self._pause(self._settings.lock_retry)
                continue
            try:
                await self._serve(conn)
            except _INFRASTRUCTURE as error:
                log.warning("reader_interrupted", source=self.label, error=error)
                await self._pause(self._settings.lock_retry)
            finally:
                self.leading = False
                conn.terminate()

    async def _serve(self, conn: asyncpg.Connection) -> None:
        while not self._stopping.is_set():
            if await conn.fetchval(
                "select pg_try_advisory_lock(hashtextextended($1, 0))",
                f"ingest-webhooks reader {self.label}",
            ):
                break
            await self._pause(self._settings.lock_retry)
        if self._stopping.is_set():
            return
        self.leading = True
        log.info("reader_leads", source=self.label)
        since = await store.refused_since(conn, self._workspace, self._connection)
        self._note_circuit(None if since is None else f"refused since {since.isoformat()}")
        while not self._stopping.is_set():
            self._wake.clear()
            waiting = await store.backlog(
                conn, self._workspace, self._connection, self._settings.read_batch
            )
            pause = self._until_batch(waiting)
            if pause > 0:
                await self._pause(pause)
            else:
                await self._round(conn)

    def _until_batch(self, waiting: store.Backlog) -> float:
        """Seconds until the batch is worth a call: it is full, or its first has waited enough."""
        if waiting.oldest_seconds is None:
            return self._settings.read_poll
        if waiting.due >= self._settings.read_batch:
            return 0.0
        return max(0.0, self._settings.read_window - waiting.oldest_seconds)

    async def _round(self, conn: asyncpg.Connection) -> None:
        reads, started_at = await store.due(
            conn, self._workspace, self._connection, self._settings.read_batch
        )
        if started_at is None:
            return
        began = time.monotonic()
        looks = await self._look.look(reads)
        if looks.observations:
            await self._publisher.publish_observations(looks.observations)
        failpoints.hit("reader.after_publish")
        await store.done(conn, self._workspace, self._connection, looks.done, started_at)
        failures = [self._failure(read, error) for read, error in looks.failed]
        await store.failed(conn, self._workspace, self._connection, failures)
        self._report(looks, reads, began)
        if looks.refused is not None:
            await self._refused(conn, looks.refused)
        elif looks.done:
            self._failed_rounds = 0
            await self._accepted(conn)
        else:
            await self._pause(self._vendor_pause(looks), wakeable=False)

    def _failure(self, read: DueRead, error: VendorError | ValueError) -> Failure:
        delay = full_jitter(
            read.attempts, first=self._settings.backoff_first, cap=self._settings.backoff_cap
        )
        if isinstance(error, Retryable) and error.retry_after is not None:
            delay = min(error.retry_after, self._settings.backoff_cap)
        return Failure(read.kind, read.vendor_id, delay, storable(str(error)))

    def _vendor_pause(self, looks: Looks) -> float:
        """A vendor that fails everything is left alone a while, however many reads are due."""
        self._failed_rounds += 1
        waits = [
            error.retry_after
            for _, error in looks.failed
            if isinstance(error, Retryable) and error.retry_after is not None
        ]
        jitter = full_jitter(
            self._failed_rounds, first=self._settings.backoff_first, cap=_VENDOR_DOWN_PAUSE
        )
        return min(max([jitter, *waits]), _VENDOR_DOWN_PAUSE)

    def _report(self, looks: Looks, reads: list[DueRead], began: float) -> None:
        READS.labels(self.label, "done").inc(len(looks.done))
        READS.labels(self.label, "failed").inc(len(looks.failed))
        log.info(
            "reads_round",
            source=self.label,
            reads=len(reads),
            done=len(looks.done),
            failed=len(looks.failed),
            refused=looks.refused is not None,
            duration_ms=round((time.monotonic() - began) * 1000, 1),
        )
        for read, error in looks.failed:
            log.warning(
                "read_failed", source=self.label, kind=read.kind, id=read.vendor_id, error=error
            )

    async def _refused(self, conn: asyncpg.Connection, error: Unauthorized) -> None:
        """Open the circuit: every read of the connection waits, none is lost, none counts."""
        self._note_circuit(f"refused, reads wait: {error}")
        log.error("connection_refused", source=self.label, error=error)
        if await store.refused_since(conn, self._workspace, self._connection) is None:
            now = datetime.now(UTC)
            await self._tell("open", f"{self.label} refuses our credentials: {error}", now, now)
            await store.refused(conn, self._workspace, self._connection, storable(str(error)))
        await self._pause(self._settings.circuit_retry, wakeable=False)

    async def _accepted(self, conn: asyncpg.Connection) -> None:
        since = await store.refused_since(conn, self._workspace, self._connection)
        if since is None:
            return
        now = datetime.now(UTC)
        await self._tell("closed", f"{self.label} takes our credentials again", since, now)
        await store.accepted(conn, self._workspace, self._connection)
        self._note_circuit(None)

    def _note_circuit(self, why_open: str | None) -> None:
        CIRCUIT_OPEN.labels(self.label).set(0 if why_open is None else 1)
        # Always met: one connection's token must not turn the whole service unready.
        self._health.set(f"credentials:{self.label}", True, why_open or "")

    async def _tell(self, status: str, summary: str, opened: datetime, now: datetime) -> None:
        item = Attention.model_validate(
            {
                "workspace": self._workspace,
                "kind": "connection_refused",
                "subject": f"{self._connection}/reads",
                "status": status,
                "summary": summary,
                "opened_at": opened,
                "changed_at": now,
            }
        )
        envelope = Envelope(
            id=f"{item.key}/{status}/{int(now.timestamp() * 1000)}",
            source="/ingest-webhooks",
            type="attention.changed",
            time=now,
            subject=item.key,
            schema=ATTENTION.name,
        )
        message = Message(item.key, item.model_dump_json().encode(), envelope.headers())
        await self._publisher.publish(ATTENTION, message)

    async def _pause(self, seconds: float, *, wakeable: bool = True) -> None:
        """Wait, but no longer than until the stop; new work cuts it short if `wakeable`."""
        events = [self._stopping, self._wake] if wakeable else [self._stopping]
        tasks = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
