"""Creating Kafka's topics from the registry of `plumbline_schemas.topics`."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code
from plumbline_schemas.topics import Topic, all_topics

_TIMEOUT_SECONDS: Final = 30.0
_SETTLE_SECONDS: Final = 0.05
_TOPIC_ALREADY_EXISTS: Final = 36
_REPLICAS: Final = 3
_FROM_TOPIC: Final = 1
"""Kafka's mark for a setting made on the topic itself."""


class TopicProblem(Exception):  # noqa: N818 - a fact about the cluster
    """A topic can't be brought to what the registry says."""


async def ensure_topics(bootstrap: str, prefix: str) -> None:
    """Create what is missing and mend settings that differ.

    Raises TopicProblem when a topic has another number of partitions (changing it would break the
    order per key) or Kafka refuses, and KafkaError or TimeoutError when it can't be reached.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=15_000)
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await admin.start()
            await _ensure(admin, prefix)
    finally:
        await admin.close()


async def _ensure(admin: Any, prefix: str) -> None:
    wanted = {prefix + name: topic for name, topic in all_topics().items()}
    existing = set(await admin.list_topics())
    brokers = len((await admin.describe_cluster())["brokers"])
    missing = {name: topic for name, topic in wanted.items() if name not in existing}
    found = await _create(admin, missing, brokers) if missing else set()
    await _check_partitions(admin, wanted)
    present = {name: topic for name, topic in wanted.items() if name in existing | found}
    if present:
        await _mend(admin, present, brokers)


def topic_settings(topic: Topic, brokers: int) -> dict[str, str]:
    """The registry's settings, and two in-sync replicas where there are three."""
    extra = {"min.insync.replicas": "2"} if brokers >= _REPLICAS else {}
    return topic.config() | extra


async def _create(admin: Any, topics: Mapping[str, Topic], brokers: int) -> set[str]:
    """Create; returns the names that somebody else created meanwhile."""
    answer = await admin.create_topics(
        [
            NewTopic(
                name,
                topic.partitions,
                min(_REPLICAS, brokers),
                topic_configs=topic_settings(topic, brokers),
            )
            for name, topic in topics.items()
        ]
    )
    existed = set()
    for name, code, *rest in answer.topic_errors:
        if code == _TOPIC_ALREADY_EXISTS:
            existed.add(name)
        elif code:
            detail = rest[0] if rest and rest[0] else for_code(code).__name__
            raise TopicProblem(f"topic {name}: Kafka refused to create it: {detail}")
    return existed


async def _check_partitions(admin: Any, topics: Mapping[str, Topic]) -> None:
    """Wait until every topic can be used, and compare its partitions with the registry."""
    waiting = dict(topics)
    while waiting:
        for found in await admin.describe_topics(list(waiting)):
            partitions = found["partitions"]
            if found["error_code"] or any(p["error_code"] for p in partitions):
                continue
            topic = waiting.pop(found["topic"])
            if len(partitions) != topic.partitions:
                raise TopicProblem(
                    f"topic {found['topic']}: found {len(partitions)} partitions, expected "
                    f"{topic.partitions}; changing them would break the order per key"
                )
        if waiting:
            await asyncio.sleep(_SETTLE_SECONDS)


async def _mend(admin: Any, topics: Mapping[str, Topic], brokers: int) -> None:
    names = list(topics)
    answers = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    )
    changes = []
    for answer in answers:
        for code, message, _, name, entries in answer.resources:
            if code:
                raise TopicProblem(f"topic {name}: its settings can't be read: {message}")
            own = {entry[0]: entry[1] for entry in entries if entry[3] == _FROM_TOPIC}
            wanted = topic_settings(topics[name], brokers)
            drifted = {key: own.get(key) for key, value in wanted.items() if own.get(key) != value}
            if drifted:
                structlog.get_logger().warning("topic_settings_mended", topic=name, found=drifted)
                changes.append(ConfigResource(ConfigResourceType.TOPIC, name, configs=own | wanted))
    if changes:
        _refuse_errors(await admin.alter_configs(changes))


def _refuse_errors(answers: list[Any]) -> None:
    for answer in answers:
        for code, message, _, name in answer.resources:
            if code:
                raise TopicProblem(f"topic {name}: its settings can't be changed: {message}")
