"""A record that nobody can read has one letter, however many consumers meet it."""

import pytest
from plumbline_runtime.dead_letters import DeadLetters
from plumbline_runtime.health import Health
from plumbline_runtime.metrics import DLQ_LEFT
from plumbline_runtime.records import Record
from plumbline_schemas.envelope import header
from plumbline_schemas.topics import OBSERVATIONS

pytestmark = pytest.mark.server


def box(rig, service: str) -> DeadLetters:
    settings = rig.settings.model_copy(update={"service": service})
    return DeadLetters(rig.producer, settings, rig.pool, Health(service))


def sent_by(published) -> list[tuple[str, str]]:
    return [(header(m.headers, "dlq-service"), header(m.headers, "dlq-reason")) for m in published]


async def test_the_first_consumer_writes_it_and_the_others_count_it(rig, monkeypatch):
    published = []

    async def publish_raw(topic, messages):
        published.extend(messages)

    monkeypatch.setattr(rig.producer, "publish_raw", publish_raw)
    record = Record(OBSERVATIONS.name, 3, 17, 0, b"acme/hubspot/company/1", b"{", ())
    before = DLQ_LEFT.labels("invalid")._value.get()
    matcher, writeback = box(rig, "matcher"), box(rig, "writeback")
    for one in (writeback, matcher, writeback):
        await one.send(record, OBSERVATIONS, reason="invalid", error="no JSON")
    assert sent_by(published) == [("matcher", "invalid")]
    assert DLQ_LEFT.labels("invalid")._value.get() == before + 1
    await writeback.send(
        record._replace(offset=18), OBSERVATIONS, reason="unhandled", error="a bug of its own"
    )
    assert sent_by(published)[1:] == [("writeback", "unhandled")]
