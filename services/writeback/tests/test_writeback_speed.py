"""What a record costs this service: CPU of folding states, of writing, of our own echoes."""

import time
from typing import Any

import pytest

pytestmark = pytest.mark.server

ROWS = 3000


def _states(account: Any, mrr: int, version: int) -> list[Any]:
    return [
        account(version + n, mrr=mrr, links=[("company", str(n), 1)], id=f"acc_{n:026d}")
        for n in range(ROWS)
    ]


async def _folded(world: Any, states: list[Any]) -> float:
    """CPU seconds of this process for folding them, 500 a batch, as they come from Kafka."""
    used = 0.0
    for start in range(0, len(states), 500):
        for state in states[start : start + 500]:
            world._logs["accounts"].append(state.model_dump_json(exclude_none=True).encode())
            world._keys["accounts"].append(state.id.encode())
        began = time.process_time()
        await world.consume("accounts")
        used += time.process_time() - began
    return used


async def test_cpu_of_a_record(world: Any, crm: Any, account: Any) -> None:
    import cProfile
    import os
    import pstats

    for n in range(ROWS):
        crm.put(str(n))
    await world.opened()
    prof = cProfile.Profile() if os.environ.get("PROF") else None
    t = time.perf_counter()
    print(
        "fold new",
        await _folded(world, _states(account, 100, 1)) / ROWS * 1e3,
        "ms",
        (time.perf_counter() - t) / ROWS * 1e3,
    )
    t = time.perf_counter()
    b = time.process_time()
    await world.settle(60)
    print(
        "write first",
        (time.process_time() - b) / ROWS * 1e3,
        "ms",
        (time.perf_counter() - t) / ROWS * 1e3,
    )
    await world.kill()
    for i in range(2):
        if prof and i == 1:
            prof.enable()
        t = time.perf_counter()
        print(
            "fold change",
            await _folded(world, _states(account, 200 + i, 10000 * (i + 1))) / ROWS * 1e3,
            "ms",
            (time.perf_counter() - t) / ROWS * 1e3,
        )
        if prof and i == 1:
            prof.disable()
            pstats.Stats(prof).sort_stats("tottime").print_stats(25)
            prof = cProfile.Profile()
            prof.enable()
        t = time.perf_counter()
        b = time.process_time()
        await world.settle(60)
        print(
            "write change",
            (time.process_time() - b) / ROWS * 1e3,
            "ms",
            (time.perf_counter() - t) / ROWS * 1e3,
        )
        if prof and i == 1:
            prof.disable()
            pstats.Stats(prof).sort_stats("tottime").print_stats(40)
        await world.kill()
    sights = [world.sight(str(n)) for n in range(ROWS)]
    b = time.process_time()
    t = time.perf_counter()
    for start in range(0, ROWS, 500):
        await world.observe(*sights[start : start + 500])
    print(
        "echo", (time.process_time() - b) / ROWS * 1e3, "ms", (time.perf_counter() - t) / ROWS * 1e3
    )
