"""One row shared by writes, reads and walks: shares, lending, slowing down, days."""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack

import pytest
from plumbline_runtime.budget import SHARES, Budget
from plumbline_runtime.postgres import create_pool

pytestmark = pytest.mark.server

RATE, BURST = 40.0, 8.0


@pytest.fixture
async def pools(settings):
    async with AsyncExitStack() as stack:
        made = [await create_pool(settings.database_url, settings) for _ in range(2)]
        for one in made:
            stack.push_async_callback(one.close)
        yield made


def _budget(pool, **changes) -> Budget:
    given = {"rate_per_second": RATE, "burst": BURST} | changes
    return Budget(pool, "acme", "hubspot", **given)


async def _used(seconds: float, *users: tuple[Budget, str]) -> Counter:
    """Calls granted to each purpose while all of these ask one call after the other."""
    granted: Counter = Counter()
    until = time.monotonic() + seconds

    async def use(budget: Budget, purpose: str) -> None:
        while True:
            await budget.acquire(purpose)
            if time.monotonic() > until:
                return
            granted[purpose] += 1

    async with asyncio.timeout(seconds + 5):
        await asyncio.gather(*(use(*user) for user in users))
    return granted


@pytest.mark.parametrize("rate", [9.5, 40.0, 180.0])
async def test_competing_purposes_get_their_shares(pools, rate):
    burst = rate / 1.9  # as a connection has it
    users = [(_budget(pools[n % 2], rate_per_second=rate, burst=burst), purpose)
             for n, purpose in enumerate(("write", "read", "walk", "write"))]  # fmt: skip
    granted = await _used(8, *users)
    total = sum(granted.values())
    print(rate, {purpose: f"{granted[purpose] / total:.1%}" for purpose in SHARES}, total)
    for purpose, share in SHARES.items():
        assert abs(granted[purpose] / total - share) < 0.05
    assert total >= 0.95 * (8 * rate + burst)
    assert total <= 8 * rate + burst + 1


@pytest.mark.parametrize("purpose", ["write", "walk"])
@pytest.mark.parametrize("rate", [9.5, 180.0])
async def test_a_purpose_that_is_alone_has_the_whole_rate(pools, purpose, rate):
    burst = rate / 1.9
    users = [(_budget(pool, rate_per_second=rate, burst=burst), purpose) for pool in pools]
    granted = await _used(10, *users)
    used = granted[purpose] / (10 * rate + burst)
    print(f"{purpose} alone, two pools, {rate:g} a second: {used:.1%}")
    assert 0.95 <= used <= 1.01


async def test_what_a_purpose_leaves_is_lent(pools):
    """A walk of two calls a second leaves the rest of its 15 % to the others."""
    seconds, walked, burst = 12, 24, RATE / 1.9
    budget, other = (_budget(pool, burst=burst) for pool in pools)
    waits = []

    async def walk() -> None:
        for _ in range(walked):
            began = time.monotonic()
            await budget.acquire("walk")
            waits.append(time.monotonic() - began)
            await asyncio.sleep(0.5)

    granted, _ = await asyncio.gather(_used(seconds, (budget, "write"), (other, "read")), walk())
    print(granted, f"longest wait of the walk: {max(waits):.3f} s")
    assert sum(granted.values()) >= 0.95 * (seconds * RATE + burst - walked)
    assert granted["write"] / granted["read"] == pytest.approx(60 / 25, rel=0.2)
    assert max(waits) < 1


async def test_priority_goes_before_all_that_wait(pools):
    budget = _budget(pools[0], rate_per_second=5, burst=1)
    busy = asyncio.create_task(
        _used(3, *((budget, purpose) for purpose in SHARES), (_budget(pools[1]), "write"))
    )
    await asyncio.sleep(0.5)
    other = _budget(pools[1], rate_per_second=5, burst=1)
    for _ in range(4):
        began = time.monotonic()
        await other.acquire("write", priority=True)
        assert time.monotonic() - began < 1
        await asyncio.sleep(0.3)
    busy.cancel()
