"""Every subscriber the factory makes keeps the rules of design 11, and the check sees a breach."""

import asyncio

import pytest
from aiokafka import ConsumerRecord
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from plumbline_runtime.assignment import SeekingListener, by_partition
from plumbline_runtime.consumer import PollLog, check_subscriber, create_subscriber
from plumbline_runtime.metrics import POLL_ERRORS
from plumbline_runtime.settings import Settings
from plumbline_schemas.topics import TOPICS

SETTINGS = Settings(
    service="matcher",
    kafka_bootstrap_servers="127.0.0.1:1",
    database_url="postgresql:///none",
    topic_prefix="t-",
    instance="3",
)


async def nothing(*_: object) -> None:
    return None


def made(topic, settings=SETTINGS):
    listener = SeekingListener(assigned=nothing, revoked=nothing, failed=lambda _: None)
    return create_subscriber(
        topic, group="matcher", settings=settings, listener=listener, on_batch=nothing
    )


@pytest.mark.parametrize("topic", TOPICS.values(), ids=list(TOPICS))
def test_the_factory_keeps_every_rule(topic):
    broker, subscriber = made(topic)
    assert list(broker.subscribers) == [subscriber]
    assert check_subscriber(subscriber) == []
    assert subscriber.topic_names == [f"t-{topic.name}"]
    assert subscriber.group_id == "t-matcher"
    assert subscriber._connection_args["group_instance_id"] == "matcher-matcher-3"


@pytest.mark.parametrize("poll_ms", [10, 20])
@pytest.mark.parametrize("records", [1, 500])
@pytest.mark.parametrize("session", [6.0, 45.0])
def test_no_setting_can_break_a_rule(poll_ms, records, session):
    changes = {
        "poll_ms": poll_ms,
        "batch_max_records": records,
        "session_seconds": session,
        "heartbeat_seconds": 2.0,
    }
    settings = SETTINGS.model_copy(update=changes)
    assert check_subscriber(made(TOPICS["observations.v1"], settings)[1]) == []


@pytest.mark.parametrize(("session", "drain"), [(6.0, 10.0), (30.0, 10.0), (30.0, 28.0)])
def test_a_rebalance_waits_for_a_batch_that_is_drained(session, drain):
    """Given up earlier, its partitions go to an owner who reads a position about to move."""
    changes = {"session_seconds": session, "drain_seconds": drain}
    _, subscriber = made(TOPICS["observations.v1"], SETTINGS.model_copy(update=changes))
    waits_ms = subscriber._connection_args["rebalance_timeout_ms"]
    assert waits_ms >= session * 1000
    assert waits_ms > drain * 1000


GOOD = {
    "batch": True,
    "group_id": "g",
    "group_instance_id": "g-0",
    "auto_offset_reset": "earliest",
    "ack_policy": AckPolicy.MANUAL,
    "batch_timeout_ms": 10,
    "max_records": 500,
    "no_reply": True,
}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"ack_policy": AckPolicy.ACK}, "ack_policy must be MANUAL"),
        ({"ack_policy": AckPolicy.ACK_FIRST}, "enable_auto_commit must be off"),
        ({"group_id": None}, "group_id must be set"),
        ({"group_instance_id": None}, "group_instance_id must be set"),
        ({"auto_offset_reset": "latest"}, "auto_offset_reset must be earliest"),
        ({"batch_timeout_ms": 200}, "batch_timeout_ms must be at most 20"),
        ({"max_records": None}, "max_records must be set"),
        ({"no_reply": False}, "no_reply must be on"),
        ({"parser": None}, "a parser that survives any header bytes"),
        ({"decoder": None}, "a decoder that decodes nothing"),
        ({"listener": None}, "a listener that seeks to the stored position"),
        ({"session_timeout_ms": 3000}, "the session must outlast a pause of the loop"),
    ],
)
def test_a_broken_rule_is_named(change, complaint):
    subscriber = KafkaBroker().subscriber("topic", **GOOD | change)
    assert complaint in check_subscriber(subscriber)


def test_a_subscriber_of_single_records_is_refused():
    subscriber = KafkaBroker().subscriber("topic", group_id="g", ack_policy=AckPolicy.MANUAL)
    assert check_subscriber(subscriber) == [
        "found DefaultSubscriber, expected one that takes batches"
    ]


async def test_a_failing_listener_reaches_the_supervisor():
    failures: list[BaseException] = []

    async def fail(*_: object) -> None:
        raise RuntimeError("no position")

    listener = SeekingListener(assigned=fail, revoked=fail, failed=failures.append)
    await listener.on_partitions_assigned(set())
    await listener.on_partitions_revoked(set())
    assert [str(error) for error in failures] == ["no position", "no position"]


def test_a_polled_tuple_is_taken_apart_by_partition_in_order():
    def raw(partition: int, offset: int) -> ConsumerRecord:
        return ConsumerRecord("t", partition, offset, 5, 0, b"k", b"v", None, 1, 1, [("h", None)])

    split = by_partition([raw(1, 7), raw(0, 3), raw(1, 8), raw(0, 4)])
    offsets = {tp.partition: [r.offset for r in records] for tp, records in split.items()}
    assert offsets == {1: [7, 8], 0: [3, 4]}
    assert next(iter(split.values()))[0].headers == (("h", None),)


def test_poll_errors_are_counted_and_a_cancelled_poll_is_not():
    from aiokafka.errors import NodeNotReadyError

    before = POLL_ERRORS.labels("x")._value.get()
    log = PollLog("x")
    log.log(40, "Kafka error occurred", exc_info=NodeNotReadyError("gone"))
    log.log(40, "stopped", exc_info=asyncio.CancelledError())
    log.log(20, "waiting for messages")
    assert POLL_ERRORS.labels("x")._value.get() == before + 1
