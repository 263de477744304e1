"""Publishing: acknowledged and in order, or refused in time, whatever the broker does."""

import asyncio
import random
import signal
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from plumbline_local.pair import EmbeddedPair
from plumbline_local.paths import Cache, Home
from plumbline_runtime.partitioner import key_partition, workspace_partition
from plumbline_runtime.producer import Message, Producer, PublishFailed
from plumbline_runtime.settings import Settings
from plumbline_runtime.topics import TopicProblem, ensure_topics
from plumbline_schemas.envelope import header
from plumbline_schemas.internal import Tick
from plumbline_schemas.observations import TickObservation, decode_observation
from plumbline_schemas.topics import OBSERVATIONS, REFRESH_REQUESTS, WEBHOOKS_RECEIVED, all_topics

pytestmark = pytest.mark.server

TOPIC = WEBHOOKS_RECEIVED
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def tick(workspace: str, second: int) -> TickObservation:
    return TickObservation(
        workspace=workspace,
        connection="@",
        id="clock",
        vendor_time_ms=second * 1000,
        seen="event",
        origin="tick",
        received_at=NOW,
        body=Tick(as_of=NOW),
    )


async def read(settings: Settings, topic: str, partition: int, count: int) -> list:
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers)
    await consumer.start()
    try:
        where = TopicPartition(settings.topic_prefix + topic, partition)
        consumer.assign([where])
        await consumer.seek_to_beginning(where)
        async with asyncio.timeout(10):
            return [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()


async def test_many_records_keep_their_order_per_key(rig):
    messages = [Message(f"key-{n % 7}", str(n).encode(), []) for n in range(2000)]
    await rig.producer.publish_many(TOPIC, messages, timeout_seconds=20)
    partition = key_partition("key-3", TOPIC.partitions)
    keys = {k for k in range(7) if key_partition(f"key-{k}", TOPIC.partitions) == partition}
    expected = [n for n in range(2000) if n % 7 in keys]
    found = await read(rig.settings, TOPIC.name, partition, len(expected))
    assert [int(record.value) for record in found] == expected


async def test_observations_are_placed_by_workspace_and_carry_the_envelope(rig):
    await rig.producer.publish_observations([tick("acme", 1), tick("acme", 2)])
    partition = workspace_partition("acme", OBSERVATIONS.partitions)
    found = await read(rig.settings, OBSERVATIONS.name, partition, 2)
    assert [decode_observation(r.value).vendor_time_ms for r in found] == [1000, 2000]
    assert found[0].key == b"acme/@/tick/clock"
    assert header(found[0].headers, "ce_type") == "observation.tick"
    assert header(found[0].headers, "ce_partitionkey") == "acme"
    assert header(found[0].headers, "reply_to") is None


async def test_a_tombstone_has_no_value(rig):
    await rig.producer.publish(TOPIC, Message("gone", None, [], 0))
    [record] = await read(rig.settings, TOPIC.name, 0, 1)
    assert record.value is None


async def test_a_record_over_the_topics_limit_is_refused_and_the_next_one_passes(rig):
    with pytest.raises(PublishFailed, match=r"found a record of .* expected at most 2097152"):
        await rig.producer.publish(TOPIC, Message("k", b"x" * 2_100_000, [], 0))
    await rig.producer.publish(TOPIC, Message("k", b"fine", [], 0))


async def test_a_batch_the_broker_refuses_does_not_break_what_comes_after(rig):
    """The broker's own limit is smaller than the registry's: the sequence would be broken."""
    small = TOPIC._replace(max_message_bytes=10**9)
    noise = random.Random(7).randbytes(2_500_000)
    with pytest.raises(PublishFailed):
        await rig.producer.publish(small, Message("k", noise, [], 0))
    await rig.producer.publish(TOPIC, Message("k", b"fine", [], 0), timeout_seconds=10)
    assert (await read(rig.settings, TOPIC.name, 0, 1))[0].value == b"fine"


async def test_topics_are_created_once_and_drifted_settings_are_mended(rig):
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

    name = rig.settings.topic_prefix + REFRESH_REQUESTS.name
    admin = AIOKafkaAdminClient(bootstrap_servers=rig.settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, name, configs={"retention.ms": "1000"})
        await admin.alter_configs([resource])
        await ensure_topics(rig.settings.kafka_bootstrap_servers, rig.settings.topic_prefix)
        [answer] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
        entries = {entry[0]: entry[1] for entry in answer.resources[0][4]}
        assert entries["retention.ms"] == str(REFRESH_REQUESTS.retention_ms)
        assert entries["max.message.bytes"] == str(REFRESH_REQUESTS.max_message_bytes)
        existing = set(await admin.list_topics())
        assert {rig.settings.topic_prefix + topic for topic in all_topics()} <= existing
    finally:
        await admin.close()


async def test_another_number_of_partitions_is_refused(rig, topic_prefix):
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    prefix = f"odd-{topic_prefix}"
    admin = AIOKafkaAdminClient(bootstrap_servers=rig.settings.kafka_bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(prefix + TOPIC.name, 3, 1)])
    await admin.close()
    with pytest.raises(TopicProblem, match="found 3 partitions, expected 12"):
        await ensure_topics(rig.settings.kafka_bootstrap_servers, prefix)


async def test_no_broker_at_the_start_is_an_answer_in_time(unused_tcp_port):
    settings = Settings(
        service="test",
        kafka_bootstrap_servers=f"127.0.0.1:{unused_tcp_port}",
        database_url="postgresql:///none",
        publish_timeout_seconds=0.5,
    )
    producer = Producer(settings)
    began = time.monotonic()
    with pytest.raises(PublishFailed, match="can't be reached"):
        await producer.start()
    with pytest.raises(PublishFailed, match=r"no acknowledgement within 0\.5 s"):
        await producer.publish(TOPIC, Message("k", b"v", []))
    await producer.stop()
    assert time.monotonic() - began < 20


@pytest.fixture
def broker() -> Iterator[EmbeddedPair]:
    """A broker of this test's own, to be hurt."""
    with tempfile.TemporaryDirectory(prefix="plumbline-broker-") as folder:
        home = Home(Path(folder).resolve() / "home")
        with EmbeddedPair(home, Cache.from_environment(), durable=False) as pair:
            yield pair


async def test_a_broker_that_goes_silent_or_away_is_an_answer_in_time(broker):
    settings = Settings(
        service="test",
        kafka_bootstrap_servers=broker.bootstrap_servers,
        database_url="postgresql:///none",
        publish_timeout_seconds=1.5,
        stop_seconds=1.0,
    )
    await ensure_topics(broker.bootstrap_servers, "")
    producer = Producer(settings)
    await producer.start()
    await producer.publish(TOPIC, Message("k", b"before", [], 0), timeout_seconds=10)
    kafka = broker.processes["kafka"]

    kafka.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(PublishFailed, match="no acknowledgement"):
        await producer.publish(TOPIC, Message("k", b"silent", [], 0))
    assert time.monotonic() - began < 10
    kafka.send_signal(signal.SIGCONT)
    await producer.publish(TOPIC, Message("k", b"after", [], 0), timeout_seconds=20)
    values = [record.value for record in await read(settings, TOPIC.name, 0, 3)]
    assert values == [b"before", b"silent", b"after"]

    kafka.send_signal(signal.SIGKILL)
    with pytest.raises(PublishFailed):
        await producer.publish(TOPIC, Message("k", b"away", [], 0))
    assert not await producer.ping(0.5)
    began = time.monotonic()
    await producer.stop()
    assert time.monotonic() - began < 20
