"""The sender of one connection: the only one that writes there (design 7).

It holds an advisory lock on the very database session that it takes its work from, so a lost
session stops the work; another instance stands by. What a dead process left in the air waits for
the end of its lease before it goes out again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

import asyncpg
import structlog
from plumbline_runtime.circuit import Admission
from plumbline_runtime.postgres import UNREACHABLE
from plumbline_schemas.errors import Retryable, VendorError

from writeback import queue, settle, store
from writeback.creation_round import Admitted, Creations
from writeback.deploy import KINDS
from writeback.gate import OPEN, WorkspaceFacts
from writeback.job import Job
from writeback.lanes import Lanes
from writeback.metrics import BACKLOG, CIRCUIT_OPEN
from writeback.plan import PRIORITY_URGENT
from writeback.queue import Due
from writeback.round import Rounds
from writeback.session import Session
from writeback.settings import WritebackSettings
from writeback.store import Connection
from writeback.values import comparer

log = structlog.get_logger()

_CONNECT_SECONDS: Final = 5.0
_BACKLOG_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 1.0


class Deployed(Protocol):
    """Who makes sure of the properties."""

    async def ensure(self, kind: str, mapping: Mapping[str, str]) -> frozenset[str]:
        """Properties that must not be written; raises VendorError."""


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


class Sender:
    """Carries out effects until `stopping` says so."""

    def __init__(
        self,
        workspace: str,
        connection: str,
        *,
        connect: Callable[[], Awaitable[asyncpg.Connection]],
        rounds: Rounds,
        creations: Creations,
        deployed: Deployed,
        circuit: Gate,
        kinds: Admitted,
        settings: WritebackSettings,
        stopping: asyncio.Event,
        wake_outbox: Callable[[], None],
    ) -> None:
        self._workspace = workspace
        self._connection = connection
        self._connect = connect
        self._rounds = rounds
        self._creations = creations
        self._deployed = deployed
        self._circuit = circuit
        self._kinds = kinds
        self._settings = settings
        self._stopping = stopping
        self._wake_outbox = wake_outbox
        self._wake = asyncio.Event()
        self._failed_rounds = 0
        self._trial = False
        self._counted_at = self._looked_at = float("-inf")
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
            except UNREACHABLE as error:
                log.warning("sender_cannot_connect", target=self.label, error=type(error).__name__)
                await self._pause(self._settings.lock_retry)
                continue
            try:
                await self._lead(conn)
            except UNREACHABLE as error:
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
        session, lanes = Session(conn), Lanes(self._settings.lanes)
        try:
            while not self._stopping.is_set():
                await self._turn(session, lanes)
            await lanes.finish()
        finally:
            await lanes.abandon()

    async def _turn(self, session: Session, lanes: Lanes) -> None:
        """Take note of what has ended, start what is due, wait for more."""
        woken = self._wake.is_set()
        self._wake.clear()
        self._rounds.granted.clear()
        if woken:
            await asyncio.sleep(self._settings.coalesce)
        over = lanes.ended()
        if over.failure is not None:
            await lanes.finish()
            rest = lanes.ended()
            await self._failed(rest.failure or over.failure)
            return
        if over.worked:
            self._wake_outbox()
            self._failed_rounds = 0
            await self._prove()
        if not await self._admitted(lanes):
            await self._count(session)
            await self._pause(self._circuit.pause_seconds, lanes.moved)
            return
        started = lanes.free and await self._start(session, lanes)
        if self._trial and not len(lanes):
            await self._prove()
        await self._count(session)
        if not started:
            await self._pause(self._settings.poll, self._wake, lanes.moved, self._rounds.granted)

    async def _start(self, session: Session, lanes: Lanes) -> bool:
        """Start a round for each kind that is worth one; False when there is nothing to do."""
        await session.ask_time()
        facts = await self._facts(session)
        if facts.gate != OPEN:
            return False
        started = await self._look_back(session, facts, lanes)
        for kind in filter(self._kinds.admits, KINDS):
            due = await self._due(session, lanes, kind)
            if due:
                # Anew: what an effect wants now must not be judged by an older mapping or policy.
                # With an older effect it is the other way round: its revision tells.
                work = self._round(session, await self._facts(session), kind, due)
                lanes.start(work, [one.effect.id for one in due])
                started = True
            if started and self._trial:
                break
        target = (self._workspace, self._connection)
        if started and (self._trial or self._rounds.throttled):
            return started
        return await self._creations.start(session, lanes, target) or started

    async def _facts(self, session: Session) -> WorkspaceFacts:
        async with session.turn() as conn:
            return await store.workspace(conn, self._workspace)

    async def _look_back(self, session: Session, facts: WorkspaceFacts, lanes: Lanes) -> bool:
        """Start looking for late writes, a batch of each kind once a second at most."""
        early = time.monotonic() - self._looked_at < _LOOK_SECONDS
        if early or self._trial or self._rounds.throttled:
            return False
        self._looked_at = time.monotonic()
        started = False
        for kind in filter(self._kinds.admits, KINDS):
            async with session.turn() as conn:
                found = await queue.to_look_at(
                    conn, self._workspace, self._connection, kind,
                    limit=self._settings.batch, busy=lanes.busy(kind),
                )  # fmt: skip
            if found:
                job = self._job(facts, kind, frozenset(), urgent=False)
                work = self._rounds.look_back(session, job, facts, found)
                lanes.start(work, [one.id for one in found])
                started = True
        return started

    async def _due(self, session: Session, lanes: Lanes, kind: str) -> list[Due]:
        """A batch to send now. While another is in the air only a full one is worth a call, or
        one with a payment that has just failed: what comes meanwhile joins the next."""
        key = (self._workspace, self._connection, kind)
        size, busy = self._settings.batch, lanes.busy(kind)
        async with session.turn() as conn:
            if len(lanes) > 0:
                found = await queue.waiting(conn, *key, limit=size, busy=busy)
                if not found.urgent and (found.rows < size or self._rounds.throttled):
                    return []
            return await queue.due(
                conn, *key, limit=size, max_age=self._settings.seen_max_age, busy=busy
            )

    async def _round(
        self, session: Session, facts: WorkspaceFacts, kind: str, due: list[Due]
    ) -> VendorError | None:
        mapping = facts.mapping(self._connection, kind)
        blocked = await self._deployed.ensure(kind, mapping)
        urgent = any(one.effect.priority == PRIORITY_URGENT for one in due)
        job = self._job(facts, kind, blocked, urgent=urgent)
        return await self._rounds.carry_out(session, job, due)

    def _job(
        self, facts: WorkspaceFacts, kind: str, blocked: frozenset[str], *, urgent: bool
    ) -> Job:
        mapping = facts.mapping(self._connection, kind)
        return Job(
            self._workspace,
            self._connection,
            kind,
            mapping,
            blocked,
            facts.conflict_policy,
            comparer(mapping),
            urgent,
        )

    async def _failed(self, error: VendorError) -> None:
        """A vendor that fails is left alone a while; one that refuses us, as its circuit says."""
        self._failed_rounds += 1
        if isinstance(error, Retryable):
            wait = settle.delay(self._settings.schedule, self._failed_rounds - 1)
            wait = max(error.retry_after or 0.0, min(wait, self._settings.circuit_retry))
            log.warning("crm_call_failed", target=self.label, error=error, wait=wait)
            await self._pause(wait)
            return
        self._trial = False
        await self._circuit.refused(error)

    async def _admitted(self, lanes: Lanes) -> bool:
        """Whether calls may be made; on trial, one round alone."""
        if self._trial:
            return not len(lanes)
        admission = await self._circuit.admit()
        CIRCUIT_OPEN.labels(self.label).set(0 if admission == "go" else 1)
        self._trial = admission == "trial"
        return admission != "wait"

    async def _prove(self) -> None:
        """A round went well, or a trial found nothing to do."""
        if self._trial:
            self._trial = False
            await self._circuit.accepted()

    async def _count(self, session: Session) -> None:
        now = time.monotonic()
        if now - self._counted_at < _BACKLOG_SECONDS:
            return
        self._counted_at = now
        async with session.turn() as conn:
            found = await queue.backlog(conn, self._workspace, self._connection)
        for state in ("pending", "held", "failed"):
            BACKLOG.labels(self.label, state).set(found.get(state, 0))

    async def _pause(self, seconds: float, *events: asyncio.Event) -> None:
        """Wait, but no longer than until the stop or one of the events."""
        tasks = [asyncio.ensure_future(event.wait()) for event in (self._stopping, *events)]
        try:
            await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
