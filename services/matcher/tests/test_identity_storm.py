"""Customers of organisations arrive twice in random order while matchers come, go and are killed.

Every run takes a small book. The full one (5,000 customers of 1,000 organisations):
`PLUMBLINE_STORM_ORGANISATIONS=1000 .venv/bin/pytest services/matcher/tests/test_identity_storm.py`.
"""

import asyncio
import os
import random
from itertools import product
from typing import Any

import pytest
from asyncpg import InterfaceError
from matcher.digest import digest
from matcher.handle import GROUP, Matcher
from plumbline_runtime.positions import create_positions
from plumbline_runtime.postgres import UNREACHABLE
from plumbline_runtime.records import Batch, Fenced, Record
from plumbline_schemas.topics import OBSERVATIONS

pytestmark = pytest.mark.server

ORGANISATIONS = int(os.environ.get("PLUMBLINE_STORM_ORGANISATIONS", "30"))
CUSTOMERS = 5
FIRST = ("bran", "quil", "wex", "ost", "dor", "kel", "zin", "mur", "tab", "vel")
MIDDLE = ("dovra", "mire", "horna", "sulti", "gento", "palwi", "rucka", "fesso", "nimbe", "latzu")
LAST = ("tec", "works", "foods", "soft", "logic", "craft", "wear", "media", "power", "care")
NAMES = ["".join(parts) for parts in product(FIRST, MIDDLE, LAST)]
TABLES = (
    "accounts", "links", "account_changes", "objects", "workspaces", "identity_profiles",
    "identity_keys", "outbox", "decisions", "rulings",
)  # fmt: skip


def arrivals(kit: Any, seed: int) -> list[Record]:
    """The log: everything twice, in an order of its own for each seed."""
    chance = random.Random(seed)
    log = kit.log()
    log.ready()
    opening = len(log.observations)
    for number, name in enumerate(NAMES[:ORGANISATIONS]):
        domain = f"{name}.example"
        log.company(str(9000 + number), domain, name=f"{name.title()} GmbH")
        for one in range(CUSTOMERS):
            written = (name.title(), name.upper(), f"{name.title()} GmbH", None, "Runa Holm")[one]
            log.customer(f"cus_{number}_{one}", f"{'abcde'[one]}p@{domain}", name=written)
            log.subscription(f"sub_{number}_{one}", f"cus_{number}_{one}", 100)
    twice = log.observations[opening:] * 2
    chance.shuffle(twice)
    return kit.records([*log.observations[:opening], *twice])


async def stormy(bench: Any, records: list[Record], seed: int) -> int:
    """Fold the log with matchers that are cancelled anywhere or race each other; how many died."""
    chance = random.Random(seed)
    await create_positions(bench.pool, GROUP, OBSERVATIONS.name, {0: 0})
    died = 0
    while (position := await bench.position()) < len(records):
        part = records[position : position + chance.choice((1, 5, 20, 60))]
        batch = Batch(OBSERVATIONS, 0, part, group=GROUP)
        racing = 2 if chance.random() < 0.3 else 1
        matchers = [Matcher(bench.pool, bench.dead, bench.outbox) for _ in range(racing)]
        tasks = [asyncio.create_task(one.handle(batch)) for one in matchers]
        if chance.random() < 0.4:
            await asyncio.wait(tasks, timeout=chance.random() / 20)
            for task in tasks:
                task.cancel()
        for found in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(found, (*UNREACHABLE, Fenced, InterfaceError, asyncio.CancelledError)):
                died += 1
            elif isinstance(found, BaseException):
                raise found
        for one in matchers:
            await one.settled()
    return died


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_one_account_for_each_organisation(bench: Any, kit: Any, seed: int) -> None:
    records = arrivals(kit, seed)
    assert await stormy(bench, records, seed)
    rows = await bench.pool.fetch(
        """select count(*) filter (where split_part(key, '/', 3) = 'customer') as customers,
                  count(*) filter (where split_part(key, '/', 3) = 'company') as records,
                  count(distinct split_part(split_part(key, '/', 4), '_', 2))
                      filter (where split_part(key, '/', 3) = 'customer') as organisations
           from matcher.links where closed_version is null group by account_id"""
    )
    assert [tuple(row) for row in rows] == [(CUSTOMERS, 1, 1)] * ORGANISATIONS
    after_the_storm = await digest(bench.pool)
    await bench.pool.execute("truncate " + ", ".join(f"matcher.{name}" for name in TABLES))
    await bench.rewind()
    await bench.fold(records, size=500)
    assert await digest(bench.pool) == after_the_storm
