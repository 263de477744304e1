"""What a vendor's 429, its headers and the end of its day do to a budget."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from plumbline_runtime.budget import FLOOR, RECOVERY_PER_SECOND, Budget
from plumbline_runtime.metrics import RATE_LIMIT_ALLOWED
from plumbline_runtime.postgres import create_pool

pytestmark = pytest.mark.server

ROW = "select *, clock_timestamp() as now from connection.budgets"


@pytest.fixture
async def pool(settings):
    made = await create_pool(settings.database_url, settings)
    yield made
    await made.close()


def _budget(pool, **changes) -> Budget:
    given = {"rate_per_second": 100, "burst": 10} | changes
    return Budget(pool, "acme", "hubspot", **given)


async def _pass(pool, seconds: float) -> None:
    """So much later, as the row sees it."""
    await pool.execute(
        """update connection.budgets set
               blocked_until = blocked_until - make_interval(secs => $1),
               throttled_at = throttled_at - make_interval(secs => $1),
               stopped_until = stopped_until - make_interval(secs => $1),
               probed_at = probed_at - make_interval(secs => $1),
               updated_at = updated_at - make_interval(secs => $1)""",
        float(seconds),
    )


async def _blocked(pool) -> float:
    row = await pool.fetchrow(ROW)
    return max(0.0, (row["blocked_until"] - row["now"]).total_seconds())


async def _waits(budget: Budget, *args, **options) -> bool:
    try:
        await asyncio.wait_for(budget.acquire(*args, **options), 0.15)
    except TimeoutError:
        return True
    return False


async def _allowed(pool) -> float:
    return await pool.fetchval("select allowed from connection.budgets")


async def test_a_429_halves_the_rate_which_comes_back_bit_by_bit(pool):
    budget = _budget(pool)
    await budget.acquire("write")
    gauge = RATE_LIMIT_ALLOWED.labels("acme", "hubspot")
    assert gauge._value.get() == pytest.approx(100)
    await asyncio.gather(*(budget.throttled(0.0) for _ in range(8)))  # were in the air together
    assert await _allowed(pool) == pytest.approx(0.5, abs=0.01)
    assert gauge._value.get() == pytest.approx(50, abs=1)
    await _pass(pool, 10)
    await budget.acquire("write")
    assert await _allowed(pool) == pytest.approx(0.5 + 10 * RECOVERY_PER_SECOND, abs=0.02)
    await _pass(pool, 60)
    await budget.acquire("write")
    assert await _allowed(pool) == 1
    for _ in range(10):
        await budget.throttled(0.0)
        await _pass(pool, 1)
    assert await _allowed(pool) == pytest.approx(FLOOR, abs=2 * RECOVERY_PER_SECOND)
    assert await _allowed(pool) >= FLOOR


async def test_the_halved_rate_is_what_is_granted(pool):
    budget = _budget(pool, rate_per_second=40, burst=4)
    await budget.throttled(0.0)
    granted, began = 0, time.monotonic()
    while time.monotonic() - began < 2:
        await budget.acquire("write")
        granted += 1
    mean = 40 * (0.5 + RECOVERY_PER_SECOND)
    assert granted == pytest.approx(2 * mean, rel=0.1)


async def test_a_wait_the_vendor_names_is_kept_to_the_letter(pool):
    budget, other = _budget(pool), _budget(pool)
    await budget.acquire("write")
    began = time.monotonic()
    await budget.throttled(1.3)
    await asyncio.gather(other.acquire("write"), budget.acquire("read", priority=True))
    assert 1.3 <= time.monotonic() - began < 6
    await _pass(pool, 20)
    await budget.throttled(7.0)
    await budget.throttled(3.0)
    assert await _blocked(pool) == pytest.approx(7, abs=0.3)


async def test_without_a_named_wait_the_block_is_short_and_grows(pool):
    budget = _budget(pool)
    found = []
    for _ in range(6):
        await budget.throttled(None)
        await budget.throttled(None)  # was in the air with it
        found.append(round(await _blocked(pool)))
        await _pass(pool, found[-1] + 0.5)
    assert found == [1, 2, 4, 8, 10, 10]
    await _pass(pool, 60)
    await budget.throttled(None)
    assert round(await _blocked(pool)) == 1


async def test_after_a_block_calls_do_not_go_out_in_a_burst(pool):
    budget = _budget(pool, rate_per_second=4, burst=10)
    await budget.acquire("write")
    await budget.throttled(5.0)
    await _pass(pool, 5)
    assert await _waits(budget, "write")


async def test_the_daily_limit_keeps_a_reserve_for_failed_payments(pool):
    budget = _budget(pool, daily_limit=40)
    for _ in range(38):
        await budget.acquire("write")
    for purpose in ("write", "read", "walk"):
        assert await _waits(budget, purpose)
    await budget.acquire("read", priority=True)
    await budget.acquire("write", priority=True)
    assert await _waits(budget, "write", priority=True)
    await pool.execute("update connection.budgets set day = day - 1")  # midnight
    await budget.acquire("walk")
    assert await pool.fetchval("select used_today from connection.budgets") == 1


async def test_what_headers_tell_of_the_day_is_heeded(pool):
    budget = _budget(pool)
    budget.told(1000, 52)
    await budget.acquire("walk")
    await budget.acquire("walk")
    await pool.execute("update connection.budgets set probed_at = now()")
    assert await _waits(budget, "walk")
    await budget.acquire("write", priority=True)
    budget.told(1000, 900)  # somebody bought more
    await budget.acquire("walk")
    budget.told(1000, 0)
    await pool.execute("update connection.budgets set zone = 'Europe/Berlin'")
    assert await _waits(budget, "walk")
    await pool.execute("update connection.budgets set day = day - 1")
    await budget.acquire("walk")


@pytest.mark.parametrize("known", [True, False])
async def test_a_spent_day_stops_all_but_payments_until_midnight(pool, known):
    zone = "Pacific/Auckland"
    budget = _budget(pool, timezone="UTC" if known else zone)
    if known:
        await budget.told_zone(zone)
        await budget.told_zone("Nowhere/At_All")
    await budget.throttled(None, daily=True)
    row = await pool.fetchrow(ROW)
    today = datetime.now(ZoneInfo(zone)).date()
    midnight = datetime.combine(today + timedelta(days=1), datetime.min.time(), ZoneInfo(zone))
    assert row["stopped_until"] == midnight.astimezone(UTC)
    assert row["allowed"] == 1  # the rate is not to blame
    await asyncio.sleep(await _blocked(pool))
    assert await _waits(budget, "write")
    await budget.acquire("write", priority=True)
    await _pass(pool, 3600)
    assert await _waits(budget, "read") is known  # a guessed midnight is asked after, hourly
    assert await _waits(budget, "read")
    await pool.execute(
        "update connection.budgets"
        " set day = day - 1, stopped_until = stopped_until - interval '1 day'"
    )
    await budget.acquire("read")


async def test_being_blocked_is_no_hot_loop(pool):
    budget = _budget(pool)
    asked = 0
    fetchrow = pool.fetchrow

    async def counted(*args):
        nonlocal asked
        asked += 1
        return await fetchrow(*args)

    await budget.throttled(60.0)
    budget._pool = type("Counting", (), {"fetchrow": staticmethod(counted)})()
    waiting = [asyncio.create_task(budget.acquire("write")) for _ in range(50)]
    await asyncio.sleep(2.2)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert 2 <= asked <= 4
