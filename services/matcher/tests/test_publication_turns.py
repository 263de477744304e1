"""Two matchers and one outbox: the last state of a key is the newest one."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from matcher.publish import OutboxPublisher
from plumbline_runtime.producer import Message
from plumbline_schemas.accounts import AccountState
from plumbline_schemas.topics import ACCOUNTS_STATE, Topic

pytestmark = pytest.mark.server


class Gate:
    """A producer that hands the first states it gets to the topic only when it is let."""

    def __init__(self, topics: Any) -> None:
        self._topics = topics
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def publish_many(self, topic: Topic, messages: Sequence[Message]) -> None:
        self.reached.set()
        await self.open.wait()
        await self._topics.publish_many(topic, messages)


async def changed(bench: Any, log: Any, amount: int) -> None:
    """One more change, folded but not published."""
    log.subscription("sub_1", "cus_1", amount)
    bench.topics.down = True
    await bench.run(log)
    bench.topics.down = False


async def start(bench: Any, kit: Any) -> Any:
    log = kit.log()
    log.ready()
    log.customer("cus_1")
    await bench.run(log)
    return log


def minors(bench: Any) -> list[int]:
    states = [AccountState.model_validate_json(m.value) for m in bench.topics.of(ACCOUNTS_STATE)]
    return [state.fields["mrr"].value.minor for state in states]  # type: ignore[union-attr]


async def backends_waiting(pool: asyncpg.Pool) -> int:
    return int(
        await pool.fetchval(
            "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        )
    )


async def test_one_of_two_publishes_at_a_time(bench: Any, kit: Any, pool: asyncpg.Pool) -> None:
    log = await start(bench, kit)
    gate = Gate(bench.topics)
    slow = OutboxPublisher(pool, gate)
    await changed(bench, log, 5000)
    first = asyncio.create_task(slow.flush("acme"))
    await gate.reached.wait()
    await changed(bench, log, 6000)
    second = asyncio.create_task(bench.outbox.flush("acme"))
    async with asyncio.timeout(10):
        while not await backends_waiting(pool):
            await asyncio.sleep(0.01)
    gate.open.set()
    await asyncio.gather(first, second)
    assert minors(bench)[-2:] == [5000, 6000]


async def test_a_sleeper_that_lost_its_turn_publishes_the_newest_again(
    bench: Any, kit: Any, pool: asyncpg.Pool
) -> None:
    log = await start(bench, kit)
    gate = Gate(bench.topics)
    sleeper = OutboxPublisher(pool, gate)
    await changed(bench, log, 5000)
    asleep = asyncio.create_task(sleeper.flush("acme"))
    await gate.reached.wait()
    await pool.execute(
        """select pg_terminate_backend(pid) from pg_locks
           where locktype = 'advisory' and granted and database =
                 (select oid from pg_database where datname = current_database())"""
    )
    await changed(bench, log, 6000)
    await bench.outbox.flush("acme")
    assert minors(bench)[-1] == 6000
    gate.open.set()
    await asleep
    assert minors(bench)[-2:] == [5000, 6000]
    row = await pool.fetchrow("select * from matcher.outbox_view")
    assert row["published_up_to"] == row["sequence"]
