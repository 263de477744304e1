"""The pool's time-outs, transactions that lose a race, and the budget of a connection."""

import asyncio
import contextlib
import time

import asyncpg
import pytest
from plumbline_runtime.backoff import is_infrastructure
from plumbline_runtime.budget import Budget
from plumbline_runtime.migrations import migrate
from plumbline_runtime.postgres import UNREACHABLE, connect, create_pool, transaction
from plumbline_runtime.producer import PublishFailed

pytestmark = pytest.mark.server


@pytest.fixture
async def pool(settings):
    made = await create_pool(settings.database_url, settings)
    yield made
    await made.close()


async def test_every_connection_has_the_time_outs_and_takes_json(pool):
    shown = await pool.fetchrow(
        "select current_setting('statement_timeout') s, current_setting('lock_timeout') l,"
        " current_setting('idle_in_transaction_session_timeout') i"
    )
    assert tuple(shown) == ("10s", "3s", "15s")
    value = {"mrr": "83.33", "list": [1, None]}
    assert await pool.fetchval("select $1::jsonb", value) == value
    assert await pool.fetchval("select $1::text::jsonb", '{"a": 1}') == {"a": 1}


async def test_a_deadlock_is_run_again(pool):
    await pool.execute("create table pairs (id int primary key, n int)")
    await pool.execute("insert into pairs values (1, 0), (2, 0)")
    barrier = asyncio.Barrier(2)
    tries = 0

    async def add(first: int, second: int) -> None:
        async def work(conn: asyncpg.Connection) -> None:
            nonlocal tries
            tries += 1
            await conn.execute("update pairs set n = n + 1 where id = $1", first)
            if tries <= 2:
                await barrier.wait()
            await conn.execute("update pairs set n = n + 1 where id = $1", second)

        await transaction(pool, work)

    await asyncio.gather(add(1, 2), add(2, 1))
    assert tries == 3
    assert await pool.fetchval("select sum(n) from pairs") == 4


@pytest.mark.parametrize("statement", ["select pg_sleep(30)", "select 1"])
async def test_a_task_cancelled_inside_a_transaction_ends_as_cancelled(pool, statement):
    """Whoever waits out what makes PostgreSQL unreachable must not wait out its own end."""
    inside = asyncio.Event()

    async def work(conn: asyncpg.Connection) -> None:
        inside.set()
        await conn.execute(statement)
        await asyncio.sleep(30)

    async def wait_out() -> None:
        for _ in range(3):
            with contextlib.suppress(*UNREACHABLE):
                await transaction(pool, work)

    task = asyncio.create_task(wait_out())
    await inside.wait()
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.wait({task}, timeout=5)
    assert task.cancelled()
    assert await pool.fetchval("select 1") == 1


async def test_a_connection_that_goes_inside_a_transaction_tells_its_own_error(settings):
    async def lose(error: Exception | None) -> None:
        conn = await connect(settings)
        async with conn.transaction():
            conn.terminate()
            if error is not None:
                raise error

    with pytest.raises(ZeroDivisionError):
        await lose(ZeroDivisionError())
    with pytest.raises(asyncpg.InterfaceError):
        await lose(None)


async def test_migrations_run_once_even_when_started_twice(settings):
    assert await asyncio.gather(migrate(settings.database_url), migrate(settings.database_url)) == [
        [],
        [],
    ]


async def test_a_budget_holds_over_several_processes(pool):
    budgets = [Budget(pool, "acme", "hubspot", rate_per_second=40, burst=10) for _ in range(3)]
    began = time.monotonic()

    async def use(budget: Budget) -> None:
        for _ in range(10):
            await budget.acquire("write")

    await asyncio.gather(*(use(budget) for budget in budgets))
    # 30 calls, 10 from the burst: the other 20 take half a second at 40 a second.
    assert 0.45 < time.monotonic() - began < 20


async def test_a_429_stops_everybody_until_it_ends(pool):
    mine = Budget(pool, "acme", "hubspot", rate_per_second=1000, burst=10)
    other = Budget(pool, "acme", "hubspot", rate_per_second=1000, burst=10)
    elsewhere = Budget(pool, "acme", "stripe", rate_per_second=1000, burst=10)
    await mine.throttled(2)
    began = time.monotonic()
    await elsewhere.acquire("write")
    assert time.monotonic() - began < 1.9
    await other.acquire("write")
    assert time.monotonic() - began > 1.9


async def test_a_write_goes_before_the_walk_that_had_everything(pool):
    budget = Budget(pool, "acme", "hubspot", rate_per_second=2, burst=10)
    for _ in range(10):
        await asyncio.wait_for(budget.acquire("walk"), 1)
    walks = asyncio.create_task(budget.acquire("walk", 2))
    await asyncio.sleep(0.1)
    await asyncio.wait_for(budget.acquire("write"), 1)
    assert not walks.done()
    await walks


async def test_an_impossible_cost_is_refused(pool):
    budget = Budget(pool, "acme", "hubspot", rate_per_second=1, burst=5)
    with pytest.raises(ValueError, match="between 1 and the burst 5, got 6"):
        await budget.acquire("read", 6)
    with pytest.raises(ValueError, match="positive rate"):
        Budget(pool, "acme", "hubspot", rate_per_second=0, burst=5)


def test_what_waiting_helps_and_what_it_does_not():
    assert is_infrastructure(asyncpg.ConnectionDoesNotExistError("gone"))
    assert is_infrastructure(asyncpg.AdminShutdownError("terminating"))
    assert is_infrastructure(asyncpg.UndefinedTableError("not migrated yet"))
    assert is_infrastructure(ConnectionRefusedError())
    assert is_infrastructure(TimeoutError())
    assert is_infrastructure(PublishFailed("no ack"))
    assert not is_infrastructure(asyncpg.CharacterNotInRepertoireError("nul"))
    assert not is_infrastructure(asyncpg.UniqueViolationError("twice"))
    assert not is_infrastructure(asyncpg.DataError("not a number"))
    assert not is_infrastructure(ValueError("bad"))
    assert not is_infrastructure(KeyError("missing"))
