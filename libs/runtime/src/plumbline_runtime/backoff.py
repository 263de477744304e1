"""Waiting for broken infrastructure: jittered, bounded, and cut short when the process stops."""

import asyncio
import random
import time
from typing import Final

import asyncpg
import structlog
from aiokafka.errors import KafkaError

from plumbline_runtime import metrics
from plumbline_runtime.postgres import UNREACHABLE
from plumbline_runtime.producer import PublishFailed

_INFRASTRUCTURE: Final = (
    *UNREACHABLE,
    KafkaError,
    PublishFailed,
)
_RECORDS_OWN_FAULT: Final = ("22", "23", "54")
"""SQLSTATE classes that a record's content causes: data exception (NUL in text, number out of
range), integrity violation, program limit exceeded. Waiting can't help those."""

_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0


class InfrastructureDown(Exception):  # noqa: N818 - a fact about the surroundings
    """Kafka or PostgreSQL failed for longer than allowed: exit and be restarted."""


class Abandoned(Exception):  # noqa: N818 - not a failure
    """The process stops: what was tried stays undone and comes again after the restart."""


def is_infrastructure(error: BaseException) -> bool:
    """Whether trying the same again later may help."""
    if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
        return False  # asyncpg's word for an argument that doesn't fit its parameter
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str) and state.startswith(_RECORDS_OWN_FAULT):
        return False
    return isinstance(error, _INFRASTRUCTURE)


class Backoff:
    """One series of attempts; `seconds` bounds it from the first failure on."""

    def __init__(self, *, group: str, what: str, seconds: float, stopping: asyncio.Event) -> None:
        self._group = group
        self._what = what
        self._seconds = seconds
        self._stopping = stopping
        self._deadline: float | None = None
        self._pause = _FIRST_PAUSE_SECONDS

    async def after(self, error: Exception) -> None:
        """Wait before the next attempt; raises the error itself when waiting can't help."""
        if not is_infrastructure(error):
            raise error
        metrics.BATCH_RETRIES.labels(self._group, "infrastructure").inc()
        structlog.get_logger().warning(
            "waiting_for_infrastructure",
            group=self._group,
            what=self._what,
            error=error,
        )
        now = time.monotonic()
        self._deadline = self._deadline or now + self._seconds
        if now >= self._deadline:
            raise InfrastructureDown(
                f"{self._group}: {self._what}: {type(error).__name__} for more than "
                f"{self._seconds:g} s"
            ) from error
        await self.pause(self._pause)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)

    async def pause(self, seconds: float) -> None:
        """Wait with jitter; raises Abandoned when the process stops."""
        try:
            async with asyncio.timeout(seconds * random.uniform(0.5, 1.0)):  # noqa: S311 - jitter
                await self._stopping.wait()
        except TimeoutError:
            return
        raise Abandoned(f"{self._group}: {self._what}: stopping")
