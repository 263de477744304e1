"""Matcher replay: how fast the log folds where nothing changes and where every record does.

Batches go straight into the matcher's handler with a real PostgreSQL under it: Kafka's own share
(a fetch of 500 records) is below 1 % of a batch. `Everything changes` means one quantity update of
another customer in each record, so that every record makes a ledger row, a state and an event.
"""

import argparse
import asyncio
import gc
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil
from matcher.handle import GROUP, Matcher
from matcher.publish import OutboxPublisher
from plumbline_local.pair import EmbeddedPair
from plumbline_local.paths import Cache, Home
from plumbline_runtime.migrations import migrate
from plumbline_runtime.positions import create_positions
from plumbline_runtime.postgres import create_pool
from plumbline_runtime.producer import Message
from plumbline_runtime.records import Batch, Record
from plumbline_schemas.topics import OBSERVATIONS, Topic

from bench.replay_log import book, changes, subscription

BATCH = 500
UNCHANGED_PER_SECOND_MIN = 10_000.0
CHANGED_PER_SECOND_MIN = 4_000.0
LARGE = 5_000
LARGE_BATCH = 20
"""What arrives within a batch's spacing at 500 events a second."""
LARGE_MS_MAX = 5.0


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over many records: wall seconds, and CPU of this process and of PostgreSQL."""

    events: int
    seconds: float
    cpu_seconds: float
    database_cpu_seconds: float
    memory_mb: float

    @property
    def per_second(self) -> float:
        """Records folded a second."""
        return round(self.events / self.seconds, 1)

    def json(self) -> dict[str, object]:
        """For the file beside the table."""
        return {
            "events": self.events, "seconds": round(self.seconds, 2),
            "per_second": self.per_second,
            "cpu_us_per_event": round(self.cpu_seconds / self.events * 1e6, 1),
            "database_cpu_us_per_event": round(self.database_cpu_seconds / self.events * 1e6, 1),
            "memory_mb": round(self.memory_mb, 1),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """Both passes, the memory half way and at the end of the changes, and small batches."""

    accounts: int
    unchanged: Pass
    changed: Pass
    half_way_mb: float
    batch_ms: dict[int, float]
    """Batch size -> median milliseconds of a batch in which every record changes something."""
    large: Pass
    """Changes of one customer's subscriptions, LARGE of them."""

    def json(self) -> dict[str, object]:
        """For the file beside the table."""
        return {
            "accounts": self.accounts, "unchanged": self.unchanged.json(),
            "changed": self.changed.json(), "half_way_mb": round(self.half_way_mb, 1),
            "batch_ms": {str(size): ms for size, ms in self.batch_ms.items()},
            "large": {**self.large.json(), "ms_per_event": self.large_ms},
        }  # fmt: skip

    @property
    def large_ms(self) -> float:
        """CPU milliseconds, PostgreSQL's included, of one change of the large customer."""
        spent = self.large.cpu_seconds + self.large.database_cpu_seconds
        return round(spent / self.large.events * 1000, 2)

    @property
    def good(self) -> bool:
        """Whether both bars hold."""
        return (
            self.unchanged.per_second >= UNCHANGED_PER_SECOND_MIN
            and self.changed.per_second >= CHANGED_PER_SECOND_MIN
            and self.large_ms < LARGE_MS_MAX
        )


class _Kept:
    """Takes what would be published, as a broker that answers at once would."""

    async def publish_many(self, topic: Topic, messages: Sequence[Message]) -> None:
        """Nothing to wait for."""

    async def send(
        self,
        record: Record,
        topic: Topic,
        *,
        reason: str,
        error: BaseException | str,
    ) -> None:
        """No record of this log is a dead letter."""
        raise RuntimeError(f"{topic.name}/{record.offset}: a dead letter: {reason}: {error}")


