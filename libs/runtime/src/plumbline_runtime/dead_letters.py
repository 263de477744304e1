"""Dead letters: the record untouched beside its topic, with the reason in headers (design 4)."""

import hashlib
import traceback
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog
from plumbline_schemas import dead_letter as names
from plumbline_schemas.envelope import header
from plumbline_schemas.topics import Topic, dead_letter_topics

from plumbline_runtime.brakes import BrakeEngaged, Brakes
from plumbline_runtime.letters import connection_of, is_replayed, own_headers
from plumbline_runtime.metrics import DLQ_LEFT, DLQ_RECORDS
from plumbline_runtime.producer import Producer, RawMessage
from plumbline_runtime.records import Record
from plumbline_runtime.redaction import redact_text
from plumbline_runtime.settings import Settings

if TYPE_CHECKING:
    import asyncpg

    from plumbline_runtime.health import Health

__all__ = ["BrakeEngaged", "DeadLetters"]

BRAKED: Final = "braked"
UNHANDLED: Final = "unhandled"
_OUR_OWN: Final = frozenset({BRAKED, UNHANDLED})
"""Reasons that speak of this consumer, not of the record: nobody else writes that letter."""
_MESSAGE_CHARACTERS: Final = 500


class _Failure(NamedTuple):
    reason: str
    error: BaseException | str
    connection: str
    attempts: int


class DeadLetters:
    """Publishes dead letters of every topic this process consumes."""

    def __init__(
        self, producer: Producer, settings: Settings, pool: "asyncpg.Pool", health: "Health"
    ) -> None:
        self._producer = producer
        self._settings = settings
        self._topics = dead_letter_topics()
        self.brakes = Brakes(
            pool,
            health,
            service=settings.service,
            limit=settings.dead_letter_brake_records,
        )
        self._written: dict[str, set[tuple[int, int]]] = defaultdict(set)
        """Records with a letter in the batch in hand: a second try writes no second letter."""

    async def send(
        self,
        record: Record,
        topic: Topic,
        *,
        reason: str,
        error: BaseException | str,
        connection: str = "",
        attempts: int = 1,
    ) -> None:
        """Publish the record to the topic's DLQ; returns when acknowledged.

        A record that nobody can read has one letter, from the topic's first consumer; the others
        count and log it and go on, and their brakes count it as well.
        `connection` is `{workspace}/{connection}`; left out, it is taken from the record. Raises
        PublishFailed (the caller must not pass the record), what the database raises while a brake
        engages, BrakeEngaged after too many in a row, and LookupError for a topic without dead
        letters.
        """
        beside = self._topics.get(topic.dlq)
        if beside is None:
            raise LookupError(f"topic {topic.name} has no dead-letter topic")
        connection = connection or connection_of(record)
        if reason != BRAKED:
            self.brakes.check(topic, connection, reason)
        place = (record.partition, record.offset)
        if place not in self._written[topic.name]:
            failure = _Failure(reason, error, connection, attempts)
            if self._is_ours(topic, reason):
                await self._producer.publish_raw(beside, [self._letter(record, topic, failure)])
                DLQ_RECORDS.labels(reason).inc()
                _report("dead_letter", record, topic, failure)
            else:
                DLQ_LEFT.labels(reason).inc()
                _report("dead_letter_left", record, topic, failure)
            self._written[topic.name].add(place)
        if reason != BRAKED:
            await self.brakes.count(topic, connection, reason)

    def _is_ours(self, topic: Topic, reason: str) -> bool:
        me = self._settings.service
        return reason in _OUR_OWN or me == topic.letters_by or me not in topic.consumers

    async def settle(self, topic: Topic, records: Sequence[Record]) -> None:
        """The records are dealt with: those that were good end their connections' rows."""
        written = self._written.get(topic.name)
        if written:
            good = [r for r in records if (r.partition, r.offset) not in written]
            written.difference_update((r.partition, r.offset) for r in records)
        else:
            good = list(records)
        await self.brakes.settle(topic, good)

    def parks(self, record: Record, topic: Topic) -> bool:
        """Whether the record's connection is braked: it is to be parked untried."""
        return self.brakes.parks(record, topic)

    async def park(self, record: Record, topic: Topic) -> None:
        """Put a record of a braked connection aside; as `send`."""
        await self.send(record, topic, reason=BRAKED, error="its connection is braked", attempts=0)

    def _letter(self, record: Record, topic: Topic, failure: _Failure) -> RawMessage:
        error = failure.error
        headers = own_headers(record.headers) + _encoded(
            {
                names.HEADER_TOPIC: topic.name,
                names.HEADER_PARTITION: str(record.partition),
                names.HEADER_OFFSET: str(record.offset),
                names.HEADER_ERROR_CLASS: "" if isinstance(error, str) else type(error).__name__,
                names.HEADER_ERROR_MESSAGE: _describe(error),
                names.HEADER_STACK_HASH: _stack_hash(error),
                names.HEADER_SERVICE: self._settings.service,
                names.HEADER_REASON: failure.reason,
                names.HEADER_CONNECTION: failure.connection,
                **_history(record, failure.attempts),
            }
        )
        # aiokafka refuses a record that has neither key nor value.
        key = b"" if record.key is None and record.value is None else record.key
        return RawMessage(key, record.value, headers, record.partition)


def _report(event: str, record: Record, topic: Topic, failure: _Failure) -> None:
    structlog.get_logger().warning(
        event,
        topic=topic.name,
        partition=record.partition,
        offset=record.offset,
        reason=failure.reason,
        connection=failure.connection,
        error=failure.error,
    )


def _history(record: Record, attempts: int) -> dict[str, str]:
    """A record that was replayed keeps its first letter and first failure; its attempts add up."""
    now = datetime.now(UTC).isoformat()
    if not is_replayed(record):
        return {names.HEADER_ATTEMPTS: str(attempts), names.HEADER_FIRST_FAILED_AT: now}
    headers = list(record.headers)
    before = header(headers, names.HEADER_ATTEMPTS) or ""
    known = int(before) if before.isascii() and before.isdigit() and len(before) < 9 else 0
    return {
        names.HEADER_ATTEMPTS: str(known + attempts),
        names.HEADER_FIRST_FAILED_AT: header(headers, names.HEADER_FIRST_FAILED_AT) or now,
        names.HEADER_FIRST: header(headers, names.HEADER_FIRST) or "",
    }


def _encoded(headers: dict[str, str]) -> list[tuple[str, bytes | None]]:
    return [(name, text.encode("utf-8", "replace")) for name, text in headers.items() if text]


def _describe(error: BaseException | str) -> str:
    text = redact_text(str(error))
    # NUL and lone surrogates would make the header unreadable for others.
    return text.replace("\0", "\\0").encode("utf-8", "replace").decode()[:_MESSAGE_CHARACTERS]


def _stack_hash(error: BaseException | str) -> str:
    """Equal for equal places in the code, whatever the data: groups dead letters by cause."""
    if isinstance(error, str) or error.__traceback__ is None:
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    place = "\n".join(f"{frame.name}:{frame.line}" for frame in frames)
    return hashlib.sha256(f"{type(error).__name__}\n{place}".encode()).hexdigest()[:16]
