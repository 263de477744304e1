"""Folds `.dlq` topics into the table of open letters, and keeps one attention item per cause.

Letters and the marks behind them are one ordered log per partition (docs/adr/0006), so the table
can be thrown away and told again. The position moves by compare-and-set in the same transaction
(design 6), so several instances of a service disturb nobody. The clerk of a topic is the first
consumer that the registry names: the service that writes most of its letters.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from plumbline_schemas.attention import AttentionKind
from plumbline_schemas.topics import Topic, dead_letter_topics

from plumbline_runtime.assignment import by_partition
from plumbline_runtime.attention import close_attention, open_attention
from plumbline_runtime.brakes import KIND as BRAKE
from plumbline_runtime.closing import close_client
from plumbline_runtime.letters import Letter, LetterId, Mark, read_letter
from plumbline_runtime.positions import check_positions, create_positions, read_positions
from plumbline_runtime.postgres import UNREACHABLE
from plumbline_runtime.records import Batch, Fenced, Record
from plumbline_runtime.settings import Settings

if TYPE_CHECKING:
    from plumbline_runtime.attention import AttentionDesk

GROUP: Final = "letters"
_KIND: Final[AttentionKind] = "dead_letter"
_LOOK_MS: Final = 1_000
_PAGE: Final = 500
_FETCH_BYTES: Final = 256 * 1024

_INSERT: Final = """
insert into runtime.dead_letters
    (topic, partition, letter_offset, workspace, connection, reason, first_failed_at, written_at)
select * from unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::text[], $6::text[],
                     $7::timestamptz[], $8::timestamptz[])
on conflict do nothing
"""
_HANDLED: Final = """
delete from runtime.dead_letters
where topic = $1 and partition = $2 and letter_offset = any($3::bigint[])
returning topic, connection, reason, workspace
"""
_EXPIRED: Final = """
delete from runtime.dead_letters as d
using unnest($2::int[], $3::bigint[]) as log (partition, first)
where d.topic = $1 and d.partition = log.partition and d.letter_offset < log.first
returning d.topic, d.connection, d.reason, d.workspace
"""
_CAUSE: Final = """
select count(*) as letters, min(first_failed_at) as since, max(written_at) as latest,
       (array_agg(partition || '/' || letter_offset order by written_at desc))[1] as example
from runtime.dead_letters
where topic = $1 and connection = $2 and reason = $3 and workspace = $4
"""
_BRAKES: Final = """
select workspace, subject from runtime.attention
where kind = $3 and status = 'open'
  and details ->> 'topic' || '.dlq' = $1 and details ->> 'connection' = $2
  and not exists (select 1 from runtime.dead_letters where topic = $1 and connection = $2)
