"""The walker: read a page, decide, publish, and only then store the position."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, Literal, Protocol

import structlog
from plumbline_runtime import failpoints
from plumbline_runtime.circuit import Admission
from plumbline_runtime.health import Health
from plumbline_schemas.errors import (
    MissingScopes,
    Retryable,
    Unauthorized,
    VendorError,
)
from plumbline_schemas.observations import AnyObservation

from reconciler.books import Book, BookPage
from reconciler.settings import ReconcilerSettings
from reconciler.walks import Walk, advance, begin, marker, may_leave_out

TOLD_AFTER: Final = 3
"""Tries in a row before a person is told that a walk fails."""


class Publisher(Protocol):
    """Where observations go."""

    async def publish_observations(self, observations: Sequence[AnyObservation]) -> None:
        """Return when the broker has acknowledged all of them."""


class Positions(Protocol):
    """Where walks are remembered."""

    async def load_or_begin(self, fresh: Walk, asked: Mapping[str, str]) -> Walk:
        """Return the stored walk, or store and return `fresh`, of which this is asked."""

    async def renewal(self, initial: Walk, asked: Mapping[str, str]) -> Walk | None:
        """The walk of the kinds of which more is asked now than the initial walk did, if any."""

    async def renewed(self, initial: Walk, asked: Mapping[str, str]) -> None:
        """That walk is over."""

    async def leave_out(self, walk: Walk) -> None:
        """Note that nothing was asked of the walk's kind: a renewal asks."""

    async def save(self, walk: Walk) -> None:
        """Store the position; a walk that was told to fail no longer does."""

    async def tell_failing(self, walk: Walk, error: str) -> None:
        """Open attention: the walk is tried on, from where it is."""


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

    def doubt(self) -> None:
        """Ask which account it is before the next call."""


class Throttle(Protocol):
    """The connection's budget."""

    async def acquire(self, purpose: Literal["write", "read", "walk"], cost: int = 1) -> None:
        """Wait for the right to make a call."""

    async def throttled(self, retry_after: float | None, *, daily: bool = False) -> None:
        """The vendor asked us to slow down."""


