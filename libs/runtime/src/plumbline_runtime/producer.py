"""Publishing to Kafka: acknowledged by all replicas, or failed within our own time-outs.

An idempotent aiokafka producer waits for ever while the broker is away, in start, send and stop
alike (engineering.md 2.2), so each of the three is bounded here.
"""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any, Final, NamedTuple, NoReturn

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from plumbline_schemas.envelope import Headers
from plumbline_schemas.observations import AnyObservation
from plumbline_schemas.topics import MIB, OBSERVATIONS, Topic
from prometheus_client import Counter, Histogram

from plumbline_runtime import metrics
from plumbline_runtime.closing import close_client
from plumbline_runtime.observation_records import observation_record
from plumbline_runtime.partitioner import key_partition, workspace_partition
from plumbline_runtime.settings import Settings

__all__ = ["Message", "Producer", "PublishFailed", "workspace_partition"]

_MAX_BATCH_BYTES: Final = MIB
_MAX_REQUEST_BYTES: Final = 4 * MIB
"""Above the largest topic's `max.message.bytes`: the broker decides, topic by topic."""

_RECORD_OVERHEAD_BYTES: Final = 100
"""Kafka's framing of a batch with one record, rounded up."""


class Message(NamedTuple):
    """One record to publish; `value` None is a tombstone."""

    key: str
    value: bytes | None
    headers: Headers
    partition: int | None = None
    """Chosen by the key unless given."""


class RawMessage(NamedTuple):
    """One record as Kafka takes it."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    partition: int


class PublishFailed(Exception):  # noqa: N818 - what the caller answers with
    """Not acknowledged in time. The record may still appear later: never lost, perhaps twice."""


def assert_native_records() -> None:
    """Refuse aiokafka's pure-Python record codec, which is six times slower."""
    if find_spec("aiokafka.record._crecords") is None:
        raise RuntimeError("aiokafka was installed without its C extensions")


