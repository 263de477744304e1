"""Delivery over a real Kafka and PostgreSQL: positions, redelivery, fencing, gaps."""

import asyncio

import pytest
from plumbline_runtime.consumer import check_subscriber
from plumbline_runtime.metrics import FENCE_REJECTIONS
from plumbline_runtime.positions import PositionBeyondLog
from plumbline_runtime.postgres import transaction
from plumbline_runtime.records import Batch, Fenced

pytestmark = pytest.mark.server


async def test_records_are_handled_once_and_in_order_and_the_position_is_stored(rig):
    handler = rig.recorder()
    consumption = await rig.start(handler)
    values = [str(n).encode() for n in range(1200)]
    await rig.publish(*values)
    await rig.eventually(lambda: len(handler.seen) >= 1200)
    assert handler.values == values
    assert await rig.position() == 1200
    assert max(record.partition for record in handler.seen) == 0
    assert check_subscriber(consumption.subscriber) == []
    assert not rig.failures


async def test_a_restart_goes_on_at_the_stored_position_and_not_at_kafkas_own(rig):
    first = rig.recorder()
    consumption = await rig.start(first)
    await rig.publish(*(str(n).encode() for n in range(10)))
    await rig.eventually(lambda: len(first.seen) == 10)
    await consumption.stop()
    await rig.pool.execute("update runtime.offsets set next_offset = 4 where partition = 0")

    second = rig.recorder()
    await rig.start(second)
    await rig.eventually(lambda: len(second.seen) == 6)
    assert [record.offset for record in second.seen] == [4, 5, 6, 7, 8, 9]
    assert await rig.position() == 10


async def test_a_new_group_starts_at_the_first_record(rig):
    await rig.publish(b"before", b"the group")
    handler = rig.recorder()
    await rig.start(handler)
    await rig.eventually(lambda: handler.values == [b"before", b"the group"])


async def test_a_zombie_is_fenced_and_applies_nothing(rig):
    """The first member is stuck in a batch, loses its session, and wakes after its heir is done."""
    stuck: list[Batch] = []

    async def hang(batch: Batch) -> None:
        stuck.append(batch)
        await asyncio.Event().wait()

    zombie, heir = rig.recorder(), rig.recorder()
    zombie.before = hang
    first = await rig.start(zombie, drain_seconds=0.2, session_seconds=6.0, heartbeat_seconds=1.0)
    await rig.publish(b"once")
    await rig.eventually(lambda: stuck)
    await first.broker.stop()

    await rig.start(heir, instance="1", heartbeat_seconds=1.0)
    await rig.eventually(lambda: heir.values == [b"once"], seconds=20)
    zombie.before = None
    with pytest.raises(Fenced, match="another process moved it"):
        await zombie.handle(stuck[0])
    assert not zombie.seen
    assert await rig.position() == 1


async def test_a_position_moved_by_another_process_stops_the_consumer(rig):
    """The compare-and-set sees it although Kafka still thinks the partition is ours."""

    async def steal(batch: Batch) -> None:
        await rig.pool.execute(
            "update runtime.offsets set next_offset = $1 where partition = 0", batch.end
        )

    handler = rig.recorder()
    handler.before = steal
    before = FENCE_REJECTIONS.labels(rig.group)._value.get()
    consumption = await rig.start(handler)
    await rig.publish(b"1", b"2")
    await rig.eventually(lambda: rig.failures)
    assert isinstance(rig.failures[0], Fenced)
    assert not handler.seen
    assert FENCE_REJECTIONS.labels(rig.group)._value.get() == before + 1
    assert not consumption._health.ready


async def test_a_rebalance_drains_the_batch_in_hand_first(rig):
    """The member that gives partitions away finishes, so nothing is done twice."""
    entered = asyncio.Event()

    async def slow(_: Batch) -> None:
        entered.set()
        await asyncio.sleep(1.0)

    first, second = rig.recorder(), rig.recorder()
    first.before = slow
    await rig.start(first, heartbeat_seconds=0.2)
    for partition in range(12):
        await rig.publish(b"x", partition=partition)
    await asyncio.wait_for(entered.wait(), 10)
    await rig.start(second, instance="1", heartbeat_seconds=0.2)
    await rig.eventually(lambda: len(first.seen) + len(second.seen) >= 12, seconds=30)
    await asyncio.sleep(0.3)
    handled = [(r.partition, r.offset) for r in [*first.seen, *second.seen]]
    assert sorted(handled) == [(partition, 0) for partition in range(12)]
    assert second.seen
    assert not rig.failures


