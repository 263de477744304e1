"""The watchdog sees each kind of stall, and leaves a working consumer alone."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from plumbline_runtime.assignment import Assignment
from plumbline_runtime.settings import Settings
from plumbline_runtime.supervisor import Supervisor
from plumbline_runtime.watchdog import Stuck, Watchdog, watch_loop
from plumbline_schemas.topics import OBSERVATIONS

SETTINGS = Settings(service="t", kafka_bootstrap_servers="x", database_url="y")
ZERO = TopicPartition("observations.v1", 0)


def pending() -> SimpleNamespace:
    return SimpleNamespace(done=lambda: False)


def finished() -> SimpleNamespace:
    return SimpleNamespace(done=lambda: True)


@pytest.fixture
def consumption():
    assignment = Assignment()
    assignment.take({ZERO: 5})
    coordinator = SimpleNamespace(_coordination_task=pending(), _rejoin_needed_fut=pending())
    return SimpleNamespace(
        group="matcher",
        topic=OBSERVATIONS,
        assignment=assignment,
        assigned_at=0.0,
        busy_since=None,
        braked=False,
        consumer=SimpleNamespace(_coordinator=coordinator),
    )


@pytest.fixture
def watchdog(consumption):
    return Watchdog(consumption, SETTINGS)


def later(seconds: float) -> float:
    return time.monotonic() + seconds


def test_an_idle_consumer_is_fine(watchdog):
    assert watchdog.problem(later(0)) is None
    assert watchdog.problem(later(3600)) is None


def test_records_that_wait_without_progress(watchdog, consumption):
    watchdog.problem(later(0))
    watchdog._lag = 10
    assert watchdog.problem(later(44)) is None
    assert "10 records wait" in watchdog.problem(later(46))
    consumption.assignment.move(ZERO, 6)
    assert watchdog.problem(later(47)) is None


def test_a_batch_in_hand_counts_as_progress_but_not_for_ever(watchdog, consumption):
    watchdog.problem(later(0))
    watchdog._lag = 10
    consumption.busy_since = later(0)
    assert watchdog.problem(later(200)) is None
    assert "a batch in hand for" in watchdog.problem(later(280))


def test_the_brake_is_not_a_stall(watchdog, consumption):
    watchdog._lag = 10
    consumption.braked = True
    assert watchdog.problem(later(3600)) is None


def test_no_assignment_for_too_long(watchdog, consumption):
    assert watchdog.problem(later(1000)) is None
    consumption.assigned_at = None
    assert watchdog.problem(later(1050)) is None
    assert "no assignment for 61 s" in watchdog.problem(watchdog._born + 61)


def test_a_dead_coordination_task(watchdog, consumption):
    consumption.consumer._coordinator._coordination_task = finished()
    assert watchdog.problem(later(0)) == "the group coordination has ended"


def test_a_rejoin_that_never_ends(watchdog, consumption):
    consumption.consumer._coordinator._rejoin_needed_fut = finished()
    assert watchdog.problem(later(0)) is None
    assert "rejoining the group" in watchdog.problem(later(61))


def test_a_client_without_those_names_is_not_suspected(watchdog, consumption):
    consumption.consumer = SimpleNamespace()
    assert watchdog.problem(later(100)) is None


async def test_an_event_loop_that_stood_still():
    task = asyncio.create_task(watch_loop(0.2))
    await asyncio.sleep(0.1)
    time.sleep(1.4)
    with pytest.raises(Stuck, match="stood still"):
        await task


async def test_the_first_failure_counts_and_begins_the_stop():
    supervisor = Supervisor(30)

    async def fail() -> None:
        raise Stuck("first")

    task = supervisor.spawn("a", fail())
    await supervisor.stopping.wait()
    supervisor.fail(Stuck("second"))
    assert str(supervisor.failure) == "first"
    await task
    supervisor.remove_signals()


async def test_a_task_that_does_not_end_is_cancelled_after_its_chance():
    supervisor = Supervisor(30)
    forever = supervisor.spawn("forever", asyncio.Event().wait())
    polite = supervisor.spawn("polite", asyncio.sleep(0.05))
    await supervisor.finish(["forever", "polite", "unknown"], 0.2)
    assert forever.cancelled()
    assert polite.done()
    assert not polite.cancelled()
    assert supervisor.failure is None