class Producer:
    """The process's one producer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._prefix = settings.topic_prefix
        self._inner: Any = None
        self._connected = asyncio.Event()
        self._replacing: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether `start` has succeeded."""
        return self._connected.is_set()

    async def start(self) -> None:
        """Connect once; raises PublishFailed when Kafka doesn't answer within the time-out."""
        assert_native_records()
        inner = self._new_inner()
        try:
            async with asyncio.timeout(self._settings.publish_timeout_seconds):
                await inner.start()
        except (KafkaError, OSError, TimeoutError) as error:
            await close_client(inner, self._settings.stop_seconds)
            raise PublishFailed(f"Kafka can't be reached: {_name(error)}") from error
        except BaseException:
            await close_client(inner, 0.0)
            raise
        self._inner = inner
        self._connected.set()

    async def stop(self, seconds: float | None = None) -> None:
        """Send what waits and close, within `seconds`; what was not acked stays unacked.

        None takes the setting `stop_seconds`.
        """
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.wait([self._replacing])
        inner, self._inner = self._inner, None
        self._connected.clear()
        if inner is not None:
            await close_client(inner, seconds or self._settings.stop_seconds)

    async def ping(self, timeout_seconds: float) -> bool:
        """Whether a broker answers now."""
        if self._inner is None:
            return False
        try:
            async with asyncio.timeout(timeout_seconds):
                return bool(await self._inner.client.force_metadata_update())
        except (KafkaError, OSError, TimeoutError):
            return False

    async def publish(
        self, topic: Topic, message: Message, *, timeout_seconds: float | None = None
    ) -> None:
        """Publish one record; returns after all replicas acknowledged it, else PublishFailed."""
        key, value, headers, partition = message
        if partition is None:
            partition = key_partition(key, topic.partitions)
        record = RawMessage(key.encode(), value, headers, partition)
        self._refuse_large(topic, record)
        await self._within(topic, self._send_one(topic, record), 1, timeout_seconds)

    async def publish_many(
        self, topic: Topic, messages: Sequence[Message], *, timeout_seconds: float | None = None
    ) -> None:
        """Publish in order per key; returns when all are acknowledged, else PublishFailed.

        After a failure any of them may have arrived, or may still: publish all of them again.
        """
        records = [
            RawMessage(
                key.encode(),
                value,
                headers,
                key_partition(key, topic.partitions) if partition is None else partition,
            )
            for key, value, headers, partition in messages
        ]
        await self.publish_raw(topic, records, timeout_seconds=timeout_seconds)

    async def publish_raw(
        self, topic: Topic, records: Sequence[RawMessage], *, timeout_seconds: float | None = None
    ) -> None:
        """As `publish_many`, for records whose key and headers may be any bytes."""
        if not records:
            return
        for record in records:
            self._refuse_large(topic, record)
        await self._within(topic, self._send_all(topic, records), len(records), timeout_seconds)

    async def _within(
        self, topic: Topic, sending: Awaitable[None], records: int, timeout_seconds: float | None
    ) -> None:
        """Wait for the acknowledgements, within our own time-out; raises PublishFailed."""
        limit = self._settings.publish_timeout_seconds
        limit = limit if timeout_seconds is None else timeout_seconds
        began = time.monotonic()
        try:
            async with asyncio.timeout(limit):
                await sending
        except TimeoutError as error:
            self._failed(topic, f"no acknowledgement within {limit:g} s", error)
        except (KafkaError, OSError) as error:
            self._failed(topic, _name(error), error)
        seconds, published = _measures(topic.name)
        seconds.observe(time.monotonic() - began)
        published.inc(records)

    async def publish_observations(self, observations: Sequence[AnyObservation]) -> None:
        """Append to the logs of their workspaces (design 4), with CloudEvents headers."""
        await self.publish_many(
            OBSERVATIONS, [Message(*observation_record(o)) for o in observations]
        )

    async def _send_one(self, topic: Topic, record: RawMessage) -> None:
        """As `_send_all`, at half its cost: the edge sends each record by itself."""
        if not self._connected.is_set():
            await self._connected.wait()
        inner = self._inner
        key, value, headers, partition = record
        try:
            # Cancelled, the acknowledgement is nobody's any more; the record goes out all the same.
            await (
                await inner.send(self._prefix + topic.name, value, key, partition, headers=headers)
            )
        except KafkaError as error:
            if not error.retriable:
                self._replace(inner, error)
            raise

    async def _send_all(self, topic: Topic, records: Sequence[RawMessage]) -> None:
        await self._connected.wait()
        inner = self._inner
        name = self._prefix + topic.name
        acks: list[asyncio.Future[Any]] = []
        try:
            for key, value, headers, partition in records:
                ack = await inner.send(name, value, key, partition, headers=headers)
                # Nobody may be waiting any more when a late answer comes.
                ack.add_done_callback(_retrieve)
                acks.append(ack)
            # Waiting, unlike gathering, doesn't cancel what is still on its way.
            await asyncio.wait(acks)
            for ack in acks:
                ack.result()
        except KafkaError as error:
            if not error.retriable:
                self._replace(inner, error)
            raise

    def _refuse_large(self, topic: Topic, record: RawMessage) -> None:
        """Refused by the broker, a record would break the producer's sequence for its partition."""
        size = len(record.key or b"") + len(record.value or b"") + _RECORD_OVERHEAD_BYTES
        size += sum(len(name) + len(value or b"") + 10 for name, value in record.headers)
        if size > topic.max_message_bytes:
            raise PublishFailed(
                f"{topic.name}: found a record of {size} bytes, expected at most "
                f"{topic.max_message_bytes}"
            )

    def _replace(self, inner: Any, error: KafkaError) -> None:
        """An idempotent producer doesn't recover from a refused batch: take a new one."""
        if self._inner is not inner or inner is None:
            return
        structlog.get_logger().error("producer_replaced", error=_name(error))
        self._inner = None
        self._connected.clear()
        self._replacing = asyncio.create_task(self._start_anew(inner))

    async def _start_anew(self, inner: Any) -> None:
        await close_client(inner, self._settings.stop_seconds)
        while not self.connected:
            try:
                await self.start()
            except PublishFailed as error:
                structlog.get_logger().warning("producer_waits_for_kafka", error=error)
                await asyncio.sleep(self._settings.connect_retry_seconds)

    def _failed(self, topic: Topic, why: str, error: BaseException) -> NoReturn:
        metrics.PUBLISH_FAILURES.labels(topic.name).inc()
        raise PublishFailed(f"{topic.name}: {why}") from error

    def _new_inner(self) -> Any:
        return AIOKafkaProducer(
            bootstrap_servers=self._settings.kafka_bootstrap_servers,
            client_id=f"{self._settings.service}-{self._settings.instance}",
            acks="all",
            enable_idempotence=True,
            max_batch_size=_MAX_BATCH_BYTES,
            max_request_size=_MAX_REQUEST_BYTES,
            linger_ms=self._settings.producer_linger_ms,
            compression_type="lz4" if find_spec("cramjam") else "gzip",
            request_timeout_ms=round(self._settings.request_timeout_seconds * 1000),
        )


@cache
def _measures(topic: str) -> tuple[Histogram, Counter]:
    """How long publishing to the topic took, and how much went there."""
    return metrics.PUBLISH_SECONDS.labels(topic), metrics.PUBLISHED.labels(topic)


def _retrieve(ack: "asyncio.Future[Any]") -> None:
    if not ack.cancelled():
        ack.exception()


def _name(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
