"""The one subscriber factory: FastStream under the rules of design 11, and the check of them.

FastStream acknowledges nothing here: the position is moved in the handler's transaction. It polls,
survives broker trouble, and stops gracefully.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import chain
from typing import Any, Final

import structlog
from aiokafka import ConsumerRecord
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaMessage
from faststream.kafka.subscriber.usecase import BatchSubscriber
from plumbline_schemas.topics import Topic

from plumbline_runtime import metrics
from plumbline_runtime.settings import Settings

RawBatch = tuple[ConsumerRecord[Any, Any], ...]
OnBatch = Callable[[RawBatch], Awaitable[None]]

_PARTITION_FETCH_BYTES: Final = 256 * 1024
_FETCH_WAIT_MS: Final = 100
"""While a batch is handled, the next fetch asks for the other partitions only, and what arrives in
its own waits until that one is answered: with 500 a busy partition stood still half the time."""
_MAX_POLL_INTERVAL_MS: Final = 300_000
_REJOIN_SECONDS: Final = 5.0
"""What it may take to rejoin after a batch was drained."""
_LONGEST_POLL_MS: Final = 20
_LONG_POLL_MS: Final = 1_000
_SHORTEST_SESSION_MS: Final = 6_000
_MOST_RECORDS: Final = 5_000


class PollLog:
    """Stands in for FastStream's logger: poll errors are counted, its chatter is dropped."""

    def __init__(self, group: str) -> None:
        self._group = group

    def log(
        self,
        level: int,
        msg: Any,
        /,
        *,
        exc_info: Any = None,
        extra: Any = None,  # noqa: ARG002 - FastStream's protocol
    ) -> None:
        """FastStream sleeps 5 s after a KafkaError; this is where that becomes visible."""
        if not isinstance(exc_info, Exception):
            return  # chatter, or the cancellation of a stop
        if isinstance(exc_info, KafkaError):
            metrics.POLL_ERRORS.labels(self._group).inc()
        structlog.get_logger().log(
            level,
            "poll_failed",
            group=self._group,
            message=str(msg),
            error=exc_info,
        )


def create_subscriber(
    topic: Topic,
    *,
    group: str,
    settings: Settings,
    listener: ConsumerRebalanceListener,
    on_batch: OnBatch,
    spacing_ms: int | None = None,
) -> tuple[KafkaBroker, BatchSubscriber]:
    """A broker of its own with its one subscriber, not started yet.

    `spacing_ms` None takes the setting's.
    """
    broker = _broker(settings, group)
    # The parser needs the subscriber, which needs the parser.
    holder: list[BatchSubscriber] = []

    async def parse(raw: RawBatch) -> KafkaMessage:
        """Whatever bytes the headers hold: nothing is decoded here.

        The message carries the subscriber's real consumer, or its commits would go nowhere.
        """
        return KafkaMessage(
            raw_message=raw, body=raw, headers={}, consumer=_running(holder[0]), message_id=""
        )

    subscriber = broker.subscriber(
        settings.topic_prefix + topic.name,
        batch=True,
        group_id=group_id(settings, group),
        group_instance_id=f"{settings.service}-{group}-{settings.instance}",
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.MANUAL,
        batch_timeout_ms=settings.poll_ms,
        max_records=settings.batch_max_records,
        no_reply=True,
        listener=listener,
        parser=parse,
        decoder=_decode,
        **_group_options(settings),
    )
    holder.append(subscriber)
    subscriber(on_batch)
    pace = settings.batch_spacing_ms if spacing_ms is None else spacing_ms
    subscriber.get_msg = _Pace(pace, settings.batch_max_records).poll
    return broker, subscriber


def _broker(settings: Settings, group: str) -> KafkaBroker:
    return KafkaBroker(
        settings.kafka_bootstrap_servers,
        client_id=f"{settings.service}-{settings.instance}",
        consumer_only=True,
        allow_auto_create_topics=False,
        graceful_timeout=settings.drain_seconds,
        logger=PollLog(group),
        apply_types=False,
    )


