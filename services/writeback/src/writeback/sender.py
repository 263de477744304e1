"""The sender of one connection: the only one that writes there (design 7).

It holds an advisory lock on the very database session that it takes its work from, so a lost
session stops the work; another instance stands by. What a dead process left in the air waits for
the end of its lease before it goes out again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Protocol

import asyncpg
import structlog
from plumbline_schemas.errors import Retryable, VendorError

from writeback import queue, settle, store
from writeback.deploy import KINDS, HealthNotes
from writeback.gate import OPEN
from writeback.job import Job
from writeback.metrics import BACKLOG, CIRCUIT_OPEN
from writeback.outbox import Subject, close_attention, open_attention
from writeback.round import Rounds
from writeback.settings import WritebackSettings
from writeback.store import Connection
from writeback.values import comparer

log = structlog.get_logger()

_CONNECT_SECONDS: Final = 5.0
_BACKLOG_SECONDS: Final = 5.0
_INFRASTRUCTURE: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Deployed(Protocol):
    """Who makes sure of the properties."""

    async def ensure(self, kind: str, mapping: Mapping[str, str]) -> frozenset[str]:
        """Properties that must not be written; raises VendorError."""


class Sender:
    """Carries out effects until `stopping` says so."""

    def __init__(
        self,
        workspace: str,
        connection: str,
        *,
        connect: Callable[[], Awaitable[asyncpg.Connection]],
        rounds: Rounds,
        deployed: Deployed,
        health: HealthNotes,
        settings: WritebackSettings,
        stopping: asyncio.Event,
        wake_outbox: Callable[[], None],
    ) -> None:
        self._workspace = workspace
        self._connection = connection
        self._connect = connect
        self._rounds = rounds
        self._deployed = deployed
        self._health = health
        self._settings = settings
        self._stopping = stopping
        self._wake_outbox = wake_outbox
        self._wake = asyncio.Event()
        self._failed_rounds = 0
        self._circuit: bool | None = None
        self._counted_at = datetime.fromtimestamp(0, UTC)
        self.label = f"{workspace}/{connection}"

    def wake(self) -> None:
        """Effects changed in this process: no need to wait for the next poll."""
        self._wake.set()

    async def run(self) -> None:
        """Lead or stand by until stopped; broken infrastructure is waited out."""
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    conn = await self._connect()
            except _INFRASTRUCTURE as error:
                log.warning("sender_cannot_connect", target=self.label, error=type(error).__name__)
                await self._pause(self._settings.lock_retry)
                continue
            try:
                await self._lead(conn)
            except _INFRASTRUCTURE as error:
                log.warning("sender_interrupted", target=self.label, error=error)
                await self._pause(self._settings.lock_retry)
            finally:
                conn.terminate()

    async def _lead(self, conn: Connection) -> None:
        while not self._stopping.is_set():
            if await conn.fetchval(
                "select pg_try_advisory_lock(hashtextextended($1, 0))",
                f"writeback sender {self.label}",
            ):
                break
            await self._pause(self._settings.lock_retry)
        log.info("sender_leads", target=self.label)
        while not self._stopping.is_set():
            woken = self._wake.is_set()
            self._wake.clear()
            if woken:
                await asyncio.sleep(self._settings.coalesce)
            try:
                worked = await self._rounds_of_kinds(conn)
            except VendorError as error:
                await self._failed(conn, error)
                continue
            await self._count(conn)
            if not worked:
                await self._pause(self._settings.poll, wakeable=True)

    async def _rounds_of_kinds(self, conn: Connection) -> bool:
        facts = await store.workspace(conn, self._workspace)
        if facts.gate != OPEN:
            return False
        worked = False
        for kind in KINDS:
            due = await queue.due(
                conn,
                self._workspace,
                self._connection,
                kind,
                limit=self._settings.batch,
                max_age=self._settings.seen_max_age,
                now=datetime.now(UTC),
            )
            if not due:
                continue
            worked = True
            mapping = facts.mapping(self._connection, kind)
            blocked = await self._deployed.ensure(kind, mapping)
            job = Job(
                self._workspace,
                self._connection,
                kind,
                mapping,
                blocked,
                facts.conflict_policy,
                comparer(mapping),
            )
            failure = await self._rounds.carry_out(conn, job, due)
            self._wake_outbox()
            if failure is not None:
                raise failure
            await self._accepted(conn)
        return worked

    async def _failed(self, conn: Connection, error: VendorError) -> None:
        """A vendor that fails is left alone a while; one that refuses us, for longer."""
        self._failed_rounds += 1
        if isinstance(error, Retryable):
            wait = settle.delay(self._settings.schedule, self._failed_rounds - 1)
            wait = max(error.retry_after or 0.0, min(wait, self._settings.circuit_retry))
            log.warning("crm_call_failed", target=self.label, error=error, wait=wait)
            await self._pause(wait)
            return
        CIRCUIT_OPEN.labels(self.label).set(1)
        self._health.set(f"credentials:{self.label}", True, f"refused, writes wait: {error}")
        log.error("connection_refused", target=self.label, error=error)
        self._circuit = True
        async with conn.transaction():
            summary = f"{self.label} refuses our writes, they wait: {error}"
            await open_attention(conn, self._refusal, summary, {})
        self._wake_outbox()
        await self._pause(self._settings.circuit_retry)

    async def _accepted(self, conn: Connection) -> None:
        self._failed_rounds = 0
        if self._circuit is False:
            return
        self._circuit = False
        CIRCUIT_OPEN.labels(self.label).set(0)
        self._health.set(f"credentials:{self.label}", True, "")
        if await close_attention(conn, [self._refusal]):
            self._wake_outbox()

    @property
    def _refusal(self) -> Subject:
        return Subject(self._workspace, "connection_refused", f"{self._connection}/writes")

    async def _count(self, conn: Connection) -> None:
        now = datetime.now(UTC)
        if (now - self._counted_at).total_seconds() < _BACKLOG_SECONDS:
            return
        self._counted_at = now
        found = await queue.backlog(conn, self._workspace, self._connection)
        for state in ("pending", "held", "failed"):
            BACKLOG.labels(self.label, state).set(found.get(state, 0))

    async def _pause(self, seconds: float, *, wakeable: bool = False) -> None:
        """Wait, but no longer than until the stop; new work cuts it short if `wakeable`."""
        events = [self._stopping, self._wake] if wakeable else [self._stopping]
        tasks = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
