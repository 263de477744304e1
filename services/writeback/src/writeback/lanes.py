"""Rounds in the air: several at a time, so that slow answers leave no budget unused."""

import asyncio
from collections.abc import Awaitable, Collection
from typing import NamedTuple

from plumbline_schemas.errors import MissingScopes, VendorError

from writeback.effects import RecordId


class Ended(NamedTuple):
    """Rounds that are over."""

    worked: int
    failure: VendorError | None
    """The one that asks for the longest wait, or that refuses us."""


class Lanes:
    """Runs rounds beside each other; a record is in one of them at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._running: dict[asyncio.Task[VendorError | None], frozenset[RecordId]] = {}
        self.moved = asyncio.Event()
        """Set when a round has ended."""

    def __len__(self) -> int:
        return len(self._running)

    @property
    def free(self) -> bool:
        """Whether another round may start."""
        return len(self._running) < self._most

    def busy(self, kind: str) -> list[str]:
        """Ids of the records that are being written."""
        return [
            one.vendor_id for held in self._running.values() for one in held if one.kind == kind
        ]

    def start(self, work: Awaitable[VendorError | None], records: Collection[RecordId]) -> None:
        """Run a round; VendorError that it raises is its failure."""
        task = asyncio.ensure_future(_failure_of(work))
        self._running[task] = frozenset(records)
        task.add_done_callback(lambda _: self.moved.set())

    def ended(self) -> Ended:
        """Take out what is over; raises what broke a round besides the vendor."""
        self.moved.clear()
        over = [task for task in self._running if task.done()]
        for task in over:
            del self._running[task]
        failures = [failure for task in over if (failure := task.result()) is not None]
        return Ended(len(over) - len(failures), max(failures, key=_gravity, default=None))

    async def finish(self) -> None:
        """Wait until nothing is in the air."""
        if self._running:
            await asyncio.wait(self._running)

    async def abandon(self) -> None:
        """Let go of everything; what was in the air is looked for when its lease has ended."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()


async def _failure_of(work: Awaitable[VendorError | None]) -> VendorError | None:
    try:
        failure = await work
    except VendorError as error:
        failure = error
    # A missing scope is its kind's (`kinds`): the connection itself answered.
    return None if isinstance(failure, MissingScopes) else failure


def _gravity(error: VendorError) -> tuple[bool, float]:
    wait = getattr(error, "retry_after", None)
    return not hasattr(error, "retry_after"), wait or 0.0