class Replay:
    """A matcher on a database of its own."""

    def __init__(self, pool: asyncpg.Pool, postgres: psutil.Process) -> None:
        kept = _Kept()
        self._outbox = OutboxPublisher(pool, kept)
        self._matcher = Matcher(pool, kept, self._outbox)
        self._postgres = postgres
        self._self = psutil.Process()
        self._offset = 0

    async def run(self, values: Iterable[bytes], *, size: int = BATCH) -> tuple[Pass, list[float]]:
        """Fold all; returns the pass and each batch's milliseconds."""
        records = [
            Record(OBSERVATIONS.name, 0, self._offset + place, 0, b"", value, ())
            for place, value in enumerate(values)
        ]
        self._offset += len(records)
        took = []
        # As a service does at its start (engineering.md 9).
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        own, database, began = self._cpu(), self._database_cpu(), time.perf_counter()
        for start in range(0, len(records), size):
            clock = time.perf_counter()
            part = records[start : start + size]
            await self._matcher.handle(Batch(OBSERVATIONS, 0, part, group=GROUP))
            if size < BATCH or start + size >= len(records):
                await self._matcher.settled()
            took.append((time.perf_counter() - clock) * 1000)
        seconds = time.perf_counter() - began
        return (
            Pass(
                events=len(records),
                seconds=seconds,
                cpu_seconds=self._cpu() - own,
                database_cpu_seconds=self._database_cpu() - database,
                memory_mb=self._self.memory_info().rss / 1e6,
            ),
            took,
        )

    def _cpu(self) -> float:
        times = self._self.cpu_times()
        return times.user + times.system

    def _database_cpu(self) -> float:
        total = 0.0
        for one in [self._postgres, *self._postgres.children(recursive=True)]:
            times = one.cpu_times()
            total += times.user + times.system
        return total


async def run_replay(folder: Path, *, accounts: int, events: int) -> ReplayResult:
    """One embedded PostgreSQL in `folder`, an absolute path; `events` records in each pass."""
    home = Home(folder)
    home.ensure()
    with EmbeddedPair(home, Cache.from_environment(), durable=True, progress=lambda _: None) as it:
        await migrate(it.database_url)
        pool = await create_pool(it.database_url)
        try:
            await create_positions(pool, GROUP, OBSERVATIONS.name, {0: 0})
            pid = await pool.fetchval("select pg_backend_pid()")
            postgres = psutil.Process(pid).parent()
            assert postgres is not None
            return await _passes(Replay(pool, postgres), accounts=accounts, events=events)
        finally:
            await pool.close()


async def _passes(replay: Replay, *, accounts: int, events: int) -> ReplayResult:
    await replay.run(book(accounts))
    half = events // 2
    first, _ = await replay.run(changes(accounts, half, 1))
    second, _ = await replay.run(changes(accounts, half, 1 + half))
    changed = Pass(
        events=first.events + second.events,
        seconds=first.seconds + second.seconds,
        cpu_seconds=first.cpu_seconds + second.cpu_seconds,
        database_cpu_seconds=first.database_cpu_seconds + second.database_cpu_seconds,
        memory_mb=second.memory_mb,
    )
    unchanged, _ = await replay.run(changes(accounts, events, 1))
    batch_ms = {}
    for place, size in enumerate((1, 10, 50)):
        values = changes(accounts, size * 40, 10 * events + place * 10_000)
        _, took = await replay.run(values, size=size)
        batch_ms[size] = round(sorted(took)[len(took) // 2], 1)
    large = await _large_customer(replay, accounts, second=20 * events)
    return ReplayResult(accounts, unchanged, changed, first.memory_mb, batch_ms, large)


async def _large_customer(replay: Replay, customer: int, *, second: int) -> Pass:
    """One more customer, with many subscriptions, of which some change."""
    names = range(customer, customer + LARGE)
    await replay.run([subscription(name, 1, second, customer=customer) for name in names])
    values = [
        subscription(customer + 7 * number % LARGE, 2 + number % 9, second + number,
                      customer=customer)
        for number in range(1, 401)
    ]  # fmt: skip
    changed, _ = await replay.run(values, size=LARGE_BATCH)
    return changed


def main() -> int:
    """`python -m bench.replay`: prints one line a pass; exit 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.replay", description=__doc__)
    parser.add_argument("--accounts", type=int, default=20_000)
    parser.add_argument("--events", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plumbline-replay-") as folder:
        home = Path(folder) / "home"
        result = asyncio.run(run_replay(home, accounts=options.accounts, events=options.events))
    passes = {"unchanged": result.unchanged, "changed": result.changed, "large": result.large}
    for name, done in passes.items():
        sys.stdout.write(f"{name}: {done.json()}\n")
    sys.stdout.write(f"memory half way: {result.half_way_mb:.0f} MB, batches: {result.batch_ms}\n")
    sys.stdout.write(f"load average: {os.getloadavg()[0]:.1f}\n")
    return 0 if result.good else 1


if __name__ == "__main__":
    sys.exit(main())
