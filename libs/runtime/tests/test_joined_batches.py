"""All partitions of a poll in one transaction: together or not at all, and apart when it fails."""

import asyncio

import pytest
from plumbline_runtime.postgres import after_commit, transaction
from plumbline_runtime.records import Batch, Fenced, JoinedBatch

pytestmark = pytest.mark.server

PARTITIONS = range(12)


class Joins:
    """Remembers which batches committed; `before` may raise."""

    def __init__(self, rig, before=None):
        self.rig = rig
        self.before = before
        self.tried: list[Batch] = []
        self.values: list[bytes] = []

    async def handle(self, batch: Batch) -> None:
        self.tried.append(batch)

        async def work(conn) -> None:
            await batch.advance(conn)
            if self.before is not None:
                await self.before(batch, conn)

        await transaction(self.rig.pool, work)
        self.values.extend(record.value for record in batch.records)


async def publish_everywhere(rig) -> None:
    for partition in PARTITIONS:
        await rig.publish(b"a%d" % partition, b"b%d" % partition, partition=partition)


async def positions(rig) -> set[int]:
    return {await rig.position(partition) for partition in PARTITIONS}


async def test_one_poll_is_one_transaction_and_order_in_each_partition_holds(rig):
    await publish_everywhere(rig)
    handler = Joins(rig)
    await rig.start(handler, joined=True)
    await rig.eventually(lambda: len(handler.values) == 24)
    assert len(handler.tried) < 6
    assert await positions(rig) == {2}
    for partition in PARTITIONS:
        first, second = b"a%d" % partition, b"b%d" % partition
        assert handler.values.index(first) < handler.values.index(second)
    assert not rig.failures


async def test_a_poisoned_record_is_dead_lettered_and_no_other_partition_suffers(rig):
    await publish_everywhere(rig)

    async def refuse(batch, _conn):
        if any(record.value == b"a3" for record in batch.records):
            raise ValueError("nobody can handle this")

    handler = Joins(rig, refuse)
    await rig.start(handler, joined=True)
    (letter,) = await rig.dead_letters(1)
    assert letter.value == b"a3"
    await rig.reaches(2, partition=3)
    await rig.eventually(lambda: len(handler.values) == 23)
    assert await positions(rig) == {2}
    assert sorted(handler.values) == sorted(
        value
        for partition in PARTITIONS
        for value in (b"a%d" % partition, b"b%d" % partition)
        if value != b"a3"
    )
    assert not rig.failures


async def test_broken_infrastructure_is_waited_out_and_nothing_is_handled_twice(rig):
    await publish_everywhere(rig)
    broken = [ConnectionError("gone"), ConnectionError("still gone")]

    async def break_once(_batch, _conn):
        if broken:
            raise broken.pop()

    handler = Joins(rig, break_once)
    await rig.start(handler, joined=True)
    await rig.eventually(lambda: len(handler.values) == 24)
    assert len(set(handler.values)) == 24
    assert await positions(rig) == {2}
    assert not rig.failures


async def test_a_commit_that_nobody_heard_of_is_not_done_again(rig):
    await publish_everywhere(rig)

    class Unheard(Joins):
        async def handle(self, batch: Batch) -> None:
            await super().handle(batch)
            if len(self.tried) == 1:
                raise ConnectionError("the connection broke after the commit")

    handler = Unheard(rig)
    await rig.start(handler, joined=True)
    await rig.eventually(lambda: len(handler.values) >= 24)
    await asyncio.sleep(0.3)
    assert len(handler.values) == 24
    assert await positions(rig) == {2}
    assert not rig.failures


async def test_a_zombie_moves_no_partition_at_all(rig):
    await publish_everywhere(rig)

    async def overtaken(batch, conn):
        if isinstance(batch, JoinedBatch):
            moved = "update runtime.offsets set next_offset = 7 where topic = $1 and partition = 5"
            await rig.pool.execute(moved, rig.topic.name)

    class Overtaken(Joins):
        async def handle(self, batch: Batch) -> None:
            await overtaken(batch, None)
            await super().handle(batch)

    handler = Overtaken(rig)
    await rig.start(handler, joined=True)
    await rig.eventually(lambda: rig.failures)
    assert isinstance(rig.failures[0], Fenced)
    assert await positions(rig) == {0, 7}
    assert handler.values == []


async def test_a_position_counts_once_its_transaction_has_committed(rig):
    await rig.publish(b"a")
    seen: list[int | None] = []

    class Looks:
        async def handle(self, batch: Batch) -> None:
            async def work(conn) -> None:
                await batch.advance(conn)
                seen.append(batch.advanced_to)

            await transaction(rig.pool, work)
            seen.append(batch.advanced_to)

    await rig.start(Looks())
    await rig.eventually(lambda: len(seen) == 2)
    assert seen == [None, 1]


async def test_after_commit_is_silent_when_the_transaction_is_rolled_back(rig):
    told: list[str] = []

    async def work(conn) -> None:
        after_commit(lambda: told.append("committed"))
        await conn.execute("select 1")
        if not told and not failed:
            failed.append(True)
            raise ValueError("rolled back")

    failed: list[bool] = []
    with pytest.raises(ValueError, match="rolled back"):
        await transaction(rig.pool, work)
    assert told == []
    await transaction(rig.pool, work)
    assert told == ["committed"]
