"""One consumer group of a process: assignment, order, delivery, lag."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from plumbline_schemas.topics import Topic

from plumbline_runtime import failpoints, metrics
from plumbline_runtime.assignment import Assignment, SeekingListener, by_partition, hold
from plumbline_runtime.backoff import Abandoned, Backoff
from plumbline_runtime.brakes import BrakeEngaged
from plumbline_runtime.consumer import RawBatch, create_subscriber, rebalance_seconds
from plumbline_runtime.dead_letters import DeadLetters
from plumbline_runtime.delivery import Delivery
from plumbline_runtime.health import Health
from plumbline_runtime.positions import check_positions, create_positions, read_positions
from plumbline_runtime.records import BatchHandler, Fenced, Record
from plumbline_runtime.settings import Settings

if TYPE_CHECKING:
    import asyncpg

_OFFSETS_SECONDS: Final = 15.0
_LAST_COMMIT_SECONDS: Final = 1.0


class Consumption:
    """Consumes one topic for one group; `failed` is told what must end the process."""

    def __init__(
        self,
        topic: Topic,
        *,
        group: str,
        handler: BatchHandler,
        settings: Settings,
        pool: "asyncpg.Pool",
        dead_letters: DeadLetters,
        health: Health,
        stopping: asyncio.Event,
        failed: Callable[[BaseException], None],
        joined: bool = False,
        spacing_ms: int | None = None,
    ) -> None:
        self.topic = topic
        self.group = group
        self.assignment = Assignment()
        self.busy_since: float | None = None
        self.assigned_at: float | None = None
        self.braked = False
        self._settings = settings
        self._pool = pool
        self._health = health
        self._stopping = stopping
        self._failed = failed
        self._broken = False
        self._lock = asyncio.Lock()
        self._draining = False
        self._overdue: asyncio.TimerHandle | None = None
        self._joined = joined
        self._log = structlog.get_logger().bind(group=group, topic=topic.name)
        self._delivery = Delivery(
            topic=topic,
            group=group,
            handler=handler,
            pool=pool,
            dead_letters=dead_letters,
            settings=settings,
            stopping=stopping,
        )
        listener = SeekingListener(
            assigned=self._on_assigned, revoked=self._on_revoked, failed=self._break
        )
        self.broker, self.subscriber = create_subscriber(
            topic, group=group, settings=settings, listener=listener, on_batch=self._on_batch,
            spacing_ms=spacing_ms,
        )  # fmt: skip
        metrics.begin_counters(group)
        self._condition(False, "starting")

    @property
    def consumer(self) -> Any:
        """aiokafka's consumer, None before the start and after the stop."""
        return self.subscriber.consumer

    async def start(self) -> None:
        """Join the group; raises KafkaError or OSError when Kafka can't be reached."""
        try:
            await self.broker.start()
        except (KafkaError, OSError):
            await self._leave()
            raise
        self._log.info("consumer_started")

    async def stop(self) -> None:
        """Stop polling, finish the batch in hand, commit for the lag display, leave."""
        self._draining = True
        self._expect_nothing()
        if await hold(self._lock, self._settings.drain_seconds):
            await self.commit(_LAST_COMMIT_SECONDS)
        await self._leave()

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(self._settings.stop_seconds):
                await self.broker.stop()
        except (KafkaError, OSError, TimeoutError) as error:
            self._log.warning("consumer_stop_forced", error=type(error).__name__)

    async def commit(self, seconds: float | None = None) -> None:
        """Tell Kafka the stored positions: nothing reads them but tools that show lag."""
        consumer, positions = self.consumer, self.assignment.positions()
        if consumer is None or not positions:
            return
        try:
            async with asyncio.timeout(seconds or self._settings.stop_seconds):
                await consumer.commit(positions)
        except (KafkaError, OSError, TimeoutError) as error:
            metrics.COMMIT_FAILURES.labels(self.group).inc()
            self._log.info("kafka_commit_failed", error=type(error).__name__)

    async def _on_batch(self, raws: RawBatch) -> None:
        async with self._lock:
            try:
                found = {
                    partition: fresh
                    for partition, records in by_partition(raws).items()
                    if (fresh := self._fresh(partition, records))
                }
                for some in [found] if self._joined else [{one: found[one]} for one in found]:
                    if self._draining or self._broken or self._stopping.is_set():
                        return
                    await self._deliver(some)
            except Abandoned:
                return
            except BrakeEngaged as error:
                self._brake(error)
            except Exception as error:  # noqa: BLE001 - handed to the supervisor
                self._break(error)
            finally:
                self.busy_since = None

    def _fresh(self, partition: TopicPartition, records: Sequence[Record]) -> Sequence[Record]:
        """Records at or after the stored position; none when they are to be fetched again."""
        position = self.assignment.position(partition)
        if position is None:
            return ()  # taken away, or not seeked yet: it is fetched again from the stored position
        fresh = [record for record in records if record.offset >= position]
        if len(fresh) < len(records):
            metrics.DUPLICATES.labels(self.group).inc(len(records) - len(fresh))
        if not fresh or self._looks_again(partition, position, fresh[0].offset):
            return ()
        return fresh

    async def _deliver(self, batches: Mapping[TopicPartition, Sequence[Record]]) -> None:
        """Records of one partition, or of all that were polled; the positions move with them."""
        parts = {
            partition.partition: (position, records)
            for partition, records in batches.items()
            if (position := self.assignment.position(partition)) is not None
        }
        if not parts:
            return
        self.busy_since = began = time.monotonic()
        metrics.BATCH_SIZE.labels(self.group).observe(sum(map(len, batches.values())))
        failpoints.hit(f"{self.group}.batch_taken")
        ends = await self._delivery.deliver_all(parts)
        for partition in batches:
            if partition.partition in ends:
                self.assignment.move(partition, ends[partition.partition])
        metrics.BATCH_SECONDS.labels(self.group, "handle").observe(time.monotonic() - began)
        oldest = min(records[0].timestamp_ms for _, records in parts.values())
        age = time.time() - oldest / 1000
        metrics.LAG_SECONDS.labels(self.group, self.topic.name).set(max(age, 0.0))

    def _looks_again(self, partition: TopicPartition, position: int, first: int) -> bool:
        """A batch that starts past the position is fetched again once before it is believed.

        Compaction leaves holes, and so does retention; a poll from the wrong place would, too.
        """
        if first == position or self.topic.compacted:
            return False
        if self.assignment.is_new_gap(partition, first):
            self.consumer.seek(partition, position)
            return True
        metrics.OFFSET_GAPS.labels(self.group).inc()
        self._log.error(
            "offsets_missing", partition=partition.partition, expected=position, found=first
        )
        return False

    async def _on_revoked(self) -> None:
        self._draining = True
        self._expect_partitions()
        await hold(self._lock, self._settings.drain_seconds)
        await self.commit()
        self.assignment.drop()
        self.assigned_at = None

    def _expect_partitions(self) -> None:
        """While a group changes hands nobody in it consumes, and what comes meanwhile will flow.

        Only when that takes longer than it may, readiness ends: a load balancer would take every
        instance for away whenever one of them is restarted.
        """
        if self._overdue is None and not self._broken:
            seconds = rebalance_seconds(self._settings)
            loop = asyncio.get_running_loop()
            self._overdue = loop.call_later(seconds, self._condition, False, "rebalancing")

    def _expect_nothing(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    async def _on_assigned(self, partitions: set[TopicPartition]) -> None:
        metrics.REBALANCES.labels(self.group).inc()
        backoff = Backoff(
            group=self.group,
            what=f"positions of {self.topic.name}",
            seconds=self._settings.watchdog_unassigned_seconds,
            stopping=self._stopping,
        )
        while True:
            try:
                positions = await self._positions(partitions)
                break
            except Exception as error:  # noqa: BLE001 - raised again unless waiting may help
                self._condition(False, f"waiting for positions: {type(error).__name__}")
                await backoff.after(error)
        for partition, position in positions.items():
            self.consumer.seek(partition, position)
        self.assignment.take(positions)
        self.assigned_at = time.monotonic()
        self._draining = False
        self._expect_nothing()
        if not self.braked:
            self._condition(True, f"{len(partitions)} partitions")
        self._log.info("partitions_assigned", partitions=sorted(p.partition for p in partitions))

    async def _positions(self, partitions: set[TopicPartition]) -> dict[TopicPartition, int]:
        """Stored positions, checked against the log; new partitions start at its beginning."""
        if not partitions:
            return {}
        numbers = {partition.partition: partition for partition in partitions}
        args = (self._pool, self.group, self.topic.name)
        # All at once, so that the questions overtake the first fetch: behind its long poll on the
        # same connection they would wait for half a second each.
        async with asyncio.timeout(_OFFSETS_SECONDS):
            stored, first, ends = await asyncio.gather(
                read_positions(*args, numbers),
                self.consumer.beginning_offsets(partitions),
                self.consumer.end_offsets(partitions),
            )
        check_positions(
            self.group, self.topic.name, stored, {p.partition: end for p, end in ends.items()}
        )
        missing = {n: first[p] for n, p in numbers.items() if n not in stored}
        if missing:
            await create_positions(*args, missing)
            stored = await read_positions(*args, numbers)
        return {partition: stored[number] for number, partition in numbers.items()}

    def _brake(self, error: BrakeEngaged) -> None:
        """Stay in the group and hold the partitions, but take nothing more: a person must look."""
        self.braked = True
        metrics.BRAKED.labels(self.group).set(1)
        self._broken = True
        self._expect_nothing()
        self._condition(False, f"stopped by the brake: {error}")
        self._log.error("brake_engaged", error=error)
        self.consumer.pause(*self.consumer.assignment())

    def _break(self, error: BaseException) -> None:
        if isinstance(error, Abandoned):
            return
        self._broken = True
        self._expect_nothing()
        if isinstance(error, Fenced):
            metrics.FENCE_REJECTIONS.labels(self.group).inc()
        self._condition(False, f"failed: {type(error).__name__}")
        self._failed(error)

    def _condition(self, ok: bool, detail: str) -> None:
        self._health.set(f"consumer:{self.group}", ok, detail)
