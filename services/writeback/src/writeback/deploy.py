"""The CRM properties that carry our fields: made sure of before anything is written."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import asyncpg
import structlog
from plumbline_runtime.attention import Item, close_items, open_attention
from plumbline_runtime.circuit import Admission
from plumbline_runtime.postgres import UNREACHABLE, transaction
from plumbline_schemas.errors import MissingScopes, Retryable, Unauthorized, VendorError
from plumbline_schemas.fields import ACCOUNT_ID_PROPERTY

from writeback import queue, settle, store
from writeback.crm import PropertyProblem
from writeback.settings import WritebackSettings
from writeback.turns import Throttle

log = structlog.get_logger()

KINDS: Final = ("company", "contact")


class PropertyHolder(Protocol):
    """The CRM of one connection."""

    async def missing(self, kind: str, mapping: Mapping[str, str]) -> frozenset[str]:
        """Properties of a mapping that aren't there."""

    async def ensure(self, kind: str, mapping: Mapping[str, str]) -> Sequence[PropertyProblem]:
        """Create what is missing; returns what can't take our values."""

    async def ensure_account_id(self, kind: str) -> Sequence[PropertyProblem]:
        """The same for the property that tells created records."""


class Gate(Protocol):
    """The connection's circuit."""

    @property
    def pause_seconds(self) -> float:
        """How long to wait before asking again."""

    async def admit(self) -> Admission:
        """Whether calls may be made."""

    async def accepted(self) -> None:
        """A trial went well."""

    async def refused(self, error: VendorError) -> None:
        """The vendor refuses our credentials."""


class HealthNotes(Protocol):
    """The runtime's health."""

    def set(self, condition: str, ok: bool, detail: str = "") -> None:
        """State a condition."""