class _Pace:
    """Polls for FastStream: waits in the broker's long poll, and leaves a moment between batches.

    FastStream's own poll wakes a hundred times a second while nothing comes, and sleeps once more
    after each empty one. Here the first record of a quiet moment is taken at once, and under load
    what arrives within `spacing_ms` shares one transaction and one fetch.
    """

    def __init__(self, spacing_ms: int, records: int) -> None:
        self._spacing = spacing_ms / 1000
        self._records = records
        self._taken_at = 0.0

    async def poll(self, consumer: Any) -> RawBatch:
        """Records of all partitions, in order within each; empty after a second without any."""
        early = self._taken_at + self._spacing - time.monotonic()
        if early > 0:
            await asyncio.sleep(early)
        found = await consumer.getmany(timeout_ms=_LONG_POLL_MS, max_records=self._records)
        self._taken_at = time.monotonic()
        return tuple(chain.from_iterable(found.values()))


async def _decode(message: KafkaMessage) -> RawBatch:
    """Nothing to decode: handlers take raw records."""
    raw = message.raw_message
    assert isinstance(raw, tuple)
    return raw


def _group_options(settings: Settings) -> dict[str, Any]:
    """Session, fetch sizes and assignor (engineering.md 10)."""
    session_ms = round(settings.session_seconds * 1000)
    return {
        "session_timeout_ms": session_ms,
        # Whoever finishes a batch before it rejoins must be waited for, or the next owner of its
        # partitions reads a position that is about to move. The dead are missed by the session.
        "rebalance_timeout_ms": max(session_ms, round(rebalance_seconds(settings) * 1000)),
        "heartbeat_interval_ms": round(settings.heartbeat_seconds * 1000),
        "max_poll_interval_ms": _MAX_POLL_INTERVAL_MS,
        "max_partition_fetch_bytes": _PARTITION_FETCH_BYTES,
        "fetch_max_wait_ms": _FETCH_WAIT_MS,
        "check_crcs": True,
        # The sticky assignor keeps its memory on the class, shared by every group of a process.
        "partition_assignment_strategy": (RoundRobinPartitionAssignor,),
    }


def rebalance_seconds(settings: Settings) -> float:
    """What a rebalance may take: every member drains its batch and joins again."""
    return settings.drain_seconds + _REJOIN_SECONDS


def group_id(settings: Settings, group: str) -> str:
    """Kafka's name of the group: deployments that share a broker differ by their topic prefix."""
    return settings.topic_prefix + group


def check_subscriber(subscriber: object) -> list[str]:
    """Every rule of design 11 that a subscriber breaks, in words; empty when it breaks none."""
    if not isinstance(subscriber, BatchSubscriber):
        return [f"found {type(subscriber).__name__}, expected one that takes batches"]
    arguments = dict(getattr(subscriber, "_connection_args", {}))
    options = subscriber._call_options  # noqa: SLF001 - a check of what was set
    rules = {
        "ack_policy must be MANUAL": subscriber.ack_policy is AckPolicy.MANUAL,
        "enable_auto_commit must be off": arguments.get("enable_auto_commit") is False,
        "group_id must be set": bool(subscriber.group_id),
        "group_instance_id must be set": bool(arguments.get("group_instance_id")),
        "auto_offset_reset must be earliest": arguments.get("auto_offset_reset") == "earliest",
        "batch_timeout_ms must be at most 20": subscriber.batch_timeout_ms <= _LONGEST_POLL_MS,
        "max_records must be set": 0 < (subscriber.max_records or 0) <= _MOST_RECORDS,
        "no_reply must be on": subscriber._no_reply is True,  # noqa: SLF001
        "a parser that survives any header bytes": options.parser is not None,
        "a decoder that decodes nothing": options.decoder is not None,
        "a listener that seeks to the stored position": subscriber._listener is not None,  # noqa: SLF001
        "the session must outlast a pause of the loop": (
            arguments.get("session_timeout_ms", 0) >= _SHORTEST_SESSION_MS
        ),
        "heartbeats must fit in a third of the session": (
            arguments.get("heartbeat_interval_ms", 0) * 3 <= arguments.get("session_timeout_ms", 0)
        ),
        "max_partition_fetch_bytes must be 256 KiB": (
            arguments.get("max_partition_fetch_bytes") == _PARTITION_FETCH_BYTES
        ),
        "the assignor must keep no memory across groups": (
            tuple(arguments.get("partition_assignment_strategy", ()))
            == (RoundRobinPartitionAssignor,)
        ),
        "exactly one handler": len(subscriber.calls) == 1,
    }
    return [rule for rule, kept in rules.items() if not kept]


def _running(subscriber: BatchSubscriber) -> Any:
    consumer = subscriber.consumer
    if consumer is None:
        raise RuntimeError("a batch arrived after its consumer was closed")
    return consumer
