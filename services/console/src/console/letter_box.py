"""The dead-letter topics as they are in Kafka now: no service and no database is needed."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from plumbline_runtime.assignment import to_record
from plumbline_runtime.letters import Letter, LetterId, Mark, read_letter
from plumbline_runtime.plain_text import printable
from plumbline_runtime.records import Record
from plumbline_schemas.outputs import DeadLetterGroup, DeadLetterRow
from plumbline_schemas.topics import dead_letter_topics

_PAGE = 500
_WAIT_MS = 1_000


class LetterNotFound(LookupError):  # noqa: N818 - reads as the sentence it prints
    """No letter of that id, or no longer."""


@dataclass(frozen=True)
class Wanted:
    """Which letters were asked for; None is any."""

    topic: str | None = None
    """Source topic or its dead-letter topic."""
    reason: str | None = None
    connection: str | None = None
    """`workspace/connection`, or the connection alone."""

    def holds(self, letter: Letter) -> bool:
        """Whether the letter was asked for."""
        return (
            self.topic in {None, letter.id.topic, letter.id.topic.removesuffix(".dlq")}
            and self.reason in {None, letter.reason}
            and self.connection in {None, letter.connection, letter.connection.partition("/")[2]}
        )


@dataclass
class LetterBook:
    """Every letter that the topics still hold, and the marks behind them."""

    letters: dict[LetterId, Letter] = field(default_factory=dict)
    marks: dict[LetterId, Mark] = field(default_factory=dict)

    def add(self, found: Letter | Mark | None) -> None:
        """Take in one record; the first mark of a letter stands."""
        if isinstance(found, Letter):
            self.letters[found.id] = found
        elif isinstance(found, Mark):
            self.marks.setdefault(found.letter, found)

    def open(self) -> list[Letter]:
        """Letters nobody has answered, in log order."""
        return [letter for key, letter in sorted(self.letters.items()) if key not in self.marks]

    def find(self, wanted: LetterId) -> Letter:
        """One letter; raises LetterNotFound."""
        try:
            return self.letters[wanted]
        except KeyError:
            raise LetterNotFound(f"no dead letter {wanted}; try `plumbline dlq list`") from None

    def together(self, chosen: Iterable[Letter]) -> list[Letter]:
        """The chosen letters and the open ones of the same keys and records, in log order.

        So an object's records are replayed in their order, and one that two consumers refused is
        replayed once.
        """
        keys = {(one.id[:2], one.key) for one in chosen if one.key}
        sources = {(one.id[:2], one.source_offset) for one in chosen if one.source_offset >= 0}
        wanted = {one.id for one in chosen}
        return [
            letter
            for letter in self.open()
            if letter.id in wanted
            or (letter.id[:2], letter.key) in keys
            or (letter.id[:2], letter.source_offset) in sources
        ]

    def row(self, letter: Letter) -> DeadLetterRow:
        """As it is printed."""
        mark = self.marks.get(letter.id)
        return DeadLetterRow(
            id=str(letter.id),
            topic=letter.id.topic,
            reason=letter.reason,
            workspace=letter.workspace,
            connection=letter.connection,
            key=None if letter.key is None else printable(letter.key.decode("utf-8", "replace")),
            error_class=letter.error_class,
            error=letter.error,
            stack_hash=letter.stack_hash,
            attempts=letter.attempts,
            first_failed_at=letter.first_failed_at,
            last_failed_at=letter.written_at,
            service=letter.service,
            first=letter.first or None,
            status=mark.mark if mark else "open",
            handled_by=printable(mark.by) if mark else None,
            handled_at=mark.at if mark else None,
            note=printable(mark.text) if mark else None,
        )


def group(letters: Iterable[Letter]) -> list[DeadLetterGroup]:
    """Letters by cause, the largest group first; its example is the newest letter."""
    causes: dict[tuple[str, str, str, str], list[Letter]] = defaultdict(list)
    for one in letters:
        causes[one.id.topic, one.connection, one.reason, one.stack_hash].append(one)
    groups = [
        DeadLetterGroup(
            topic=topic,
            connection=connection,
            reason=reason,
            stack_hash=stack_hash,
            letters=len(found),
            first_failed_at=min(one.first_failed_at for one in found),
            last_failed_at=max(one.written_at for one in found),
            example=str(max(found, key=lambda one: one.written_at).id),
        )
        for (topic, connection, reason, stack_hash), found in causes.items()
    ]
    return sorted(groups, key=lambda one: (-one.letters, one.topic, one.reason, one.connection))


class LetterBox:
    """Reads the dead-letter topics through one Kafka client."""

    def __init__(self, consumer: Any, prefix: str) -> None:
        self._consumer = consumer
        self._prefix = prefix

    async def read(self) -> LetterBook:
        """All letters and marks there are now; bodies are not kept."""
        book = LetterBook()
        everything = [
            TopicPartition(self._prefix + name, partition)
            for name, topic in dead_letter_topics().items()
            for partition in range(topic.partitions)
        ]
        first = await self._consumer.beginning_offsets(everything)
        ends = await self._consumer.end_offsets(everything)
        left = {tp: end for tp, end in ends.items() if end > first[tp]}
        self._consumer.assign(list(left))
        for tp in left:
            self._consumer.seek(tp, first[tp])
        while left:
            found = await self._consumer.getmany(*left, timeout_ms=_WAIT_MS, max_records=_PAGE)
            for tp, raws in found.items():
                for raw in raws:
                    book.add(read_letter(tp.topic.removeprefix(self._prefix), to_record(raw)))
            for tp in list(left):
                if await self._consumer.position(tp) >= left[tp]:
                    del left[tp]
        return book

    async def records(self, letters: Sequence[Letter]) -> list[Record]:
        """The records of letters of one partition, in order, untouched; raises LetterNotFound."""
        where = letters[0].id
        place = TopicPartition(self._prefix + where.topic, where.partition)
        self._consumer.assign([place])
        found: list[Record] = []
        for letter in letters:
            if not found or await self._consumer.position(place) != letter.id.offset:
                self._consumer.seek(place, letter.id.offset)
            record = to_record(await self._consumer.getone(place))
            if record.offset != letter.id.offset:
                raise LetterNotFound(f"the dead letter {letter.id} is gone from the topic")
            found.append(record)
        return found


@asynccontextmanager
async def letter_box(bootstrap: str, prefix: str) -> AsyncIterator[LetterBox]:
    """Open the box; raises what aiokafka or the socket raise when Kafka can't be reached."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        request_timeout_ms=5_000,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        yield LetterBox(consumer, prefix)
    finally:
        await consumer.stop()
