"""Waiting for the connection's budget: failed payments before all others."""

import asyncio
from typing import Protocol

from plumbline_runtime.budget import Purpose
from plumbline_schemas.errors import Retryable


class Throttle(Protocol):
    """The connection's budget."""

    async def acquire(self, purpose: Purpose, cost: int = 1, priority: bool = False) -> None:
        """Wait for the right to make a call; with `priority` before all others."""

    async def throttled(self, retry_after: float | None, *, daily: bool = False) -> None:
        """The vendor asked us to slow down, or refuses us until tomorrow."""


class Turns:
    """The calls of one sender."""

    def __init__(self, budget: Throttle, patience: float) -> None:
        self._budget = budget
        self._patience = patience
        self.waiting = 0
        """Ordinary calls that wait."""
        self.granted = asyncio.Event()
        """Set whenever a call may be made."""

    async def take(self, purpose: Purpose, *, urgent: bool, patience: float | None = None) -> None:
        """Wait for a call; raises TimeoutError when patience ends."""
        self.waiting += not urgent
        try:
            async with asyncio.timeout(patience):
                await self._budget.acquire(purpose, priority=urgent)
        finally:
            self.waiting -= not urgent
            self.granted.set()

    async def may_begin(self, purpose: Purpose, *, urgent: bool) -> bool:
        """Wait for a call; False when it takes so long that the rows should go back."""
        try:
            await self.take(purpose, urgent=urgent, patience=None if urgent else self._patience)
        except TimeoutError:
            return False
        return True

    async def tell(self, error: Retryable) -> None:
        """Tell the budget of a call that was one too many."""
        if error.rate_limited:
            await self._budget.throttled(error.retry_after, daily=error.daily)
