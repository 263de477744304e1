"""Answering dead letters: replay or discard, each with a mark behind the letter (docs/adr/0006)."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Protocol

from plumbline_runtime.letters import Letter, Mark, mark_headers, replay_headers
from plumbline_runtime.producer import RawMessage
from plumbline_runtime.records import Record
from plumbline_schemas.dead_letter import LetterMark
from plumbline_schemas.topics import TOPICS, Topic, dead_letter_topics

_PAGE = 100


class Publisher(Protocol):
    """The part of the runtime's producer that answers need."""

    async def publish_raw(
        self, topic: Topic, records: Sequence[RawMessage], *, timeout_seconds: float | None = None
    ) -> None:
        """Return when all replicas have them; raises PublishFailed."""


class Bodies(Protocol):
    """Where the records of letters are read again."""

    async def records(self, letters: Sequence[Letter]) -> list[Record]:
        """The records of letters of one partition, untouched."""


async def replay(
    publisher: Publisher, bodies: Bodies, letters: Iterable[Letter], *, by: str, at: datetime
) -> list[Letter]:
    """Publish the records to their topics again, in log order, then mark the letters.

    Key, value, own headers and partition are the record's, so the order per object holds; three
    `dlq-*` headers tell a new letter its history. Stopped in between, a record may be published
    once more by the next replay: folding it again changes nothing (design 5).
    """
    done: list[Letter] = []
    for page in _pages(letters):
        source = TOPICS[page[0].id.topic.removesuffix(".dlq")]
        once = {
            letter.source_offset if letter.source_offset >= 0 else letter.id: letter
            for letter in reversed(page)
        }
        sent = [letter for letter in page if letter in once.values()]
        again = [
            RawMessage(
                record.key,
                record.value,
                replay_headers(letter, record.headers),
                letter.id.partition,
            )
            for letter, record in zip(sent, await bodies.records(sent), strict=True)
        ]
        await publisher.publish_raw(source, again)
        await _mark(publisher, page, mark="replayed", by=by, at=at, text="")
        done += page
    return done


async def discard(
    publisher: Publisher, letters: Iterable[Letter], *, by: str, at: datetime, text: str
) -> list[Letter]:
    """Mark the letters as of no use; they stay in the topic for its retention."""
    done: list[Letter] = []
    for page in _pages(letters):
        await _mark(publisher, page, mark="discarded", by=by, at=at, text=text)
        done += page
    return done


async def _mark(
    publisher: Publisher,
    letters: Sequence[Letter],
    *,
    mark: LetterMark,
    by: str,
    at: datetime,
    text: str,
) -> None:
    beside = dead_letter_topics()[letters[0].id.topic]
    marks = [
        RawMessage(
            letter.key or b"",
            None,
            mark_headers(Mark(letter.id, mark, by, at, text)),
            letter.id.partition,
        )
        for letter in letters
    ]
    await publisher.publish_raw(beside, marks)


def _pages(letters: Iterable[Letter]) -> Iterator[list[Letter]]:
    """Letters of one partition at a time, in log order, a page at a time."""
    ordered = sorted(letters, key=lambda one: one.id)
    for _, found in groupby(ordered, key=lambda one: one.id[:2]):
        partition = list(found)
        for start in range(0, len(partition), _PAGE):
            yield partition[start : start + _PAGE]
