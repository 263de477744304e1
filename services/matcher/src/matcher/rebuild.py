"""Fold the log from its first record into an empty database; nothing is published (design 13)."""

import asyncio
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from plumbline_runtime.delivery import Delivery
from plumbline_runtime.positions import create_positions, read_positions
from plumbline_runtime.postgres import create_pool
from plumbline_runtime.records import Record
from plumbline_runtime.secrets import ConfigError
from plumbline_runtime.settings import Settings
from plumbline_schemas.outputs import Rebuilt
from plumbline_schemas.topics import OBSERVATIONS, Topic

from matcher.digest import digests, whole
from matcher.handle import GROUP, Matcher
from matcher.scratch import scratch_database

_POLL_MS: Final = 1000


class RebuildRefused(Exception):  # noqa: N818 - the word of the design
    """The database is not empty, or the log no longer holds its first record."""


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What was folded, and the digest of each part of the result."""

    records: int
    digests: Mapping[str, str]
    seconds: float


@dataclass(frozen=True, slots=True)
class _Original:
    """What a database holds, and up to which offsets of the log."""

    digests: Mapping[str, str]
    folded: Mapping[int, int]


class _Dropped:
    """Undecodable records were dead-lettered when they were first met; not again."""

    async def send(
        self,
        record: Record,
        topic: Topic,
        *,
        reason: str,
        error: BaseException | str,
        attempts: int = 1,
    ) -> None:
        """Pass the record."""

    def parks(self, record: Record, topic: Topic) -> bool:
        """There is no brake."""
        del record, topic
        return False

    async def park(self, record: Record, topic: Topic) -> None:
        """Nothing is ever parked."""
        raise AssertionError(f"{topic.name}/{record.partition}/{record.offset} was parked")

    async def settle(self, topic: Topic, records: Sequence[Record]) -> None:
        """There is no brake."""


async def rebuild(
    settings: Settings,
    *,
    until: Mapping[int, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RebuildReport:
    """Rebuild the matcher's tables up to the end the log has now.

    With `until` (next offset by partition) up to there, and not at all in a partition that it does
    not name. `progress` is called with (records folded, records to fold). Raises RebuildRefused.
    """
    began = time.monotonic()
    pool = await create_pool(settings.database_url, settings)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers, enable_auto_commit=False
    )
    try:
        await consumer.start()
        records = await _Rebuild(settings, pool, consumer, progress).run(until)
        return RebuildReport(records, await digests(pool), time.monotonic() - began)
    finally:
        await consumer.stop()
        await pool.close()


class _Rebuild:
    def __init__(
        self,
        settings: Settings,
        pool: asyncpg.Pool,
        consumer: Any,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._consumer = consumer
        self._progress = progress
        dropped = _Dropped()
        self._delivery = Delivery(
            topic=OBSERVATIONS,
            group=GROUP,
            handler=Matcher(pool, dropped, None),
            pool=pool,
            dead_letters=dropped,
            settings=settings,
            stopping=asyncio.Event(),
        )
        self._positions: dict[TopicPartition, int] = {}
        self._folded = 0

    async def run(self, until: Mapping[int, int] | None) -> int:
        """Fold every partition to its present end, or to where `until` says."""
        name = self._settings.topic_prefix + OBSERVATIONS.name
        partitions = [TopicPartition(name, number) for number in range(OBSERVATIONS.partitions)]
        await self._refuse_unfit(partitions)
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(partitions)
        if until is not None:
            ends = {tp: min(end, until.get(tp.partition, 0)) for tp, end in ends.items()}
        await create_positions(
            self._pool, GROUP, OBSERVATIONS.name, {tp.partition: 0 for tp in partitions}
        )
        left = {tp for tp in partitions if ends[tp] > 0}
        total = sum(ends.values())
        self._positions = dict.fromkeys(partitions, 0)
        self._consumer.assign(partitions)
        for tp in partitions:
            self._consumer.seek(tp, 0)
        while left:
            found = await self._consumer.getmany(
                *left, timeout_ms=_POLL_MS, max_records=self._settings.batch_max_records
            )
            for tp, raws in found.items():
                await self._fold(tp, [raw for raw in raws if raw.offset < ends[tp]])
                if self._positions[tp] >= ends[tp]:
                    left.discard(tp)
            if self._progress is not None:
                self._progress(self._folded, total)
        return self._folded

    async def _refuse_unfit(self, partitions: list[TopicPartition]) -> None:
        if await self._pool.fetchval("select exists (select 1 from matcher.workspaces)"):
            raise RebuildRefused("the matcher's tables are not empty: rebuild into a new database")
        begins: dict[TopicPartition, int] = await self._consumer.beginning_offsets(partitions)
        cut = {tp.partition: offset for tp, offset in begins.items() if offset > 0}
        if cut:
            raise RebuildRefused(
                f"{OBSERVATIONS.name} no longer holds its first records (partition: first "
                f"offset kept {cut}): start from a backup of that point"
            )

    async def _fold(self, tp: TopicPartition, raws: list[Any]) -> None:
        if not raws:
            return
        records = [
            Record(
                raw.topic,
                raw.partition,
                raw.offset,
                raw.timestamp,
                raw.key,
                raw.value,
                tuple(raw.headers),
            )
            for raw in raws
        ]
        # Isolates a record that can't be folded exactly as the running matcher did.
        self._positions[tp] = await self._delivery.deliver(self._positions[tp], records)
        self._folded += len(records)


async def rebuild_and_compare(
    settings: Settings, *, progress: Callable[[int, int], None] | None = None
) -> Rebuilt:
    """Rebuild an empty database in place; else into a scratch database, and compare the two.

    Both have then folded the same part of the log: what came after the original stopped (the echo
    of its last write, a tick) is left to it. A redelivery that is under way sets the original's
    offsets back, so it must have been folded again before the two can be equal.
    """
    original = await _original(settings)
    if original is None:
        return _rebuilt(await rebuild(settings, progress=progress), None)
    async with scratch_database(settings.database_url) as url:
        beside = settings.model_copy(update={"database_url": url})
        report = await rebuild(beside, until=original.folded, progress=progress)
        return _rebuilt(report, original.digests)


async def _original(settings: Settings) -> _Original | None:
    """What the database holds; None when the matcher never wrote to it."""
    pool = await create_pool(settings.database_url, settings)
    try:
        if not await pool.fetchval("select exists (select 1 from matcher.workspaces)"):
            return None
        folded = await read_positions(
            pool, GROUP, OBSERVATIONS.name, range(OBSERVATIONS.partitions)
        )
        return _Original(await digests(pool), folded)
    finally:
        await pool.close()


def _rebuilt(report: RebuildReport, original: Mapping[str, str] | None) -> Rebuilt:
    return Rebuilt(
        records=report.records,
        digest=whole(report.digests),
        compared_with=None if original is None else whole(original),
        equal=None if original is None else original == report.digests,
        different=tuple(
            part for part, one in (original or {}).items() if report.digests[part] != one
        ),
        seconds=round(report.seconds, 3),
    )


class _SayProgress:
    """Prints each twentieth part once, beside the result."""

    def __init__(self) -> None:
        self._said = -1

    def __call__(self, done: int, total: int) -> None:
        part = 20 * done // total if total else 20
        if part > self._said:
            self._said = part
            print(f"matcher: {done} of {total} records folded", file=sys.stderr)  # noqa: T201


def run_rebuild() -> int:
    """Rebuild as a process of its own: the last line of its output is a `Rebuilt` as JSON.

    Exit code 0 when the rebuild ran (its line says whether the two are equal), 1 when refused.
    """
    try:
        settings = Settings.from_environment("matcher")
        done = asyncio.run(rebuild_and_compare(settings, progress=_SayProgress()))
    except (RebuildRefused, ConfigError) as error:
        print(f"matcher: rebuild refused: {error}", file=sys.stderr)  # noqa: T201 - operator
        return 1
    print(done.model_dump_json())  # noqa: T201 - the result is this process's output
    return 0


if __name__ == "__main__":
    raise SystemExit(run_rebuild())