async def test_a_rebalance_ends_readiness_only_when_it_takes_too_long(rig, monkeypatch):
    """Else one instance that is restarted would take all others out of their load balancer."""
    monkeypatch.setattr("plumbline_runtime.consumer._REJOIN_SECONDS", 0.2)
    consumption = await rig.start(rig.recorder(), drain_seconds=0.2)
    said = consumption._health.conditions
    name = f"consumer:{consumption.group}"
    await rig.eventually(lambda: said()[name].ok)
    await consumption._on_revoked()
    assert said()[name].ok
    await consumption._on_assigned(consumption.consumer.assignment())
    await asyncio.sleep(0.6)
    assert said()[name].ok, "it was over in time"
    await consumption._on_revoked()
    await consumption._on_revoked()
    await rig.eventually(lambda: said()[name] == (False, "rebalancing", True))
    await consumption._on_assigned(consumption.consumer.assignment())
    assert said()[name].ok


async def test_a_position_beyond_the_log_stops_the_service_with_the_numbers(rig):
    await rig.pool.execute(
        "insert into runtime.offsets (group_id, topic, partition, next_offset)"
        " values ($1, $2, 3, 77)",
        rig.group,
        rig.topic.name,
    )
    await rig.start(rig.recorder())
    await rig.eventually(lambda: rig.failures)
    assert isinstance(rig.failures[0], PositionBeyondLog)
    assert "partition 3: found position 77, the log ends at 0" in str(rig.failures[0])


async def test_a_poll_from_the_wrong_place_is_fetched_again(rig):
    handler = rig.recorder()
    consumption = await rig.start(handler)
    await rig.publish(b"0")
    await rig.eventually(lambda: len(handler.seen) == 1)
    partition = next(p for p in consumption.assignment.positions() if p.partition == 0)
    consumption.consumer.seek(partition, 3)
    await rig.publish(b"1", b"2", b"3", b"4")
    await rig.eventually(lambda: len(handler.seen) == 5)
    assert handler.values == [b"0", b"1", b"2", b"3", b"4"]


async def test_records_removed_by_retention_are_passed_and_counted(rig):
    from aiokafka import TopicPartition
    from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
    from plumbline_runtime.metrics import OFFSET_GAPS

    handler = rig.recorder()
    consumption = await rig.start(handler)
    await consumption.stop()
    await rig.publish(*(str(n).encode() for n in range(6)))
    admin = AIOKafkaAdminClient(bootstrap_servers=rig.settings.kafka_bootstrap_servers)
    await admin.start()
    name = rig.settings.topic_prefix + rig.topic.name
    await admin.delete_records({TopicPartition(name, 0): RecordsToDelete(4)})
    await admin.close()
    gaps = OFFSET_GAPS.labels(rig.group)._value.get()
    await rig.start(handler)
    await rig.eventually(lambda: len(handler.seen) == 2)
    assert [record.offset for record in handler.seen] == [4, 5]
    assert OFFSET_GAPS.labels(rig.group)._value.get() == gaps + 1


async def test_fan_out_moves_the_position_with_its_last_transaction(rig):
    steps: list[int] = []

    class FanOut:
        async def handle(self, batch: Batch) -> None:
            for record in batch.records:
                async with rig.pool.acquire() as conn, conn.transaction():
                    await batch.advance(conn, record.offset + 1)
                steps.append(record.offset)

    await rig.start(FanOut())
    await rig.publish(b"a", b"b", b"c")
    await rig.eventually(lambda: steps == [0, 1, 2])
    assert await rig.position() == 3


async def test_a_rolled_back_transaction_may_be_run_again(rig):
    class RollsBack:
        tries = 0

        async def handle(self, batch: Batch) -> None:
            for attempt in range(2):

                async def work(conn, attempt=attempt):
                    await batch.advance(conn)
                    self.tries += 1
                    if attempt == 0:
                        raise ConnectionError("as if the commit had failed")

                try:
                    await transaction(rig.pool, work)
                except ConnectionError:
                    assert batch.advanced_to is None

    handler = RollsBack()
    await rig.start(handler)
    await rig.publish(b"a")
    await rig.eventually(lambda: handler.tries == 2)
    await asyncio.sleep(0.1)
    assert await rig.position() == 1
    assert not rig.failures
