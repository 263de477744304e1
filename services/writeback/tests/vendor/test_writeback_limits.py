"""A HubSpot that has had enough: for some seconds, or for today."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from plumbline_runtime.budget import Budget

pytestmark = pytest.mark.server


def _told(portal: Any, world: Any, **options: Any) -> Budget:
    world.budget = Budget(world.pool, "acme", "hubspot", rate_per_second=200, burst=20, **options)
    return world.budget


async def test_a_limit_without_a_named_wait_costs_a_second_not_ten(portal: Any) -> None:
    world = portal.world
    _told(portal, world)
    await portal.opened(3)
    await portal.want(1, 1)
    await world.settle()
    limits = portal.hubspot.state.limits
    limits.per_10_seconds = 0
    began = asyncio.get_running_loop().time()
    await portal.want(2, 2, version=2)
    async with asyncio.timeout(10):
        while await world.pool.fetchval("select max(throttled) from connection.budgets") == 0:
            await asyncio.sleep(0.01)
    limits.per_10_seconds = 190
    await world.settle()
    took = asyncio.get_running_loop().time() - began
    print(f"written {took:.2f} s after the limit")
    assert portal.held(2) == {"2"}
    assert 1 <= took < 4
    assert await world.pool.fetchval("select allowed from connection.budgets") < 1


async def test_on_a_spent_day_only_failed_payments_are_written(portal: Any) -> None:
    world, limits = portal.world, portal.hubspot.state.limits
    budget = _told(portal, world, daily_limit=1000)
    await budget.told_zone("Europe/Berlin")
    await portal.opened(6)
    await portal.want(1, *range(1, 7))
    await world.settle()
    limits.per_day = 0
    await portal.want(2, 1, version=2)
    async with asyncio.timeout(10):
        while await world.pool.fetchval("select max(throttled) from connection.budgets") == 0:
            await asyncio.sleep(0.01)
    limits.per_day = 10**6  # another app of the account used it up: ours has its reserve
    before = len(portal.calls("batch"))
    await portal.want(3, 2, version=3)
    await asyncio.sleep(1.5)
    assert len(portal.calls("batch")) == before
    assert portal.held(1, 2) == {"1"}
    await portal.want(66, 3, version=3, status="failing")
    async with asyncio.timeout(10):
        while portal.held(3) != {"66"}:
            await asyncio.sleep(0.01)
    assert len(portal.calls("batch")) == before + 1  # its batch may take others along
    row = await world.pool.fetchrow("select * from connection.budgets")
    assert row["stopped_until"] > row["updated_at"] + timedelta(seconds=5)
    await world.pool.execute(
        "update connection.budgets set day = day - 1, remaining = null,"
        " stopped_until = stopped_until - interval '1 day'"
    )
    await world.settle(20)
    assert portal.held(1, 2) == {"2", "3"}
