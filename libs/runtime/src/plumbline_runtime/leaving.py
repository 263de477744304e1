"""The stop of a process: the time of each step comes out of one account.

Steps that may each take seconds add up to more than an orchestrator waits before it kills, as when
neither Kafka nor PostgreSQL answers.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import structlog
from aiokafka.errors import KafkaError

from plumbline_runtime.postgres import UNREACHABLE
from plumbline_runtime.producer import PublishFailed

UNANSWERED: Final = (*UNREACHABLE, KafkaError, PublishFailed)
"""What is raised when Kafka, PostgreSQL or the way to them is at fault."""

_SHARE: Final = 0.9
"""Of the time after which the process is ended by force."""
_LEAST_SECONDS: Final = 0.1


class TimeLeft:
    """What is left of `shutdown_seconds` since the stop began."""

    def __init__(
        self, shutdown_seconds: float, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = now
        self._until = now() + shutdown_seconds * _SHARE

    def at_most(self, seconds: float) -> float:
        """Seconds for a step that wants `seconds`; never 0, so that each is tried."""
        return max(min(seconds, self._until - self._now()), _LEAST_SECONDS)


async def say_farewell(callback: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Call back, at most `seconds`.

    What can't be finished because a server does not answer is left to the next start, which begins
    with it; it makes the stop no failure. Raises everything else.
    """
    try:
        async with asyncio.timeout(seconds):
            await callback()
    except UNANSWERED as error:
        structlog.get_logger().warning(
            "left_to_the_next_start", error=f"{type(error).__name__}: {error}"
        )


async def close_pool(pool: "asyncpg.Pool", seconds: float) -> None:
    """Close within `seconds`, then by force."""
    try:
        async with asyncio.timeout(seconds):
            await pool.close()
    except UNREACHABLE as error:
        structlog.get_logger().warning("pool_close_forced", error=type(error).__name__)
        pool.terminate()
