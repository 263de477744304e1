"""What a HubSpot account's limit is used for: all of it, once per record, payments first."""

import asyncio
import time
from typing import Any

import pytest
from plumbline_runtime.budget import Budget

pytestmark = pytest.mark.server

_COPIES = """
insert into writeback.effects
select made.* from writeback.effects as e, generate_series($1::int, $2::int) as n
cross join lateral jsonb_populate_record(e, jsonb_build_object(
    'vendor_id', (1000 + n)::text, 'account_id', 'acc_copy' || n, 'state', 'pending',
    'applied', '{}'::jsonb, 'applied_hash', null, 'applied_version', null,
    'received_at', clock_timestamp() + n * interval '1 microsecond')) as made
where e.vendor_id = '1'
"""


async def test_a_slow_vendors_budget_is_used_up_under_backlog(portal: Any) -> None:
    """With the shape of a real connection: what idle reads and walks could have is lent."""
    rows, rate, burst = 1300, 9.5, 5.0
    world = portal.world
    world.settings = world.settings._replace(batch=10)
    world.budget = Budget(world.pool, "acme", "hubspot", rate_per_second=rate, burst=burst)
    await portal.opened(rows)
    await portal.want(7, *range(1, rows + 1))
    portal.fault("delay", path="batch", delay_seconds=0.25, times=9999)
    await world.settle(60)
    times = [call["started_at"] for call in portal.calls("batch/(update|read)")]
    end = times[-1] - 1  # the last rounds have nobody beside them
    assert end - times[0] >= 10
    used = sum(one < end for one in times) / (burst + rate * (end - times[0]))
    print(f"budget used under backlog: {used:.1%} of {rate:g} calls/s, each answered in 0.25 s")
    assert used >= 0.95
    windows = [sum(start <= one < start + 10 for one in times) for start in times]
    assert max(windows) <= 101  # 100 granted; how long a call is on its way differs
    assert len(portal.calls()) == rows / 10
    assert portal.held(*range(1, rows + 1)) == {"7"}


async def test_fifty_quick_changes_of_one_account_are_one_write(portal: Any) -> None:
    # fifty transactions on a busy machine take longer than the default rest
    portal.world.settings = portal.world.settings._replace(rest=2.0)
    await portal.opened(3)
    await portal.want(1, 1, 2, 3)
    await portal.world.settle()
    before = portal.hubspot.state.write_count
    for change in range(50):
        await portal.want(100 + change, 1, version=2 + change)
    await portal.world.settle()
    writes = portal.hubspot.state.write_count - before
    print(f"writes for a burst of 50 changes of one account: {writes}")
    assert portal.held(1) == {"149"}
    assert 1 <= writes <= 2
    begun = portal.hubspot.state.write_count
    await portal.world.states(*(
        portal.state(1, 200 + change, version=100 + change) for change in range(50)
    ))  # fmt: skip
    await portal.world.settle()
    assert portal.hubspot.state.write_count - begun == 1


async def test_a_failed_payment_overtakes_a_hundred_thousand_writes(portal: Any) -> None:
    """At HubSpot's smallest limit: 100 calls in 10 seconds (vendors 2.6)."""
    world = portal.world
    await portal.opened(10)
    await portal.want(1, *range(1, 11))
    await world.settle()
    await world.kill()
    for n in range(1001, 7001):
        portal.hubspot.state.of("companies").create({"name": f"Copy {n}"}, portal.person, str(n))
    for start in range(0, 100_000, 10_000):
        await world.pool.execute(_COPIES, start, start + 9_999)
    world.budget = Budget(world.pool, "acme", "hubspot", rate_per_second=9.5, burst=5)
    await world.start()
    taken = []
    for n in range(1, 11):
        await asyncio.sleep(0.2)
        await world.pool.execute("update writeback.records set seen_at = now() - interval '1 day'")
        began = time.perf_counter()
        await portal.want(50 + n, n, version=2, status="failing")
        async with asyncio.timeout(10):
            while portal.held(n) != {str(50 + n)}:
                await asyncio.sleep(0.005)
        taken.append(time.perf_counter() - began)
    print(f"payment failure under 100,000 waiting writes: worst {max(taken):.2f} s of 10")
    assert max(taken) < 2.0
    assert (await world.counts())["pending"] > 90_000
