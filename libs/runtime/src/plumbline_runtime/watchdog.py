"""Noticing a stuck process: it exits and is restarted, never reconnected by hand.

The rules are those of engineering.md 2.5; each stands for a stall seen in aiokafka's issues.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from plumbline_runtime import metrics
from plumbline_runtime.consumption import Consumption
from plumbline_runtime.settings import Settings

_EVERY_SECONDS: Final = 1.0
_LAG_EVERY_SECONDS: Final = 5.0
_ENDS_SECONDS: Final = 3.0
_BATCH_SECONDS: Final = 270.0
"""A batch in hand may take that long: under Kafka's max.poll.interval of 300 s."""


class Stuck(Exception):  # noqa: N818 - a fact about the process
    """The process can't go on and must be restarted."""


class Watchdog:
    """Watches one consumer; `run` raises Stuck."""

    def __init__(self, consumption: Consumption, settings: Settings) -> None:
        self._consumption = consumption
        self._settings = settings
        self._born = time.monotonic()
        self._rejoining_since: float | None = None
        self._seen: dict[TopicPartition, int] = {}
        self._progress_at = time.monotonic()
        self._lag = 0

    async def run(self) -> None:
        """Look every second; also commits positions for lag tools and measures the lag."""
        last_lag = 0.0
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            if time.monotonic() - last_lag >= _LAG_EVERY_SECONDS:
                last_lag = time.monotonic()
                await self._measure_lag()
            if self._consumption.assignment.positions() != self._seen:
                await self._consumption.commit()
            problem = self.problem(time.monotonic())
            if problem:
                raise Stuck(f"{self._consumption.group}: {problem}")

    def problem(self, now: float) -> str | None:
        """What is wrong, or None."""
        c = self._consumption
        positions = c.assignment.positions()
        if positions != self._seen or c.busy_since is not None or self._lag == 0 or c.braked:
            self._seen = positions
            self._progress_at = now
        waiting = now - self._born
        if c.assigned_at is None and waiting > self._settings.watchdog_unassigned_seconds:
            return f"no assignment for {waiting:.0f} s"
        if c.assigned_at is not None:
            self._born = now
        if c.busy_since is not None and now - c.busy_since > _BATCH_SECONDS:
            return f"a batch in hand for {now - c.busy_since:.0f} s"
        metrics.WATCHDOG_IDLE.labels(c.group).set(now - self._progress_at)
        if now - self._progress_at > self._settings.watchdog_stalled_seconds:
            return (
                f"{self._lag} records wait and none was taken for {now - self._progress_at:.0f} s"
            )
        return self._coordinator_problem(now)

    def _coordinator_problem(self, now: float) -> str | None:
        """Signs inside the client; its names are private, so their absence means nothing."""
        coordinator = getattr(self._consumption.consumer, "_coordinator", None)
        task = getattr(coordinator, "_coordination_task", None)
        if task is not None and task.done():
            return "the group coordination has ended"
        rejoin = getattr(coordinator, "_rejoin_needed_fut", None)
        if rejoin is None or not rejoin.done():
            self._rejoining_since = None
            return None
        self._rejoining_since = self._rejoining_since or now
        if now - self._rejoining_since > self._settings.watchdog_unassigned_seconds:
            return f"rejoining the group for {now - self._rejoining_since:.0f} s"
        return None

    async def _measure_lag(self) -> None:
        """Ask the broker for the log's ends: a stuck fetcher would still show the old ones."""
        c = self._consumption
        positions = c.assignment.positions()
        if c.consumer is None or not positions:
            return
        try:
            async with asyncio.timeout(_ENDS_SECONDS):
                ends: Mapping[TopicPartition, int] = await c.consumer.end_offsets(list(positions))
        except (KafkaError, OSError, TimeoutError) as error:
            structlog.get_logger().info("lag_unknown", group=c.group, error=type(error).__name__)
            # Without a broker nothing can be stuck.
            self._lag = 0
            return
        self._lag = 0
        for partition, end in ends.items():
            lag = max(end - positions[partition], 0)
            self._lag += lag
            metrics.LAG_RECORDS.labels(c.group, c.topic.name, partition.partition).set(lag)
        if self._lag == 0:
            metrics.LAG_SECONDS.labels(c.group, c.topic.name).set(0)


async def watch_loop(limit_seconds: float) -> None:
    """Raises Stuck after the event loop stood still: the group may have given us up meanwhile."""
    loop: Any = asyncio.get_running_loop()
    while True:
        due = loop.time() + _EVERY_SECONDS
        await asyncio.sleep(_EVERY_SECONDS)
        delay = loop.time() - due
        metrics.LOOP_DELAY.set(delay)
        if delay > limit_seconds:
            raise Stuck(f"the event loop stood still for {delay:.1f} s")