class Walker:
    """Walks one connection's book once, from wherever an earlier process left it."""

    def __init__(
        self,
        workspace: str,
        connection: str,
        book: Book,
        *,
        positions: Positions,
        publisher: Publisher,
        budget: Throttle,
        circuit: Gate,
        wait_for_room: Callable[[], Awaitable[None]],
        health: Health,
        settings: ReconcilerSettings,
    ) -> None:
        self._workspace = workspace
        self._connection = connection
        self._book = book
        self._positions = positions
        self._publisher = publisher
        self._budget = budget
        self._circuit = circuit
        self._wait_for_room = wait_for_room
        self._health = health
        self._settings = settings
        self._log = structlog.get_logger().bind(workspace=workspace, connection=connection)

    @property
    def condition(self) -> str:
        """Name of the readiness condition this walk is."""
        return f"walks:{self._workspace}/{self._connection}"

    async def run(self) -> None:
        """Walk to the end; a refusing or failing vendor is retried for as long as it takes."""
        walk = await self._positions.load_or_begin(
            begin(self._workspace, self._connection, self._book.kinds), self._book.asked
        )
        self._health.set(self.condition, walk.completed, self._progress(walk))
        if not walk.completed:
            self._circuit.doubt()
            self._log.info("walk_started", scope=walk.scope, kind=walk.kind, cursor=walk.cursor)
        while not walk.completed:
            walk = await self._step(walk)
            self._health.set(self.condition, walk.completed, self._progress(walk))
        await self._renew(walk)

    async def _renew(self, initial: Walk) -> None:
        """Read again what an upgrade or the configuration asks more of; the book stays whole."""
        asked = self._book.asked
        walk = await self._positions.renewal(initial, asked)
        if walk is None:
            return
        self._circuit.doubt()
        self._log.info("walk_renewed", kinds=walk.kinds, kind=walk.kind, cursor=walk.cursor)
        while not walk.completed:
            walk = await self._step(walk)
        await self._positions.renewed(initial, asked)
        self._health.set(self.condition, ok=True, detail=self._progress(initial))

    async def _step(self, walk: Walk) -> Walk:
        await self._wait_for_room()
        page = await self._read(walk)
        if page is None:
            self._log.warning("walk_cursor_gone", kind=walk.kind, cursor=walk.cursor)
            walk = replace(walk, cursor=None, rows={**walk.rows, walk.kind: 0})
            await self._positions.save(walk)
            await asyncio.sleep(self._settings.retry_seconds)
            return walk
        moved = advance(
            walk,
            published=len(page.observations),
            skipped=len(page.problems),
            next_cursor=page.next_cursor,
        )
        await self._publisher.publish_observations(page.observations)
        if moved.completed and moved.scope == "initial":
            await self._publisher.publish_observations([marker(moved, datetime.now(UTC))])
        failpoints.hit("walker.after_publish")
        await self._positions.save(moved)
        for problem in page.problems:
            if problem.vendor_id is None:
                self._log.warning("walk_list_refused", kind=problem.kind, reason=problem.reason)
            else:
                self._log.error("walk_row_untranslatable", kind=problem.kind, reason=problem.reason)
        if moved.kind != walk.kind or moved.completed:
            self._log.info("walk_kind_done", kind=walk.kind, rows=moved.rows.get(walk.kind, 0))
        if moved.completed:
            self._log.info("walk_completed", rows=dict(moved.rows), skipped=dict(moved.skipped))
        return moved

    async def _read(self, walk: Walk) -> BookPage | None:
        """The page at the walk's cursor; None when the row the cursor names is gone.

        The kind is then read from its beginning: what was published before folds to nothing.
        """
        tries = 0
        while True:
            admission = await self._admission(walk)
            await self._budget.acquire("walk")
            try:
                page = await self._book.page(walk.kind, walk.cursor)
            except VendorError as error:
                why = error
            else:
                await self._answered(admission)
                return page
            if isinstance(why, MissingScopes):
                await self._answered(admission)  # it is the kind that is refused
                if may_leave_out(walk):
                    return await self._leave_out(walk, why)
            elif isinstance(why, Unauthorized):
                self._report(walk, why)
                await self._circuit.refused(why)
                continue
            elif walk.cursor is not None and why.status in {400, 404}:
                return None
            tries += 1
            self._report(walk, why)
            if tries >= TOLD_AFTER or isinstance(why, MissingScopes):
                await self._positions.tell_failing(walk, str(why))
            await asyncio.sleep(await self._pause_after(why, tries))

    async def _answered(self, admission: Admission) -> None:
        if admission == "trial":
            await self._circuit.accepted()

    async def _leave_out(self, walk: Walk, why: VendorError) -> BookPage:
        self._log.warning("walk_kind_left_out", kind=walk.kind, error=why)
        await self._positions.leave_out(walk)
        return BookPage((), (), None)

    async def _pause_after(self, error: VendorError, tries: int) -> float:
        """Seconds before the next try; the budget hears of a call that was one too many."""
        if not isinstance(error, Retryable):
            return self._settings.refused_retry_seconds
        if error.rate_limited:
            await self._budget.throttled(error.retry_after, daily=error.daily)
        doubled = self._settings.retry_seconds * 2 ** min(tries - 1, 16)
        return error.retry_after or min(doubled, self._settings.retry_seconds_max)

    async def _admission(self, walk: Walk) -> Admission:
        """Wait until calls may be made."""
        while (admission := await self._circuit.admit()) == "wait":
            detail = f"{self._progress(walk)}; the connection waits"
            self._health.set(self.condition, ok=walk.scope != "initial", detail=detail)
            await asyncio.sleep(self._circuit.pause_seconds)
        return admission

    def _report(self, walk: Walk, error: VendorError) -> None:
        self._log.warning("walk_call_failed", kind=walk.kind, error=error)
        whole = walk.scope != "initial"
        self._health.set(self.condition, ok=whole, detail=f"{self._progress(walk)}; {error}")

    @staticmethod
    def _progress(walk: Walk) -> str:
        rows = ", ".join(f"{count} {kind}" for kind, count in walk.rows.items())
        return (
            f"{'completed' if walk.completed else 'walking ' + walk.kind}: {rows or 'nothing yet'}"
        )
