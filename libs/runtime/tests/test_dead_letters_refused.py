"""Poison while the dead-letter topic takes nothing: back-pressure, nothing passed, nothing lost."""

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from plumbline_runtime.backoff import InfrastructureDown
from plumbline_runtime.metrics import PUBLISH_FAILURES
from plumbline_runtime.records import Batch
from plumbline_runtime.topics import ensure_topics

pytestmark = pytest.mark.server


async def refuse_bad(batch: Batch) -> None:
    if any(record.value == b"bad" for record in batch.records):
        raise ValueError("it is bad")


async def refuse_letters(rig) -> None:
    """The broker takes no record that is larger than a byte."""
    admin = AIOKafkaAdminClient(bootstrap_servers=rig.settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        name = rig.settings.topic_prefix + rig.topic.dlq
        await admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name, configs={"max.message.bytes": "1"})]
        )
    finally:
        await admin.close()


def failures(rig) -> float:
    return PUBLISH_FAILURES.labels(rig.topic.dlq)._value.get()


async def test_nothing_passes_until_the_letter_is_safe(rig):
    before = failures(rig)
    handler = rig.recorder()
    handler.before = refuse_bad
    await refuse_letters(rig)
    await rig.start(handler, retry_seconds=60.0)
    await rig.publish(b"fine", b"bad", b"behind")
    await rig.eventually(lambda: failures(rig) >= before + 2, seconds=30)
    await rig.stores(1)  # it is busy: the second record waits for its letter
    assert handler.values == [b"fine"]
    await ensure_topics(rig.settings.kafka_bootstrap_servers, rig.settings.topic_prefix)
    await rig.eventually(lambda: handler.values == [b"fine", b"behind"], seconds=30)
    [letter] = await rig.dead_letters(1)
    assert letter.value == b"bad"
    await rig.reaches(3)
    assert not rig.failures


async def test_for_too_long_it_ends_the_process_at_the_same_record(rig):
    handler = rig.recorder()
    handler.before = refuse_bad
    await refuse_letters(rig)
    await rig.start(handler, retry_seconds=0.5)
    await rig.publish(b"bad", b"behind")
    await rig.eventually(lambda: rig.failures, seconds=30)
    assert isinstance(rig.failures[0], InfrastructureDown)
    await rig.reaches(0)
    assert handler.values == []
