"""The brake of dead letters: per connection, durable, nothing lost, others flow."""

import asyncio

import pytest
from plumbline_runtime.brakes import Brakes
from plumbline_runtime.health import Health
from plumbline_runtime.letters import Letter, read_letter, replay_headers
from plumbline_runtime.producer import RawMessage
from plumbline_runtime.records import Batch, Record
from plumbline_schemas.envelope import header

pytestmark = pytest.mark.server

BAD, FINE = "acme/stripe", "acme/crm"


def message(connection: str, value: str, headers: tuple = (), partition: int = 0) -> RawMessage:
    return RawMessage(
        f"{connection}/customer/c1".encode(), value.encode(), list(headers), partition
    )


async def refuse_bad(batch: Batch) -> None:
    for record in batch.records:
        if (record.value or b"").startswith(b"bad"):
            raise ValueError("it is bad")


async def open_brakes(rig) -> list[str]:
    rows = await rig.pool.fetch(
        """select subject from runtime.attention_view
           where kind = 'dead_letter_brake' and status = 'open'"""
    )
    return [row["subject"] for row in rows]


async def letters(rig, count: int) -> list[tuple[str, bytes | None]]:
    return [(header(r.headers, "dlq-reason") or "", r.value) for r in await rig.dead_letters(count)]


async def test_a_braked_connection_is_parked_in_order_and_the_others_flow(rig):
    handler = rig.recorder()
    handler.before = refuse_bad
    consumption = await rig.start(handler, dead_letter_brake_records=3)
    await rig.producer.publish_raw(rig.topic, [message(BAD, f"bad{n}") for n in range(3)])
    await rig.reaches(3)
    mixed = [m for n in range(4) for m in (message(BAD, f"later{n}"), message(FINE, f"fine{n}"))]
    await rig.producer.publish_raw(rig.topic, [*mixed, message(BAD, "last")])
    await rig.reaches(12)
    assert handler.values == [f"fine{n}".encode() for n in range(4)]
    found = await letters(rig, 8)
    assert found == [("unhandled", f"bad{n}".encode()) for n in range(3)] + [
        *(("braked", f"later{n}".encode()) for n in range(4)),
        ("braked", b"last"),
    ]
    assert await open_brakes(rig) == [f"test/{rig.topic.name}/{BAD}"]
    assert not consumption.braked
    health = consumption._health
    [condition] = [c for name, c in health.conditions().items() if BAD in name]
    assert not condition.ok
    assert health.conditions()[f"consumer:{rig.group}"].ok


async def test_the_good_records_of_others_do_not_end_a_row_and_their_letters_do_not_count(rig):
    handler = rig.recorder()
    handler.before = refuse_bad
    await rig.start(handler, dead_letter_brake_records=3)
    for n in range(2):
        await rig.producer.publish_raw(
            rig.topic, [message(BAD, f"bad{n}"), message(FINE, "fine"), message(FINE, "bad")]
        )
        await rig.reaches(3 * (n + 1))
    await rig.producer.publish_raw(rig.topic, [message(FINE, "fine")])
    await rig.reaches(7)
    assert await open_brakes(rig) == []
    await rig.producer.publish_raw(rig.topic, [message(BAD, "bad2")])
    await rig.reaches(8)
    assert await open_brakes(rig) == [f"test/{rig.topic.name}/{BAD}"]


async def test_its_own_good_record_ends_the_row(rig):
    handler = rig.recorder()
    handler.before = refuse_bad
    await rig.start(handler, dead_letter_brake_records=3)
    for n in range(4):
        await rig.producer.publish_raw(rig.topic, [message(BAD, "bad"), message(BAD, "fine")])
        await rig.reaches(2 * (n + 1))
    assert await open_brakes(rig) == []


async def test_two_connections_failing_with_nothing_good_between_stop_the_consumer(rig):
    handler = rig.recorder()
    handler.before = refuse_bad
    consumption = await rig.start(handler, dead_letter_brake_records=3)
    both = [message(c, "bad") for c in (BAD, FINE) for _ in range(3)]
    await rig.producer.publish_raw(rig.topic, both)
    await rig.eventually(lambda: consumption.braked)
    assert not rig.failures
    assert await rig.position() < 6


async def test_a_replayed_record_is_tried_and_a_good_one_lets_the_brake_go(rig):
    handler = rig.recorder()
    handler.before = refuse_bad
    await rig.start(handler, dead_letter_brake_records=3)
    await rig.producer.publish_raw(rig.topic, [message(BAD, f"bad{n}") for n in range(3)])
    await rig.reaches(3)
    await rig.producer.publish_raw(rig.topic, [message(BAD, "parked")])
    await rig.reaches(4)
    raw = (await rig.dead_letters(4))[3]
    record = Record(raw.topic, 0, raw.offset, raw.timestamp, raw.key, raw.value, raw.headers)
    letter = read_letter(rig.topic.dlq, record)
    assert isinstance(letter, Letter)
    again = RawMessage(raw.key, raw.value, replay_headers(letter, raw.headers), 0)
    await rig.producer.publish_raw(rig.topic, [again, message(BAD, "after")])
    await rig.reaches(6)
    assert handler.values[0] == b"parked"
    assert await open_brakes(rig) == []
    await rig.producer.publish_raw(rig.topic, [message(BAD, "flows")])
    await rig.reaches(7)
    assert handler.values[-1] == b"flows"


async def test_a_replayed_record_that_fails_again_is_linked_to_its_first_letter(rig):
    handler = rig.recorder()
    handler.before = refuse_bad
    await rig.start(handler)
    await rig.producer.publish_raw(rig.topic, [message(BAD, "bad", (("own", b"\xff"),))])
    attempts = []
    for number in range(3):
        raw = (await rig.dead_letters(number + 1))[number]
        record = Record(raw.topic, 0, raw.offset, raw.timestamp, raw.key, raw.value, raw.headers)
        letter = read_letter(rig.topic.dlq, record)
        assert isinstance(letter, Letter)
        attempts.append((letter.attempts, letter.first))
        headers = replay_headers(letter, raw.headers)
        assert headers[0] == ("own", b"\xff")
        await rig.producer.publish_raw(rig.topic, [RawMessage(raw.key, raw.value, headers, 0)])
    first = f"{rig.topic.dlq}/0/0"
    assert attempts == [(3, ""), (6, first), (9, first)]


async def test_a_brake_outlives_the_process_and_is_let_go_with_its_item(rig):
    one = Brakes(rig.pool, Health("test"), service="test", limit=2)
    for _ in range(2):
        await one.count(rig.topic, BAD, "invalid")
    health = Health("test")
    heir = Brakes(rig.pool, health, service="test", limit=2)
    stopping = asyncio.Event()
    task = asyncio.create_task(heir.run(stopping))
    record = Record("t", 0, 9, 0, f"{BAD}/customer/c1".encode(), b"v", ())
    await rig.eventually(lambda: heir.parks(record, rig.topic))
    assert heir.parks(record, rig.topic)
    assert not heir.parks(record._replace(headers=(("dlq-first", b"x"),)), rig.topic)
    await rig.pool.execute("update runtime.attention set status = 'closed'")
    await rig.eventually(lambda: not heir.parks(record, rig.topic))
    assert not [name for name in health.conditions() if BAD in name]
    stopping.set()
    await task
