"""Attention items: stored with their cause, published at least once, never an older state last."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer
from plumbline_runtime.attention import AttentionDesk, close_attention, open_attention
from plumbline_runtime.producer import PublishFailed
from plumbline_schemas.attention import Attention
from plumbline_schemas.envelope import header
from plumbline_schemas.topics import ATTENTION

pytestmark = pytest.mark.server

ITEM = {"workspace": "acme", "kind": "failed_walk", "subject": "crm/initial"}


class Sent:
    """Stands in for the producer: keeps what was sent, fails or waits when told to."""

    def __init__(self) -> None:
        self.states: list[tuple[str, str, int]] = []
        self.failures = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()

    async def publish_many(self, topic: Any, messages: Any, **_: object) -> None:
        assert topic is ATTENTION
        self.entered.set()
        await self.gate.wait()
        for message in messages:
            item = Attention.model_validate_json(message.value)
            sequence = int(header(message.headers, "ce_sequence") or 0)
            self.states.append((message.key, item.status, sequence))
        if self.failures:
            self.failures -= 1
            raise PublishFailed("attention.v1: no acknowledgement")


@asynccontextmanager
async def running(desk: AttentionDesk, stopping: asyncio.Event) -> AsyncIterator[None]:
    task = asyncio.create_task(desk.run())
    try:
        yield
    finally:
        stopping.set()
        async with asyncio.timeout(5):
            await task


async def rows(pool: asyncpg.Pool) -> list[asyncpg.Record]:
    return await pool.fetch("select * from runtime.attention_view order by kind, subject")


async def test_an_item_is_there_exactly_when_its_cause_is(rig):
    async with rig.pool.acquire() as conn:
        cause = conn.transaction()
        await cause.start()
        await open_attention(conn, **ITEM, summary="refused")
        await cause.rollback()
    assert await rows(rig.pool) == []
    async with rig.pool.acquire() as conn, conn.transaction():
        await open_attention(conn, **ITEM, summary="refused", details={"status": 401})
    [item] = await rows(rig.pool)
    assert (item["status"], item["summary"], item["details"]) == (
        "open",
        "refused",
        {"status": 401},
    )


async def test_an_unchanged_item_is_silent_and_a_closed_one_opens_anew(rig):
    sent = Sent()
    desk = AttentionDesk(rig.pool, sent, asyncio.Event())
    async with rig.pool.acquire() as conn:
        await open_attention(conn, **ITEM, summary="refused")
        assert await desk.publish() == 1
        await open_attention(conn, **ITEM, summary="refused")
        assert await desk.publish() == 0
        [first] = await rows(rig.pool)
        assert await close_attention(conn, **ITEM)
        assert not await close_attention(conn, **ITEM)
        assert await desk.publish() == 1
        await open_attention(conn, **ITEM, summary="refused")
        assert await desk.publish() == 1
    [second] = await rows(rig.pool)
    assert second["opened_at"] > first["opened_at"]
    assert [status for _, status, _ in sent.states] == ["open", "closed", "open"]
    sequences = [sequence for *_, sequence in sent.states]
    assert sequences == sorted(set(sequences))


async def test_a_change_made_while_it_is_published_goes_out_next(rig):
    sent = Sent()
    sent.gate.clear()
    desk = AttentionDesk(rig.pool, sent, asyncio.Event())
    async with rig.pool.acquire() as conn:
        await open_attention(conn, **ITEM, summary="refused")
        first = asyncio.create_task(desk.publish())
        await sent.entered.wait()
        async with asyncio.timeout(2):  # it waits for no publisher
            await close_attention(conn, **ITEM)
        other = AttentionDesk(rig.pool, sent, asyncio.Event())
        assert await other.publish() == 0, "one publisher at a time, or an older state may be last"
        sent.gate.set()
        assert await first == 1
        assert await other.publish() == 1
    assert [status for _, status, _ in sent.states] == ["open", "closed"]


async def test_what_was_not_acknowledged_is_sent_again_even_if_another_process_sent_it_since(rig):
    lost, heard = Sent(), Sent()
    lost.failures = 1
    desk = AttentionDesk(rig.pool, lost, asyncio.Event())
    other = AttentionDesk(rig.pool, heard, asyncio.Event())
    async with rig.pool.acquire() as conn:
        await open_attention(conn, **ITEM, summary="refused")
        with pytest.raises(PublishFailed):
            await desk.publish()
        await close_attention(conn, **ITEM)
        assert await other.publish() == 1
    # Its "open" may still be on its way behind the other's "closed": the newest goes out behind it.
    assert await desk.publish() == 1
    assert lost.states[-1][1] == "closed"
    assert await desk.publish() == 0


async def test_a_running_desk_survives_a_broker_that_is_away(rig):
    sent = Sent()
    sent.failures = 2
    stopping = asyncio.Event()
    desk = AttentionDesk(rig.pool, sent, stopping)
    async with rig.pool.acquire() as conn:
        await open_attention(conn, **ITEM, summary="refused")
    async with running(desk, stopping):
        await rig.eventually(lambda: len(sent.states) == 3)
        async with rig.pool.acquire() as conn:
            await close_attention(conn, **ITEM)
        desk.wake()
        await rig.eventually(lambda: sent.states[-1][1] == "closed")


async def test_the_topic_holds_what_the_table_holds(rig):
    stopping = asyncio.Event()
    consumer = AIOKafkaConsumer(
        rig.settings.topic_prefix + ATTENTION.name,
        bootstrap_servers=rig.settings.kafka_bootstrap_servers,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    desks = [AttentionDesk(rig.pool, rig.producer, stopping) for _ in range(3)]
    try:
        async with running(desks[0], stopping), running(desks[1], stopping):
            async with rig.pool.acquire() as conn:
                for round_ in range(20):
                    for subject in ("a", "b", "c"):
                        item = {**ITEM, "subject": subject}
                        await open_attention(conn, **item, summary=f"round {round_}")
                        if round_ % 3 == 2:
                            await close_attention(conn, **item)
                        desks[round_ % 2].wake()
            await rig.eventually(lambda: not desks[0]._unsure and not desks[1]._unsure)
            latest: dict[bytes, Attention] = {}
            async with asyncio.timeout(20):
                while len(latest) < 3 or any(i.summary != "round 19" for i in latest.values()):
                    record = await consumer.getone()
                    latest[record.key] = Attention.model_validate_json(record.value)
    finally:
        await consumer.stop()
    assert sorted(latest) == [f"acme/failed_walk/{s}".encode() for s in "abc"]
    assert {item.status for item in latest.values()} == {"open"}