order by workspace, subject
"""

_INTERRUPTED: Final = (*UNREACHABLE, KafkaError)


class _Cause(NamedTuple):
    """Letters with the same topic, connection and reason are one thing to look at."""

    topic: str
    connection: str
    reason: str
    workspace: str


class LetterClerk:
    """Keeps the books of some topics' dead letters, until `stopping` says so."""

    def __init__(
        self,
        topics: Sequence[Topic],
        *,
        settings: Settings,
        pool: asyncpg.Pool,
        desk: "AttentionDesk",
        stopping: asyncio.Event,
    ) -> None:
        beside = dead_letter_topics()
        self._topics = [beside[topic.dlq] for topic in topics]
        self._settings = settings
        self._pool = pool
        self._desk = desk
        self._stopping = stopping
        self._positions: dict[tuple[str, int], int] = {}

    async def run(self) -> None:
        """Fold as letters come; broken infrastructure is waited out.

        Raises PositionBeyondLog when the log is not the one the database knows.
        """
        while not self._stopping.is_set():
            try:
                async with self._consumer() as consumer:
                    await self._follow(consumer)
            except (Fenced, *_INTERRUPTED) as error:
                structlog.get_logger().warning("letters_interrupted", error=error)
                await asyncio.sleep(self._settings.connect_retry_seconds)

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[Any]:
        """A consumer in no group, at the stored positions."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka_bootstrap_servers,
            client_id=f"{self._settings.service}-letters",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_FETCH_BYTES,
            request_timeout_ms=round(self._settings.request_timeout_seconds * 1000),
        )
        try:
            async with asyncio.timeout(self._settings.request_timeout_seconds):
                await consumer.start()
            await self._seek(consumer)
            yield consumer
        finally:
            await close_client(consumer, self._settings.stop_seconds)

    async def _seek(self, consumer: Any) -> None:
        names = {self._settings.topic_prefix + topic.name: topic for topic in self._topics}
        everything = [
            TopicPartition(name, partition)
            for name, topic in names.items()
            for partition in range(topic.partitions)
        ]
        consumer.assign(everything)
        first = await consumer.beginning_offsets(everything)
        ends = await consumer.end_offsets(everything)
        for name, topic in names.items():
            own = {tp.partition: tp for tp in everything if tp.topic == name}
            begin = {number: first[tp] for number, tp in own.items()}
            stored = await read_positions(self._pool, GROUP, topic.name, own)
            check_positions(GROUP, topic.name, stored, {n: ends[tp] for n, tp in own.items()})
            await create_positions(
                self._pool, GROUP, topic.name, {n: at for n, at in begin.items() if n not in stored}
            )
            await self._forget_expired(topic.name, begin)
            stored = await read_positions(self._pool, GROUP, topic.name, own)
            for number, tp in own.items():
                self._positions[topic.name, number] = stored[number]
                consumer.seek(tp, stored[number])

    async def _follow(self, consumer: Any) -> None:
        topics = {self._settings.topic_prefix + topic.name: topic for topic in self._topics}
        look_at = self._next_look()
        while not self._stopping.is_set():
            if time.monotonic() >= look_at:
                await self._look_for_expired(consumer)
                look_at = self._next_look()
            found = await consumer.getmany(timeout_ms=_LOOK_MS, max_records=_PAGE)
            for place, raws in found.items():
                [records] = by_partition(tuple(raws)).values()
                await self._fold(topics[place.topic], place.partition, records)

    def _next_look(self) -> float:
        return time.monotonic() + self._settings.letters_look_seconds

    async def _look_for_expired(self, consumer: Any) -> None:
        """What retention has deleted since the last look leaves the table as well."""
        first = await consumer.beginning_offsets(consumer.assignment())
        for topic in self._topics:
            name = self._settings.topic_prefix + topic.name
            own = {tp.partition: offset for tp, offset in first.items() if tp.topic == name}
            if await self._forget_expired(topic.name, own):
                self._desk.wake()

    async def _fold(self, topic: Topic, partition: int, records: Sequence[Record]) -> None:
        position = self._positions[topic.name, partition]
        records = [record for record in records if record.offset >= position]
        if not records:
            return
        batch = Batch(topic, partition, records, group=GROUP, position=position)
        read = [read_letter(topic.name, record) for record in records]
        letters = [one for one in read if isinstance(one, Letter)]
        marks = [one.letter for one in read if isinstance(one, Mark)]
        async with self._pool.acquire() as conn, conn.transaction():
            await _lock(conn)
            causes = {_cause(letter) for letter in letters}
            if letters:
                await conn.execute(_INSERT, *map(list, zip(*map(_row, letters), strict=True)))
            if marks:
                offsets = [mark.offset for mark in marks]
                done = await conn.fetch(_HANDLED, topic.name, partition, offsets)
                causes |= {_Cause(*row) for row in done}
            await _tell(conn, causes)
            await batch.advance(conn)
        self._positions[topic.name, partition] = batch.end
        self._desk.wake()

    async def _forget_expired(self, topic: str, first: dict[int, int]) -> int:
        """Letters past the topic's retention can't be replayed any more; how many there were."""
        async with self._pool.acquire() as conn, conn.transaction():
            await _lock(conn)
            rows = await conn.fetch(_EXPIRED, topic, list(first), list(first.values()))
            if rows:
                structlog.get_logger().error("dead_letters_expired", topic=topic, letters=len(rows))
            await _tell(conn, {_Cause(*row) for row in rows})
            return len(rows)


async def _lock(conn: Any) -> None:
    """Causes span partitions: two clerks counting at once would each miss the other's change."""
    await conn.execute("select pg_advisory_xact_lock(hashtext('plumbline dead letters'))")


async def _tell(conn: Any, causes: set[_Cause]) -> None:
    """Open, change or close the item of each cause; an emptied connection's brakes let go."""
    for cause in sorted(causes, key=lambda one: (one.workspace, *one)):
        found = await conn.fetchrow(_CAUSE, *cause)
        source = cause.topic.removesuffix(".dlq")
        whose = cause.connection.partition("/")[2] or cause.connection or "unknown"
        subject = f"{source}/{whose}/{cause.reason}"
        if not found["letters"]:
            await close_attention(conn, workspace=cause.workspace, kind=_KIND, subject=subject)
            continue
        await open_attention(
            conn,
            workspace=cause.workspace,
            kind=_KIND,
            subject=subject,
            summary=f"dead letters of {whose} in {source}: {cause.reason}",
            details={
                "letters": found["letters"],
                "example": f"{cause.topic}/{found['example']}",
                "topic": cause.topic,
                "connection": cause.connection,
                "reason": cause.reason,
                "since": found["since"].isoformat(),
                "latest": found["latest"].isoformat(),
            },
        )
    for topic, connection in sorted({(one.topic, one.connection) for one in causes}):
        for row in await conn.fetch(_BRAKES, topic, connection, BRAKE):
            await close_attention(
                conn, workspace=row["workspace"], kind=BRAKE, subject=row["subject"]
            )


def _cause(letter: Letter) -> _Cause:
    return _Cause(letter.id.topic, letter.connection, letter.reason, letter.workspace)


def _row(letter: Letter) -> tuple[Any, ...]:
    where: LetterId = letter.id
    return (
        *where,
        letter.workspace,
        letter.connection,
        letter.reason,
        letter.first_failed_at,
        letter.written_at,
    )
