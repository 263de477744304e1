"""What can't be handled is dead-lettered, byte for byte, and the partition goes on."""

import asyncio

import pytest
from plumbline_runtime.backoff import InfrastructureDown
from plumbline_runtime.delivery import HandlerBug
from plumbline_runtime.producer import RawMessage
from plumbline_runtime.records import Batch
from plumbline_schemas.envelope import header

pytestmark = pytest.mark.server


async def test_one_bad_record_of_a_batch_goes_to_the_dlq_and_the_others_are_handled(rig):
    async def refuse(batch: Batch) -> None:
        if any(record.value == b"bad" for record in batch.records):
            raise KeyError("plan")

    handler = rig.recorder()
    handler.before = refuse
    await rig.publish(b"1", b"2", b"bad", b"4", b"5")
    await rig.start(handler)
    await rig.eventually(lambda: len(handler.seen) == 4)
    assert handler.values == [b"1", b"2", b"4", b"5"]
    [letter] = await rig.dead_letters(1)
    assert letter.value == b"bad"
    assert header(letter.headers, "dlq-reason") == "unhandled"
    assert header(letter.headers, "dlq-topic") == rig.topic.name
    assert header(letter.headers, "dlq-offset") == "2"
    assert header(letter.headers, "dlq-error-class") == "KeyError"
    assert header(letter.headers, "dlq-attempts") == "3"
    await rig.reaches(5)
    assert not rig.failures


async def test_a_dead_letter_keeps_key_value_and_headers_whatever_their_bytes(rig):
    async def refuse(_: Batch) -> None:
        raise ValueError("no sense in it")

    headers = [("empty", None), ("binary", b"\xff\xfe\x00"), ("text", "ü".encode()), ("text", b"")]
    strange = RawMessage(b"\xff\x00key", b"\x00\xff" * 1000, headers, 5)
    tombstone = RawMessage(b"key", None, [], 5)
    handler = rig.recorder()
    handler.before = refuse
    await rig.producer.publish_raw(rig.topic, [strange, tombstone])
    await rig.start(handler)
    letters = await rig.dead_letters(2)
    assert letters[0].key == strange.key
    assert letters[0].value == strange.value
    assert list(letters[0].headers[:4]) == headers
    assert letters[0].partition == 5
    assert letters[1].value is None
    await rig.eventually(lambda: not rig.failures)
    await rig.reaches(2, 5)


async def test_headers_of_any_bytes_reach_the_handler(rig):
    handler = rig.recorder()
    await rig.start(handler)
    headers = [("reply_to", b"somewhere"), ("null", None), ("binary", b"\xff\xff")]
    await rig.producer.publish_raw(rig.topic, [RawMessage(None, b"v", headers, 1)])
    await rig.eventually(lambda: handler.seen)
    assert handler.seen[0].headers == tuple(headers)
    assert handler.seen[0].key is None


async def test_a_record_of_a_mebibyte_passes(rig):
    handler = rig.recorder()
    await rig.start(handler)
    bodies = [bytes([n]) * 1_048_000 for n in range(3)]
    await rig.publish(*bodies)
    await rig.eventually(lambda: len(handler.seen) == 3)
    assert handler.values == bodies


async def test_text_postgres_refuses_is_the_records_fault(rig):
    stored: list[bytes] = []

    class Stores:
        async def handle(self, batch: Batch) -> None:
            async with rig.pool.acquire() as conn, conn.transaction():
                for record in batch.records:
                    await conn.execute("select $1::text", (record.value or b"").decode())
                await batch.advance(conn)
            stored.extend(record.value or b"" for record in batch.records)

    await rig.publish(b"fine", b"with\x00nul", b"also fine")
    await rig.start(Stores())
    await rig.eventually(lambda: stored == [b"fine", b"also fine"])
    [letter] = await rig.dead_letters(1)
    assert letter.value == b"with\x00nul"
    assert header(letter.headers, "dlq-error-class") == "CharacterNotInRepertoireError"


async def test_broken_infrastructure_is_waited_for_and_nothing_is_passed(rig):
    failures = [ConnectionRefusedError("down"), TimeoutError(), OSError("still down")]

    async def fail_first(_: Batch) -> None:
        if failures:
            raise failures.pop()

    handler = rig.recorder()
    handler.before = fail_first
    await rig.start(handler)
    await rig.publish(b"1", b"2")
    await rig.eventually(lambda: handler.values == [b"1", b"2"])
    assert not failures
    assert not rig.failures


async def test_infrastructure_down_for_too_long_ends_the_process(rig):
    async def fail(_: Batch) -> None:
        raise ConnectionRefusedError("down")

    handler = rig.recorder()
    handler.before = fail
    await rig.start(handler, retry_seconds=0.5)
    await rig.publish(b"1")
    await rig.eventually(lambda: rig.failures)
    assert isinstance(rig.failures[0], InfrastructureDown)
    await rig.reaches(0)


async def test_records_of_nobody_that_can_only_be_dead_letters_stop_the_consumer(rig):
    async def refuse(_: Batch) -> None:
        raise ValueError("everything is wrong")

    handler = rig.recorder()
    handler.before = refuse
    consumption = await rig.start(handler, dead_letter_brake_records=5)
    nobodys = [RawMessage(b"key", str(n).encode(), [], 0) for n in range(20)]
    await rig.producer.publish_raw(rig.topic, nobodys)
    await rig.eventually(lambda: consumption.braked, seconds=30)
    await rig.reaches(5)
    condition = consumption._health.conditions()[f"consumer:{rig.group}"]
    assert not condition.ok
    assert "5 dead letters in a row" in condition.detail
    await asyncio.sleep(0.2)
    await rig.reaches(5)
    assert not rig.failures


async def test_a_handler_that_forgets_to_advance_passes_nothing(rig):
    class Forgets:
        async def handle(self, batch: Batch) -> None:
            return None

    await rig.start(Forgets())
    await rig.publish(b"1")
    await rig.eventually(lambda: rig.failures)
    assert isinstance(rig.failures[0], HandlerBug)
    await rig.reaches(0)
