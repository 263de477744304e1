"""The walker and the ticker: read a page, decide, publish, and only then store the position."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal, Protocol

import structlog
from plumbline_runtime import failpoints
from plumbline_runtime.health import Health
from plumbline_schemas.errors import Permanent, Retryable, Unauthorized, VendorError
from plumbline_schemas.observations import AnyObservation

from reconciler.books import Book, BookPage
from reconciler.settings import ReconcilerSettings
from reconciler.walks import Walk, advance, begin, marker, tick


class Publisher(Protocol):
    """Where observations go."""

    async def publish_observations(self, observations: Sequence[AnyObservation]) -> None:
        """Return when the broker has acknowledged all of them."""


class Positions(Protocol):
    """Where walks are remembered."""

    async def load_or_begin(self, fresh: Walk) -> Walk:
        """Return the stored walk, or store and return `fresh`."""

    async def save(self, walk: Walk) -> None:
        """Store the position."""


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
            begin(self._workspace, self._connection, self._book.kinds)
        )
        self._health.set(self.condition, walk.completed, self._progress(walk))
        if not walk.completed:
            self._log.info("walk_started", scope=walk.scope, kind=walk.kind, cursor=walk.cursor)
        while not walk.completed:
            walk = await self._step(walk)
            self._health.set(self.condition, walk.completed, self._progress(walk))

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
        if moved.completed:
            await self._publisher.publish_observations([marker(moved, datetime.now(UTC))])
        failpoints.hit("walker.after_publish")
        await self._positions.save(moved)
        for problem in page.problems:
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
        wait = self._settings.retry_seconds
        while True:
            await self._budget.acquire("walk")
            try:
                return await self._book.page(walk.kind, walk.cursor)
            except Retryable as error:
                if error.rate_limited:
                    await self._budget.throttled(error.retry_after, daily=error.daily)
                self._report(walk, error)
                await asyncio.sleep(error.retry_after or wait)
                wait = min(wait * 2, self._settings.retry_seconds_max)
            except (Unauthorized, Permanent, VendorError) as error:
                if walk.cursor is not None and error.status in {400, 404}:
                    return None
                self._report(walk, error)
                await asyncio.sleep(self._settings.refused_retry_seconds)

    def _report(self, walk: Walk, error: VendorError) -> None:
        self._log.warning("walk_call_failed", kind=walk.kind, error=str(error))
        self._health.set(self.condition, ok=False, detail=f"{self._progress(walk)}; {error}")

    @staticmethod
    def _progress(walk: Walk) -> str:
        rows = ", ".join(f"{count} {kind}" for kind, count in walk.rows.items())
        return (
            f"{'completed' if walk.completed else 'walking ' + walk.kind}: {rows or 'nothing yet'}"
        )


class Ticker:
    """Publishes time for one workspace; the only place where "now" enters the log."""

    def __init__(
        self,
        workspace: str,
        clock: Callable[[], Awaitable[datetime]],
        publisher: Publisher,
        settings: ReconcilerSettings,
    ) -> None:
        self._workspace = workspace
        self._clock = clock
        self._publisher = publisher
        self._settings = settings
        self._log = structlog.get_logger().bind(workspace=workspace)

    async def run(self) -> None:
        """Tick until cancelled; a clock that can't be read only delays time."""
        while True:
            try:
                as_of = await self._clock()
            except VendorError as error:
                self._log.warning("tick_clock_unreadable", error=str(error))
            else:
                observation = tick(self._workspace, as_of, datetime.now(UTC))
                await self._publisher.publish_observations([observation])
            await asyncio.sleep(self._settings.tick_seconds)


async def system_clock() -> datetime:
    """The host's clock in UTC."""
    return datetime.now(UTC)
