"""The ticker: where "now" enters the log."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

import structlog
from plumbline_runtime.circuit import Admission
from plumbline_schemas.errors import Unauthorized, VendorError
from plumbline_schemas.observations import AnyObservation

from reconciler.settings import ReconcilerSettings
from reconciler.walks import tick


class Publisher(Protocol):
    """Where observations go."""

    async def publish_observations(self, observations: Sequence[AnyObservation]) -> None:
        """Return when the broker has acknowledged all of them."""


class Gate(Protocol):
    """The connection's circuit."""

    async def admit(self) -> Admission:
        """Whether calls may be made."""

    async def accepted(self) -> None:
        """A trial went well, or there was nothing to try."""

    async def refused(self, error: VendorError) -> None:
        """The vendor refuses our credentials."""


Clock = Callable[[], Awaitable[datetime | None]]
"""None while the clock may not be asked."""


class Ticker:
    """Publishes time for one workspace; the only place where "now" enters the log."""

    def __init__(
        self,
        workspace: str,
        clock: Clock,
        publisher: Publisher,
        settings: ReconcilerSettings,
    ) -> None:
        self._workspace = workspace
        self._clock = clock
        self._publisher = publisher
        self._settings = settings
        self._latest: datetime | None = None
        self._log = structlog.get_logger().bind(workspace=workspace)

    def time(self) -> datetime | None:
        """Time as the log has it; None before the first tick."""
        return self._latest

    async def run(self) -> None:
        """Tick until cancelled; a clock that can't be read only delays time."""
        while True:
            try:
                as_of = await self._clock()
            except VendorError as error:
                self._log.warning("tick_clock_unreadable", error=error)
            else:
                if as_of is None:
                    await asyncio.sleep(self._settings.tick_seconds)
                    continue
                observation = tick(self._workspace, as_of, datetime.now(UTC))
                await self._publisher.publish_observations([observation])
                self._latest = as_of
            await asyncio.sleep(self._settings.tick_seconds)


async def system_clock() -> datetime | None:
    """The host's clock in UTC."""
    return datetime.now(UTC)


def vendor_clock(read: Callable[[], Awaitable[datetime]], circuit: Gate) -> Clock:
    """A vendor's clock, not asked while its connection is closed off."""

    async def clock() -> datetime | None:
        admission = await circuit.admit()
        if admission == "wait":
            return None
        try:
            now = await read()
        except Unauthorized as error:
            await circuit.refused(error)
            return None
        if admission == "trial":
            await circuit.accepted()
        return now

    return clock
