"""What a service sees of Kafka: plain records, and batches that move their own position.

The input position is a row of `runtime.offsets`, moved by compare-and-set inside the handler's
transaction: it is the position, the fence and the inbox at once (design 6).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from plumbline_schemas.topics import Topic

_ADVANCE = """
update runtime.offsets set next_offset = $4, updated_at = clock_timestamp()
where group_id = $1 and topic = $2 and partition = $3
  and next_offset = any($5::bigint[]) and next_offset < $4
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
        """The last position asked for; certain only once that transaction has committed."""
        self.counts: dict[str, int] = {}
        """What became of the records, in the handler's words; for the batch's log line."""

    @property
    def end(self) -> int:
        """The position after the last record."""
        return self.records[-1].offset + 1

    async def advance(self, conn: Executes, next_offset: int | None = None) -> None:
        """Move the stored position inside the caller's transaction.

        `next_offset` is the default's last + 1 unless a record with fan-out takes several
        transactions, each with a greater offset. A rolled-back transaction may be run again as it
        was. Raises Fenced when the stored position is neither the one this batch started from nor
        the one its previous transaction left.
        """
        target = self.end if next_offset is None else next_offset
        if not self.position < target <= self.end:
            raise ValueError(
                f"{self.group}: {self.topic.name}/{self.partition} can't advance to {target}, "
                f"the batch covers {self.position} to {self.end}"
            )
        known = [self.position]
        if self.advanced_to is not None and self.advanced_to < target:
            known.append(self.advanced_to)
        status = await conn.execute(
            _ADVANCE, self.group, self.topic.name, self.partition, target, known
        )
        if status != "UPDATE 1":
            raise Fenced(
                f"{self.group}: the position of {self.topic.name}/{self.partition} is not "
                f"{' or '.join(map(str, known))}: another process moved it"
            )
        self.advanced_to = target


class BatchHandler(Protocol):
    """A service's consumer of one topic."""

    async def handle(self, batch: Batch) -> None:
        """Handle all records; the batch must have advanced to its end when this returns.

        Bad data is dead-lettered and passed, never raised (design 11).
        """
        ...
