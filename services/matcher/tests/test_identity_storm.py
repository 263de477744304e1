"""Customers of organisations arrive twice in random order while matchers come, go and are killed.

Every run takes a small book: matchers of this process that are cancelled anywhere, and processes of
their own that are killed by signal. `make storm` takes 5,000 customers of 1,000 organisations
through killed processes, three seeds, and prints a line for each.
"""

import asyncio
import base64
import contextlib
import os
import random
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from itertools import product
from pathlib import Path
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
SMALL = 30
CUSTOMERS = 5
WORKER = Path(__file__).with_name("storm_worker.py")
FIRST = ("bran", "quil", "wex", "ost", "dor", "kel", "zin", "mur", "tab", "vel")
MIDDLE = ("dovra", "mire", "horna", "sulti", "gento", "palwi", "rucka", "fesso", "nimbe", "latzu")
LAST = ("tec", "works", "foods", "soft", "logic", "craft", "wear", "media", "power", "care")
NAMES = ["".join(parts) for parts in product(FIRST, MIDDLE, LAST)]
TABLES = (
    "accounts", "links", "account_changes", "objects", "workspaces", "identity_profiles",
    "identity_keys", "outbox", "decisions", "rulings",
)  # fmt: skip


def arrivals(kit: Any, seed: int, organisations: int) -> list[Record]:
    """The log: everything twice, in an order of its own for each seed."""
    chance = random.Random(seed)
    log = kit.log()
    log.ready()
    opening = len(log.observations)
    for number, name in enumerate(NAMES[:organisations]):
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


async def found(bench: Any, records: list[Record], organisations: int) -> dict[str, int]:
    """What the storm left; and that folding the log in peace leaves the same."""
    rows = await bench.pool.fetch(
        """select count(*) filter (where split_part(key, '/', 3) = 'customer') as customers,
                  count(*) filter (where split_part(key, '/', 3) = 'company') as records,
                  count(distinct split_part(split_part(key, '/', 4), '_', 2))
                      filter (where split_part(key, '/', 3) = 'customer') as organisations
           from matcher.links where closed_version is null group by account_id"""
    )
    after_the_storm = await digest(bench.pool)
    await bench.pool.execute("truncate " + ", ".join(f"matcher.{name}" for name in TABLES))
    await bench.rewind()
    await bench.fold(records, size=500)
    assert await digest(bench.pool) == after_the_storm
    return {
        "accounts": len(rows),
        "customers": sum(row["customers"] for row in rows),
        "records": sum(row["records"] for row in rows),
        "wrong": sum(tuple(row) != (CUSTOMERS, 1, 1) for row in rows),
        "doubles": len(rows) - organisations,
    }


def expected(organisations: int) -> dict[str, int]:
    customers = CUSTOMERS * organisations
    everything = {"accounts": organisations, "customers": customers, "records": organisations}
    return {**everything, "wrong": 0, "doubles": 0}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_one_account_for_each_organisation(bench: Any, kit: Any, seed: int) -> None:
    records = arrivals(kit, seed, SMALL)
    assert await stormy(bench, records, seed)
    assert await found(bench, records, SMALL) == expected(SMALL)


class Workers:
    """Processes that fold one log; any may be killed at any time, and another takes its place."""

    def __init__(self, database_url: str, log: Path, seed: int) -> None:
        self._environment = {**os.environ, "DATABASE_URL": database_url}
        self._log = log
        self._seed = seed
        self._alive: list[Process] = []
        self._chance = random.Random(seed)
        self.begun = self.killed = self.gone = 0

    async def start(self) -> None:
        """One more; returns when it folds."""
        self.begun += 1
        worker = await asyncio.create_subprocess_exec(
            sys.executable, str(WORKER), str(self._log), str(100 * self._seed + self.begun),
            env=self._environment, stdout=PIPE,
        )  # fmt: skip
        self._alive.append(worker)
        assert worker.stdout is not None
        assert await worker.stdout.readline() == b"ready\n"

    async def blow(self) -> None:
        """One of them is killed or told to go, wherever it is."""
        await asyncio.sleep(self._chance.random() / 20)
        worker = self._alive.pop(self._chance.randrange(len(self._alive)))
        with contextlib.suppress(ProcessLookupError):
            if self._chance.random() < 0.8:
                worker.kill()
            else:
                worker.terminate()
        how = await worker.wait()
        assert how in {0, -signal.SIGKILL, -signal.SIGTERM}
        self.killed += how == -signal.SIGKILL
        self.gone += how == -signal.SIGTERM

    async def finish(self) -> None:
        """Nobody is left; whoever still ran ends well, the log being folded."""
        for worker in self._alive:
            assert await worker.wait() == 0

    def end(self) -> None:
        for worker in self._alive:
            if worker.returncode is None:
                worker.kill()


def targets(records: int, seed: int) -> list[int]:
    """Positions of the log from which on a matcher goes."""
    chance = random.Random(-seed)
    return sorted(chance.sample(range(1, records), max(8, records // 500)))


async def reached(bench: Any, target: int) -> None:
    while await bench.position() < target:
        await asyncio.sleep(0.01)


@pytest.mark.timeout(60 * 60)
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_one_account_though_processes_are_killed(
    bench: Any, kit: Any, database_url: str, tmp_path: Path, seed: int
) -> None:
    records = arrivals(kit, seed, ORGANISATIONS)
    await create_positions(bench.pool, GROUP, OBSERVATIONS.name, {0: 0})
    log = tmp_path / "log"
    log.write_bytes(b"\n".join(base64.b64encode(record.value or b"") for record in records))
    began = time.monotonic()
    workers = Workers(database_url, log, seed)
    try:
        await workers.start()
        await workers.start()
        for target in targets(len(records), seed):
            await reached(bench, target)
            await workers.blow()
            await workers.start()
        await workers.finish()
    finally:
        workers.end()
    seconds = time.monotonic() - began
    told = await found(bench, records, ORGANISATIONS)
    print(
        f"\nseed {seed}: {len(records)} records of {ORGANISATIONS} organisations, {seconds:.0f} s,"
        f" {workers.begun} matchers, {workers.killed} killed, {workers.gone} told to go;"
        f" accounts {told['accounts']}, links of customers {told['customers']}, of records"
        f" {told['records']}, doubles {told['doubles']}, wrong accounts {told['wrong']};"
        " the same as folded in peace"
    )
    assert workers.killed
    assert told == expected(ORGANISATIONS)
