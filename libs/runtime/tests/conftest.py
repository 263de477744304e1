"""A running consumer group over the session's servers, and what it handled."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import asyncpg
import pytest
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from plumbline_runtime.consumption import Consumption
from plumbline_runtime.dead_letters import DeadLetters
from plumbline_runtime.health import Health
from plumbline_runtime.logging import QUIET, configure_logging
from plumbline_runtime.postgres import create_pool
from plumbline_runtime.producer import Message, Producer
from plumbline_runtime.records import Batch, BatchHandler, Record
from plumbline_runtime.settings import Settings
from plumbline_runtime.topics import ensure_topics
from plumbline_schemas.topics import WEBHOOKS_RECEIVED, Topic

TOPIC = WEBHOOKS_RECEIVED
GROUP = "observe"


@dataclass
class Recorder:
    """A handler that stores what it sees in its transaction, and may be told to fail."""

    pool: asyncpg.Pool
    seen: list[Record] = field(default_factory=list)
    batches: int = 0
    before: Callable[[Batch], Awaitable[None]] | None = None

    async def handle(self, batch: Batch) -> None:
        self.batches += 1
        if self.before is not None:
            await self.before(batch)
        async with self.pool.acquire() as conn, conn.transaction():
            await batch.advance(conn)
        self.seen.extend(batch.records)

    @property
    def values(self) -> list[bytes | None]:
        return [record.value for record in self.seen]


@dataclass
class Rig:
    """Everything one service process has, without the process."""

    settings: Settings
    pool: asyncpg.Pool
    producer: Producer
    failures: list[BaseException] = field(default_factory=list)
    running: list[Consumption] = field(default_factory=list)

    topic: Topic = TOPIC
    group: str = GROUP

    async def eventually(self, check: Callable[[], object], seconds: float = 30.0) -> None:
        """Wait until `check` is true; fails with its last answer."""
        for _ in range(round(seconds / 0.02)):
            if check():
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"not so within {seconds} s: {check()!r}; {self.failures}")

    async def dead_letters(self, count: int) -> list[ConsumerRecord]:
        """The first `count` records of the topic's DLQ."""
        consumer = AIOKafkaConsumer(
            self.settings.topic_prefix + TOPIC.dlq,
            bootstrap_servers=self.settings.kafka_bootstrap_servers,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            async with asyncio.timeout(30):
                return [await consumer.getone() for _ in range(count)]
        finally:
            await consumer.stop()

    def recorder(self) -> Recorder:
        return Recorder(self.pool)

    async def start(
        self,
        handler: BatchHandler,
        *,
        topic: Topic = TOPIC,
        group: str = GROUP,
        joined: bool = False,
        **changes: object,
    ) -> Consumption:
        settings = self.settings.model_copy(update=changes)
        health = Health("test")
        consumption = Consumption(
            topic,
            group=group,
            handler=handler,
            settings=settings,
            pool=self.pool,
            dead_letters=DeadLetters(self.producer, settings, self.pool, health),
            health=health,
            stopping=asyncio.Event(),
            failed=self.failures.append,
            joined=joined,
        )
        self.running.append(consumption)
        await consumption.start()
        return consumption

    async def publish(self, *values: bytes | None, partition: int = 0) -> None:
        messages = [Message("acme/stripe/customer/cus_1", v, [], partition) for v in values]
        await self.producer.publish_many(TOPIC, messages)

    async def position(self, partition: int = 0) -> int | None:
        return await self.pool.fetchval(
            "select next_offset from runtime.offsets where topic = $1 and partition = $2",
            TOPIC.name,
            partition,
        )

    async def stores(self, offset: int, partition: int = 0) -> None:
        """Wait until the position is stored."""
        async with asyncio.timeout(30):
            while await self.position(partition) != offset:
                await asyncio.sleep(0.02)

    async def reaches(self, offset: int, partition: int = 0) -> None:
        """Wait until the position is stored and the consumers are done with what they have in hand.

        The position follows the dead letter, and is followed by what a good record ends: brakes.
        """
        await self.stores(offset, partition)
        async with asyncio.timeout(30):
            while any(consumption.busy_since is not None for consumption in self.running):
                await asyncio.sleep(0.02)


@pytest.fixture
def settings(bootstrap_servers: str, database_url: str, topic_prefix: str) -> Settings:
    return Settings(
        service="test",
        kafka_bootstrap_servers=bootstrap_servers,
        database_url=database_url,
        topic_prefix=topic_prefix,
        retry_seconds=5.0,
        drain_seconds=3.0,
    )


@pytest.fixture
async def rig(settings: Settings) -> AsyncIterator[Rig]:
    await ensure_topics(settings.kafka_bootstrap_servers, settings.topic_prefix)
    pool = await create_pool(settings.database_url, settings)
    producer = Producer(settings)
    await producer.start()
    made = Rig(settings, pool, producer)
    yield made
    for consumption in made.running:
        await consumption.stop()
    await producer.stop()
    await pool.close()


@pytest.fixture
def logged() -> Iterator[Callable[[str], io.StringIO]]:
    """Logging of a service into a text; other tests find it as it was before."""
    root = logging.getLogger()
    handlers, known = list(root.handlers), [root, *map(logging.getLogger, QUIET)]
    levels = [logger.level for logger in known]

    def configure(level: str) -> io.StringIO:
        stream = io.StringIO()
        configure_logging("test", level=level, stream=stream)
        return stream

    yield configure
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    for logger, level in zip(known, levels, strict=True):
        logger.setLevel(level)
