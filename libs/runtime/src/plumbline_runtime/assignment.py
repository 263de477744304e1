"""Which partitions a consumer holds, and where each one stands."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.abc import ConsumerRebalanceListener

from plumbline_runtime.records import Record


class Assignment:
    """Stored positions of the partitions that are ours now; the truth the poll is checked by."""

    def __init__(self) -> None:
        self._positions: dict[TopicPartition, int] = {}
        self._gaps: dict[TopicPartition, int] = {}

    def take(self, positions: dict[TopicPartition, int]) -> None:
        """Partitions were assigned and the consumer was seeked to these positions."""
        self._positions = dict(positions)
        self._gaps.clear()

    def drop(self) -> None:
        """Every partition is gone (rebalances are eager)."""
        self._positions.clear()

    def position(self, partition: TopicPartition) -> int | None:
        """The stored position, or None when the partition isn't ours."""
        return self._positions.get(partition)

    def positions(self) -> dict[TopicPartition, int]:
        """A copy of all positions."""
        return dict(self._positions)

    def move(self, partition: TopicPartition, position: int) -> None:
        """The stored position moved; ignored when the partition was taken away meanwhile."""
        if partition in self._positions:
            self._positions[partition] = position

    def is_new_gap(self, partition: TopicPartition, first: int) -> bool:
        """Whether this hole in the log is met for the first time: then look again."""
        known = self._gaps.get(partition) == first
        self._gaps[partition] = first
        return not known


class SeekingListener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Seeks at assignment and drains at revocation; a failure here stops the process.

    aiokafka logs what a listener raises and goes on, from the wrong offset; so nothing may leave.
    """

    def __init__(
        self,
        *,
        assigned: Callable[[set[TopicPartition]], Awaitable[None]],
        revoked: Callable[[], Awaitable[None]],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._assigned = assigned
        self._revoked = revoked
        self._failed = failed

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Finish the batch in hand before somebody else gets the partitions."""
        del revoked
        try:
            await self._revoked()
        except Exception as error:  # noqa: BLE001 - handed to the supervisor
            self._failed(error)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Read the stored positions and seek."""
        try:
            await self._assigned(assigned)
        except Exception as error:  # noqa: BLE001 - handed to the supervisor
            self._failed(error)


def by_partition(raws: Iterable[Any]) -> dict[TopicPartition, list[Record]]:
    """Take a polled batch apart; FastStream chains all partitions into one tuple."""
    split: dict[TopicPartition, list[Record]] = defaultdict(list)
    for raw in raws:
        split[TopicPartition(raw.topic, raw.partition)].append(to_record(raw))
    return split


def to_record(raw: Any) -> Record:
    """Copy one of aiokafka's records."""
    return Record(
        raw.topic,
        raw.partition,
        raw.offset,
        raw.timestamp,
        raw.key,
        raw.value,
        tuple(raw.headers),
    )


async def hold(lock: asyncio.Lock, seconds: float) -> bool:
    """Wait until the batch in hand is finished, at most `seconds`; whether it was."""
    try:
        async with asyncio.timeout(seconds):
            await lock.acquire()
    except TimeoutError:
        structlog.get_logger().warning("drain_timed_out", seconds=seconds)
        return False
    lock.release()
    return True
