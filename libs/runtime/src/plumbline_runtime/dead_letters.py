"""Dead letters: the record untouched beside its topic, with the reason in headers (design 4)."""

import hashlib
import traceback
from collections import defaultdict
from datetime import UTC, datetime
from typing import Final

import structlog
from plumbline_schemas import dead_letter as names
from plumbline_schemas.topics import Topic, dead_letter_topics

from plumbline_runtime.metrics import DLQ_RECORDS
from plumbline_runtime.producer import Producer, RawMessage
from plumbline_runtime.records import Record
from plumbline_runtime.redaction import redact_text
from plumbline_runtime.settings import Settings

HEADER_CONNECTION: Final = "dlq-connection"
_MESSAGE_CHARACTERS: Final = 500
_PREFIX: Final = "dlq-"


class BrakeEngaged(Exception):  # noqa: N818 - the word of the design
    """Too many dead letters in a row: something other than the records is wrong (design 11)."""


class DeadLetters:
    """Publishes dead letters of every topic this process consumes."""

    def __init__(self, producer: Producer, settings: Settings) -> None:
        self._producer = producer
        self._settings = settings
        self._topics = dead_letter_topics()
        self._in_a_row: dict[str, int] = defaultdict(int)
        self._sent: dict[str, int] = defaultdict(int)

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

        Raises PublishFailed (the caller must not pass the record), BrakeEngaged after too many in
        a row, and LookupError for a topic without dead letters.
        """
        beside = self._topics.get(topic.dlq)
        if beside is None:
            raise LookupError(f"topic {topic.name} has no dead-letter topic")
        if self._in_a_row[topic.name] >= self._settings.dead_letter_brake_records:
            raise BrakeEngaged(
                f"{topic.name}: {self._in_a_row[topic.name]} dead letters in a row, the last "
                f"reason was {reason}"
            )
        headers = _original(record)
        headers += self._why(record, topic, error)
        headers += _encoded(
            {
                names.HEADER_REASON: reason,
                names.HEADER_ATTEMPTS: str(attempts),
                HEADER_CONNECTION: connection,
            }
        )
        # aiokafka refuses a record that has neither key nor value.
        key = b"" if record.key is None and record.value is None else record.key
        letter = RawMessage(key, record.value, headers, record.partition)
        await self._producer.publish_raw(beside, [letter])
        self._in_a_row[topic.name] += 1
        self._sent[topic.name] += 1
        DLQ_RECORDS.labels(reason).inc()
        structlog.get_logger().warning(
            "dead_letter",
            topic=topic.name,
            partition=record.partition,
            offset=record.offset,
            reason=reason,
            connection=connection,
            error=error,
        )

    def sent(self, topic: Topic) -> int:
        """Dead letters of the topic since the process started."""
        return self._sent[topic.name]

    def release(self, topic: Topic) -> None:
        """A record of the topic was good: the row of dead letters ends."""
        self._in_a_row.pop(topic.name, None)

    def _why(
        self, record: Record, topic: Topic, error: BaseException | str
    ) -> list[tuple[str, bytes]]:
        return _encoded(
            {
                names.HEADER_TOPIC: topic.name,
                names.HEADER_PARTITION: str(record.partition),
                names.HEADER_OFFSET: str(record.offset),
                names.HEADER_ERROR_CLASS: "" if isinstance(error, str) else type(error).__name__,
                names.HEADER_ERROR_MESSAGE: _describe(error),
                names.HEADER_STACK_HASH: _stack_hash(error),
                names.HEADER_FIRST_FAILED_AT: datetime.now(UTC).isoformat(),
                names.HEADER_SERVICE: self._settings.service,
            }
        )


def _encoded(headers: dict[str, str]) -> list[tuple[str, bytes]]:
    return [(name, text.encode()) for name, text in headers.items() if text]


def _original(record: Record) -> list[tuple[str, bytes | None]]:
    """The record's own headers, less those of an earlier life in a DLQ."""
    return [(name, value) for name, value in record.headers if not name.startswith(_PREFIX)]


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
