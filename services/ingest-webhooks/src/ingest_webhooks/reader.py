"""The reader of one connection: takes wanted reads, looks, publishes what was seen (design 5).

One process reads a connection at a time: it holds an advisory lock on the very database session
that it takes its work from, so a lost session stops the work; another instance stands by.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import asyncpg
import structlog
from plumbline_runtime import failpoints
from plumbline_runtime.circuit import Admission
from plumbline_runtime.postgres import UNREACHABLE
from plumbline_runtime.producer import PublishFailed
from plumbline_schemas.errors import MissingScopes, Retryable, VendorError

from ingest_webhooks import store
from ingest_webhooks.backoff import full_jitter
from ingest_webhooks.consume import ObservationPublisher
from ingest_webhooks.failing import tell_of_reads
from ingest_webhooks.looks import Look, Looks
from ingest_webhooks.metrics import CIRCUIT_OPEN, READS
from ingest_webhooks.settings import IngestSettings
from ingest_webhooks.store import DueRead, Failure, storable

log = structlog.get_logger()

_VENDOR_DOWN_PAUSE: Final = 30.0
_CONNECT_SECONDS: Final = 5.0
_INFRASTRUCTURE: Final = (*UNREACHABLE, PublishFailed)


class Gate(Protocol):
    """The connection's circuit."""

    @property
    def pause_seconds(self) -> float:
        """How long to wait before asking again."""

    async def admit(self) -> Admission:
        """Whether calls may be made."""

    async def accepted(self) -> None:
        """A trial went well, or there was nothing to try."""

    async def refused(self, error: VendorError) -> None:
        """The vendor refuses our credentials."""


class Reader:
    """Reads for one connection until `stopping` says so."""

    def __init__(
        self,
        workspace: str,
        connection: str,
        *,
        connect: Callable[[], Awaitable[asyncpg.Connection]],
        look: Look,
        publisher: ObservationPublisher,
        circuit: Gate,
        settings: IngestSettings,
        stopping: asyncio.Event,
    ) -> None:
        self._workspace = workspace
        self._connection = connection
        self._connect = connect
        self._look = look
        self._publisher = publisher
        self._circuit = circuit
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
        while not self._stopping.is_set():
            self._wake.clear()
            admission = await self._circuit.admit()
            CIRCUIT_OPEN.labels(self.label).set(0 if admission == "go" else 1)
            if admission == "wait":
                await self._pause(self._circuit.pause_seconds, wakeable=False)
                continue
            waiting = await store.backlog(
                conn, self._workspace, self._connection, self._settings.read_batch
            )
            pause = self._until_batch(waiting)
            if admission == "trial" and not waiting.due:
                await self._circuit.accepted()
            elif pause > 0 and admission == "go":
                await self._pause(pause)
            else:
                await self._round(conn, trial=admission == "trial")

    def _until_batch(self, waiting: store.Backlog) -> float:
        """Seconds until the batch is worth a call: it is full, or its first has waited enough."""
        if waiting.oldest_seconds is None:
            return self._settings.read_poll
        if waiting.due >= self._settings.read_batch:
            return 0.0
        return max(0.0, self._settings.read_window - waiting.oldest_seconds)

    async def _round(self, conn: asyncpg.Connection, *, trial: bool) -> None:
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
        failures = [self._failure(read, error) for read, error in looks.failed]
        async with conn.transaction():
            await store.done(conn, self._workspace, self._connection, looks.done, started_at)
            await store.failed(conn, self._workspace, self._connection, failures)
            await tell_of_reads(conn, self._workspace, self._connection, looks.done, failures)
        self._report(looks, reads, began)
        if looks.refused is not None:
            await self._circuit.refused(looks.refused)
            return
        lacking = all(isinstance(error, MissingScopes) for _, error in looks.failed)
        if looks.done or lacking:  # what a kind lacks holds up no other
            self._failed_rounds = 0
            if trial:
                await self._circuit.accepted()
        else:
            await self._pause(self._vendor_pause(looks), wakeable=False)

    def _failure(self, read: DueRead, error: VendorError | ValueError) -> Failure:
        delay = full_jitter(
            read.attempts, first=self._settings.backoff_first, cap=self._settings.backoff_cap
        )
        if isinstance(error, Retryable) and error.retry_after is not None:
            delay = min(error.retry_after, self._settings.backoff_cap)
        return Failure(read.kind, read.vendor_id, delay, storable(str(error)), read.attempts + 1)

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

    async def _pause(self, seconds: float, *, wakeable: bool = True) -> None:
        """Wait, but no longer than until the stop; new work cuts it short if `wakeable`."""
        events = [self._stopping, self._wake] if wakeable else [self._stopping]
        tasks = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
