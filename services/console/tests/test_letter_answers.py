"""Choosing letters and answering them: order per object, once per record, marks behind letters."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from console.letter_answers import discard, replay
from console.letter_box import LetterBook, LetterNotFound, Wanted, group
from plumbline_runtime.letters import (
    Letter,
    LetterId,
    Mark,
    mark_headers,
    own_headers,
    read_letter,
)
from plumbline_runtime.plain_text import printable
from plumbline_runtime.producer import PublishFailed, RawMessage
from plumbline_runtime.records import Record
from plumbline_schemas.topics import OBSERVATIONS, Topic

DLQ = OBSERVATIONS.dlq
AT = datetime(2026, 1, 1, tzinfo=UTC)


def record(offset: int, key: str | None, source: int, **headers: str) -> Record:
    given = {"dlq_reason": "invalid", "dlq_offset": str(source), **headers}
    encoded = [("own", b"\xff"), *((n.replace("_", "-"), v.encode()) for n, v in given.items())]
    value = f"value {source}".encode()
    return Record(DLQ, 3, offset, 1000 + offset, key and key.encode(), value, tuple(encoded))


class Log:
    """Both ends of Kafka: what stands in the topic, and what was published, in order."""

    def __init__(self, *records: Record) -> None:
        self.held = {one.offset: one for one in records}
        self.sent: list[tuple[str, RawMessage]] = []
        self.fails_at: int | None = None

    async def records(self, letters: Sequence[Letter]) -> list[Record]:
        return [self.held[letter.id.offset] for letter in letters]

    async def publish_raw(self, topic: Topic, records: Sequence[RawMessage], **_: Any) -> None:
        if self.fails_at == len(self.sent):
            raise PublishFailed(topic.name)
        self.sent += [(topic.name, one) for one in records]

    def book(self) -> LetterBook:
        book = LetterBook()
        marks = [one for name, one in self.sent if name == DLQ]
        late = [
            Record(DLQ, m.partition, 1000 + n, 0, m.key, None, tuple(m.headers))
            for n, m in enumerate(marks)
        ]
        for one in [*self.held.values(), *late]:
            book.add(read_letter(DLQ, one))
        return book

    def replayed(self) -> list[bytes | None]:
        return [one.value for name, one in self.sent if name == OBSERVATIONS.name]


async def test_letters_of_one_key_go_together_in_log_order_and_each_record_once() -> None:
    log = Log(
        record(0, "a/b/c/1", 10), record(1, "a/b/c/2", 11), record(2, "a/b/c/1", 12),
        record(3, "a/b/c/1", 12, dlq_service="writeback"), record(4, None, 13),
    )  # fmt: skip
    book = log.book()
    chosen = book.together([book.find(LetterId(DLQ, 3, 2))])
    done = await replay(log, log, chosen, by="ann", at=AT)
    assert [letter.id.offset for letter in done] == [0, 2, 3]
    assert log.replayed() == [b"value 10", b"value 12"]
    [first] = [one for name, one in log.sent if name == OBSERVATIONS.name][:1]
    assert (first.key, first.partition) == (b"a/b/c/1", 3)
    assert own_headers(first.headers) == [("own", b"\xff")]
    assert dict(first.headers)["dlq-first"] == f"{DLQ}/3/0".encode()
    assert [letter.id.offset for letter in log.book().open()] == [1, 4]


async def test_a_replay_that_stops_in_between_leaves_the_letters_open() -> None:
    log = Log(record(0, "a/b/c/1", 10))
    log.fails_at = 1
    with pytest.raises(PublishFailed):
        await replay(log, log, log.book().open(), by="ann", at=AT)
    assert len(log.book().open()) == 1
    log.fails_at = None
    await replay(log, log, log.book().open(), by="ann", at=AT)
    assert log.replayed() == [b"value 10", b"value 10"]
    assert log.book().open() == []
    await replay(log, log, log.book().open(), by="ann", at=AT)
    assert len(log.replayed()) == 2


async def test_a_discarded_letter_tells_who_when_and_why_and_the_first_mark_stands() -> None:
    log = Log(record(0, "a/b/c/1", 10))
    for who, why in (("ann", "junk"), ("bob", "also\x1b[31m junk")):
        await discard(log, [log.book().find(LetterId(DLQ, 3, 0))], by=who, at=AT, text=why)
    book = log.book()
    row = book.row(book.find(LetterId(DLQ, 3, 0)))
    assert (row.status, row.handled_by, row.handled_at, row.note) == (
        "discarded",
        "ann",
        AT,
        "junk",
    )
    with pytest.raises(LetterNotFound):
        book.find(LetterId(DLQ, 3, 9))


@pytest.mark.parametrize(
    ("wanted", "offsets"),
    [
        (Wanted(), [0, 1]),
        (Wanted(topic="observations.v1"), [0, 1]),
        (Wanted(topic=DLQ, reason="odd"), [1]),
        (Wanted(connection="b"), [0]),
        (Wanted(connection="a/b"), [0]),
        (Wanted(connection="a"), []),
        (Wanted(topic="accounts.state.v1"), []),
    ],
)
def test_letters_are_chosen_by_topic_reason_and_connection(
    wanted: Wanted, offsets: list[int]
) -> None:
    book = Log(record(0, "a/b/c/1", 1), record(1, "x/y/c/1", 2, dlq_reason="odd")).book()
    assert [one.id.offset for one in book.open() if wanted.holds(one)] == offsets


def test_causes_are_counted_largest_first_with_their_newest_letter() -> None:
    records = [record(n, "a/b/c/1", n, dlq_stack_hash="s" * (n > 0)) for n in range(3)]
    found = group(Log(*records).book().open())
    assert [(one.letters, one.example) for one in found] == [(2, f"{DLQ}/3/2"), (1, f"{DLQ}/3/0")]


@pytest.mark.parametrize(
    "headers",
    [
        mark_headers(Mark(LetterId(DLQ, 3, 7), "replayed", "a", AT, "")),
        [("dlq-mark", b"eaten"), ("dlq-mark-offset", b"0")],
        [("dlq-mark", b"replayed"), ("dlq-mark-offset", b"\xff")],
    ],
)
def test_a_mark_of_nothing_is_none(headers: Any) -> None:
    assert read_letter(DLQ, Record(DLQ, 3, 7, 0, b"k", None, tuple(headers))) is None


def test_a_letter_of_any_bytes_is_shown() -> None:
    headers = (("dlq-reason", b"\xff\x00"), ("dlq-attempts", b"9" * 40), ("dlq-offset", None))
    found = read_letter(DLQ, Record(DLQ, 0, 0, -1, b"\xff", None, headers))
    assert isinstance(found, Letter)
    assert (found.attempts, found.source_offset, found.workspace) == (1, -1, "-")
    assert found.reason == printable("\ufffd\0")
    assert printable("a\x1b[31m\x9b\u202e") == "a\\x1b[31m\\x9b\\x202e"
