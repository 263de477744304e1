"""What a service sees of Kafka: plain records, and batches that move their own position.

The input position is a row of `runtime.offsets`, moved by compare-and-set inside the handler's
transaction: it is the position, the fence and the inbox at once (design 6).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from plumbline_schemas.topics import Topic

from plumbline_runtime.postgres import after_commit

_ADVANCE = """
update runtime.offsets set next_offset = $4, updated_at = clock_timestamp()
where group_id = $1 and topic = $2 and partition = $3 and next_offset = $5
"""

_ADVANCE_ALL = """
update runtime.offsets as stored set next_offset = moved.target, updated_at = clock_timestamp()
from unnest($3::int[], $4::bigint[], $5::bigint[]) as moved (partition, known, target)
where stored.group_id = $1 and stored.topic = $2 and stored.partition = moved.partition
  and stored.next_offset = moved.known
"""


class Fenced(Exception):  # noqa: N818 - the word of the design
    """Another process moved the position: this one is a zombie and must stop (design 6)."""


class Record(NamedTuple):
    """One Kafka record; header values may be null or any bytes."""

    topic: str
    """With the deployment's topic prefix, as Kafka names it."""
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class Executes(Protocol):
    """A connection of asyncpg, pooled or not."""

    async def execute(self, query: str, *args: Any) -> str:
        """Run one statement; returns its command tag."""
        ...


class Batch:
    """Records of one partition, consecutive and in order.

    `position` is the stored offset the batch starts from. It may be smaller than the first
    record's offset, because compaction and retention leave holes.
    """

    def __init__(
        self,
        topic: Topic,
        partition: int,
        records: Sequence[Record],
        *,
        group: str,
        position: int | None = None,
    ) -> None:
        if not records:
            raise ValueError(f"a batch of {topic.name}/{partition} needs at least one record")
        self.topic = topic
        self.partition = partition
        self.records = records
        self.group = group
        self.position = records[0].offset if position is None else position
        self.advanced_to: int | None = None
        """The position a committed transaction left."""
        self.asked_for: set[int] = set()
        """Every position asked for; one of them may be stored although no commit was heard."""
        self.counts: dict[str, int] = {}
        """What became of the records, in the handler's words; for the batch's log line."""

    @property
    def end(self) -> int:
        """The position after the last record."""
        return self.records[-1].offset + 1

    @property
    def finished(self) -> bool:
        """Whether the stored position is known to be behind the last record."""
        return self.advanced_to == self.end

    async def advance(self, conn: Executes, next_offset: int | None = None) -> None:
        """Move the stored position inside the caller's `plumbline_runtime.postgres.transaction`.

        `next_offset` is the default's last + 1 unless a record with fan-out takes several
        transactions, each with a greater offset. A rolled-back transaction may be run again as it
        was. Raises Fenced when the stored position is not where this batch, or its previous
        transaction, left it.
        """
        target = self.end if next_offset is None else next_offset
        if not self.position < target <= self.end:
            raise ValueError(
                f"{self.group}: {self.topic.name}/{self.partition} can't advance to {target}, "
                f"the batch covers {self.position} to {self.end}"
            )
        known = self.position if self.advanced_to is None else self.advanced_to
        self.asked_for.add(target)
        status = await conn.execute(
            _ADVANCE, self.group, self.topic.name, self.partition, target, known
        )
        if status != "UPDATE 1":
            raise Fenced(
                f"{self.group}: the position of {self.topic.name}/{self.partition} is not "
                f"{known}: another process moved it"
            )
        after_commit(partial(self._committed, target))

    def _committed(self, target: int) -> None:
        self.advanced_to = target


class JoinedBatch(Batch):
    """Records of several partitions, those of each consecutive and in order.

    All positions move in one transaction, or none does: one commit in place of one a partition.
    """

    def __init__(self, parts: Sequence[Batch]) -> None:
        first = parts[0]
        records = [record for part in parts for record in part.records]
        super().__init__(first.topic, first.partition, records, group=first.group)
        self.parts = sorted(parts, key=lambda part: part.partition)

    @property
    def finished(self) -> bool:
        """Whether every stored position is known to be behind its partition's last record."""
        return all(part.finished for part in self.parts)

    async def advance(self, conn: Executes, next_offset: int | None = None) -> None:
        """Move all stored positions inside the caller's `transaction`; raises Fenced."""
        if next_offset is not None:
            raise ValueError(f"{self.group}: a joined batch moves to its end only")
        status = await conn.execute(
            _ADVANCE_ALL,
            self.group,
            self.topic.name,
            [part.partition for part in self.parts],
            [part.position for part in self.parts],
            [part.end for part in self.parts],
        )
        if status != f"UPDATE {len(self.parts)}":
            raise Fenced(
                f"{self.group}: a position of {self.topic.name} is not where it was left: "
                f"another process moved it"
            )
        after_commit(self._all_committed)

    def _all_committed(self) -> None:
        for part in self.parts:
            part.advanced_to = part.end


class BatchHandler(Protocol):
    """A service's consumer of one topic."""

    async def handle(self, batch: Batch) -> None:
        """Handle all records; the batch must have advanced to its end when this returns.

        Bad data is dead-lettered and passed, never raised (design 11).
        """
        ...