class Deployment:
    """Properties of one connection. `configured` is the mapping of the file, used until the
    workspace's log has one."""

    def __init__(
        self,
        workspace: str,
        connection: str,
        crm: PropertyHolder,
        *,
        configured: Mapping[str, Mapping[str, str]],
        pool: asyncpg.Pool,
        budget: Throttle,
        circuit: Gate,
        health: HealthNotes,
        settings: WritebackSettings,
        stopping: asyncio.Event,
        wake: Callable[[], None],
    ) -> None:
        self._workspace = workspace
        self._connection = connection
        self._crm = crm
        self._configured = configured
        self._pool = pool
        self._budget = budget
        self._circuit = circuit
        self._health = health
        self._settings = settings
        self._stopping = stopping
        self._wake = wake
        self._deployed: dict[str, dict[str, str]] = {}
        self._blocked: dict[str, frozenset[str]] = {}
        self._renewed: dict[str, float] = {}
        self._doubted: set[str] = set()
        self._identified: set[str] = set()
        self._unfit_until: dict[str, float] = {}
        self._lock = asyncio.Lock()
        self._condition = f"crm_properties:{workspace}/{connection}"
        health.set(self._condition, False, "not looked at yet")

    async def run(self) -> None:
        """Deploy until all is there, then look now and then at what did not fit."""
        failures = 0
        while not self._stopping.is_set():
            try:
                admission = await self._circuit.admit()
                if admission == "wait":
                    await self._pause(self._circuit.pause_seconds)
                    continue
                fits = await self._deploy()
                if admission == "trial":
                    await self._circuit.accepted()
            except VendorError as error:
                if isinstance(error, Unauthorized):
                    await self._circuit.refused(error)
                failures += 1
                self._health.set(self._condition, False, str(error))
                log.warning("properties_not_deployed", target=self._label, error=error)
                await self._pause(self._retry_in(error, failures))
                continue
            except UNREACHABLE as error:
                log.warning("deploy_interrupted", target=self._label, error=type(error).__name__)
                await self._pause(self._settings.lock_retry)
                continue
            failures = 0
            await self._pause(self._settings.deploy_check)
            if not fits:
                self._deployed.clear()

    @property
    def _label(self) -> str:
        return f"{self._workspace}/{self._connection}"

    def _retry_in(self, error: VendorError, failures: int) -> float:
        if not isinstance(error, Retryable):
            return self._settings.circuit_retry
        longest = self._settings.deploy_retry * len(self._settings.schedule)
        return error.retry_after or min(longest, self._settings.deploy_retry * failures)

    async def _deploy(self) -> bool:
        async with self._pool.acquire() as conn:
            facts = await store.workspace(conn, self._workspace)
        lacking: list[str] = []
        for kind in KINDS:
            logged = facts.mapping(self._connection, kind)
            mapping = logged if facts.config else self._configured.get(kind, {})
            try:
                await self.ensure(kind, mapping)
            except MissingScopes as error:  # the other kind may go on
                lacking.append(str(error))
                log.warning("properties_not_deployed", target=self._label, kind=kind, error=error)
        blocked = sorted(name for names in self._blocked.values() for name in names)
        left = [f"left out, they can't take our values: {', '.join(blocked)}"] if blocked else []
        self._health.set(self._condition, True, "; ".join([*left, *lacking]))
        return not blocked and not lacking

    def doubt(self, kind: str) -> float:
        """The CRM says that a property is missing: it is looked for once a minute at most.

        Returns the seconds until that may be.
        """
        self._doubted.add(kind)
        return self._until_renewal(kind)

    def _until_renewal(self, kind: str) -> float:
        last = self._renewed.get(kind)
        wait = 0.0 if last is None else last + self._settings.deploy_check - time.monotonic()
        return max(0.0, wait)

    async def ensure(self, kind: str, mapping: Mapping[str, str]) -> frozenset[str]:
        """Have the mapping's properties in the CRM; returns those that must not be written.

        Looks only once per mapping, unless in doubt. Raises VendorError while the CRM doesn't let
        us.
        """
        async with self._lock:
            again = kind in self._doubted and self._until_renewal(kind) == 0
            if mapping and (again or self._deployed.get(kind) != mapping):
                await self._budget.acquire("write", priority=True)  # else no payment goes out
                try:
                    gone = await self._crm.missing(kind, mapping) if again else frozenset()
                    problems = await self._crm.ensure(kind, mapping)
                except Retryable as error:
                    if error.rate_limited:
                        await self._budget.throttled(error.retry_after, daily=error.daily)
                    raise
                await self._report(kind, mapping, problems)
                self._deployed[kind] = dict(mapping)
                self._blocked[kind] = frozenset(problem.property for problem in problems)
                log.info(
                    "properties_deployed",
                    target=self._label,
                    kind=kind,
                    properties=len(mapping),
                    problems=len(problems),
                    gone=len(gone),
                )
                if again:
                    await self._restore(kind, sorted(gone - self._blocked[kind]))
            return self._blocked.get(kind, frozenset())

    async def identify(self, kind: str) -> bool:
        """Whether records of the kind can be created once: by a property of unique values.

        It is made when the first one is to be, and asked about once a minute while it does not fit.
        """
        async with self._lock:
            if kind in self._identified:
                return True
            if time.monotonic() < self._unfit_until.get(kind, 0.0):
                return False
            await self._budget.acquire("write", priority=True)
            problems = await self._crm.ensure_account_id(kind)
            await self._report(kind, {ACCOUNT_ID_PROPERTY: ACCOUNT_ID_PROPERTY}, problems)
            if problems:
                self._unfit_until[kind] = time.monotonic() + self._settings.deploy_check
                return False
            self._identified.add(kind)
            return True

    def forget(self, kind: str) -> None:
        """It may be gone: look for it before the next record is made."""
        self._identified.discard(kind)

    async def _restore(self, kind: str, names: list[str]) -> None:
        """Properties that were deleted are there again, empty: every record gets its values."""
        if names:
            async with self._pool.acquire() as conn:
                facts = await store.workspace(conn, self._workspace)
                await queue.forget(conn, facts, self._connection, kind, names)
            self._wake()
        self._doubted.discard(kind)
        self._renewed[kind] = time.monotonic()

    async def _report(
        self, kind: str, mapping: Mapping[str, str], problems: Sequence[PropertyProblem]
    ) -> None:
        unfit = {problem.property for problem in problems}
        fitting = [
            Item(self._workspace, "property_mismatch", f"{self._connection}/{kind}/{name}")
            for name in mapping.values()
            if name not in unfit
        ]

        async def apply(conn: asyncpg.Connection) -> bool:
            for problem in problems:
                name = f"{self._connection}/{kind}/{problem.property}"
                summary = (
                    f"{name}: {problem.reason}: found {problem.found}, "
                    f"expected {problem.expected}; it is left out of every write"
                )
                details = {"reason": problem.reason, "found": problem.found,
                           "expected": problem.expected}  # fmt: skip
                item = Item(self._workspace, "property_mismatch", name)
                await open_attention(conn, **item._asdict(), summary=summary, details=details)
            mended = await close_items(conn, fitting)
            if mended:
                facts = (await store.lock_workspaces(conn, {self._workspace}))[self._workspace]
                await queue.look_again(conn, facts, self._connection, kind)
            return mended

        if await transaction(self._pool, apply):
            self._wake()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds * (0.5 + settle.jitter() / 2)):
                await self._stopping.wait()
        except TimeoutError:
            return
