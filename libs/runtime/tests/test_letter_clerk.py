"""The clerk: letters and marks fold into open letters and one attention item per cause."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from plumbline_runtime.attention import AttentionDesk, open_attention
from plumbline_runtime.dead_letters import DeadLetters
from plumbline_runtime.health import Health
from plumbline_runtime.letter_clerk import LetterClerk
from plumbline_runtime.letters import LetterId, Mark, mark_headers, parse_letter_id
from plumbline_runtime.producer import RawMessage
from plumbline_runtime.records import Record
from plumbline_schemas.topics import dead_letter_topics

pytestmark = pytest.mark.server


@asynccontextmanager
async def clerk(rig, **settings: object) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    made = LetterClerk(
        [rig.topic],
        settings=rig.settings.model_copy(update=settings),
        pool=rig.pool,
        desk=AttentionDesk(rig.pool, rig.producer, stopping),
        stopping=stopping,
    )
    task = asyncio.create_task(made.run())
    try:
        yield
    finally:
        stopping.set()
        async with asyncio.timeout(10):
            await task


async def letter(rig, offset: int, reason: str, key: bytes | None = b"acme/stripe/plan/p") -> None:
    box = DeadLetters(rig.producer, rig.settings, rig.pool, Health("test"))
    record = Record(rig.topic.name, 2, offset, 0, key, b"v", (("odd", b"\xff\x00"),))
    await box.send(record, rig.topic, reason=reason, error="no\0sense")


async def mark(rig, offset: int, word: str = "discarded") -> None:
    beside = dead_letter_topics()[rig.topic.dlq]
    found = Mark(LetterId(beside.name, 2, offset), word, "ann", datetime.now(UTC), "junk")
    await rig.producer.publish_raw(beside, [RawMessage(b"k", None, mark_headers(found), 2)])


async def state(rig) -> tuple[int, list[tuple[str, str, str, int]]]:
    count = await rig.pool.fetchval("select count(*) from runtime.dead_letters")
    rows = await rig.pool.fetch(
        """select workspace, subject, status, (details ->> 'letters')::int as letters
           from runtime.attention_view where kind = 'dead_letter' order by subject"""
    )
    return count, [tuple(row) for row in rows]


async def reaches(rig, wanted: object) -> None:
    for _ in range(1500):
        if await state(rig) == wanted:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{await state(rig)}, expected {wanted}")


async def test_an_item_per_cause_opens_counts_and_closes_with_the_last_mark(rig):
    name = rig.topic.name
    async with clerk(rig):
        await letter(rig, 0, "invalid")
        await letter(rig, 1, "invalid")
        await letter(rig, 2, "not_json", None)
        invalid, unread = f"{name}/stripe/invalid", f"{name}/unknown/not_json"
        await reaches(rig, (3, [("acme", invalid, "open", 2), ("-", unread, "open", 1)]))
        await mark(rig, 0)
        await mark(rig, 2, "replayed")
        await reaches(rig, (1, [("acme", invalid, "open", 1), ("-", unread, "closed", 1)]))
        await mark(rig, 1)
        await mark(rig, 1)
        await reaches(rig, (0, [("acme", invalid, "closed", 1), ("-", unread, "closed", 1)]))


async def test_what_happened_while_it_was_away_is_caught_up_and_told_again_is_the_same(rig):
    wanted = (1, [("acme", f"{rig.topic.name}/stripe/invalid", "open", 1)])
    await letter(rig, 0, "invalid")
    await letter(rig, 1, "invalid")
    await mark(rig, 1)
    async with clerk(rig), clerk(rig):  # two instances of one service
        await reaches(rig, wanted)
    await rig.pool.execute("update runtime.offsets set next_offset = 0")
    async with clerk(rig):
        for _ in range(500):
            if await rig.pool.fetchval("select max(next_offset) from runtime.offsets") == 3:
                break
            await asyncio.sleep(0.02)
        await reaches(rig, wanted)


async def test_a_brake_lets_go_when_no_letter_of_its_connection_is_open(rig):
    async with rig.pool.acquire() as conn:
        await open_attention(
            conn,
            workspace="acme",
            kind="dead_letter_brake",
            subject="brake",
            summary="braked",
            details={"topic": rig.topic.name, "connection": "acme/stripe", "service": "test"},
        )

    async def status() -> str:
        return await rig.pool.fetchval(
            "select status from runtime.attention where kind = 'dead_letter_brake'"
        )

    async with clerk(rig):
        await letter(rig, 0, "invalid")
        await letter(rig, 1, "braked")
        item = ("acme", f"{rig.topic.name}/stripe/braked", "open", 1)
        closed = ("acme", f"{rig.topic.name}/stripe/invalid", "closed", 1)
        await reaches(rig, (2, [item, (*closed[:2], "open", 1)]))
        await mark(rig, 0)
        await reaches(rig, (1, [item, closed]))
        assert await status() == "open"
        await mark(rig, 1)
        await reaches(rig, (0, [(*item[:2], "closed", 1), closed]))
        assert await status() == "closed"


@pytest.mark.parametrize("text", ["", "a/1/2", "a.dlq/1", "a.dlq/x/1", "a.dlq/1/-2", "a.dlq/1/2/3"])
def test_an_id_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"expected TOPIC\.dlq/PARTITION/OFFSET"):
        parse_letter_id(text)


async def test_letters_past_their_retention_are_forgotten_while_it_runs(rig):
    subject = f"{rig.topic.name}/stripe/invalid"
    async with clerk(rig, letters_look_seconds=0.1):
        for offset in range(3):
            await letter(rig, offset, "invalid")
        await reaches(rig, (3, [("acme", subject, "open", 3)]))
        await expire(rig, before=2)
        await reaches(rig, (1, [("acme", subject, "open", 1)]))
        await expire(rig, before=3)
        await reaches(rig, (0, [("acme", subject, "closed", 1)]))


async def expire(rig, before: int) -> None:
    """What retention does, at once."""
    place = TopicPartition(rig.settings.topic_prefix + rig.topic.dlq, 2)
    admin = AIOKafkaAdminClient(bootstrap_servers=rig.settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_records({place: RecordsToDelete(before_offset=before)})
    finally:
        await admin.close()
