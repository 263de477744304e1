"""Reading a `.dlq` topic: letters, and the marks that people put behind them (docs/adr/0006).

Pure: what the clerk stores and what the console shows both follow from these functions. Headers
may hold any bytes; a letter that somebody else's tool wrote is shown as well as it can be.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple, cast, get_args

from plumbline_schemas import dead_letter as names
from plumbline_schemas.dead_letter import LetterMark
from plumbline_schemas.envelope import header
from plumbline_schemas.ids import split_key

from plumbline_runtime.plain_text import printable
from plumbline_runtime.records import Record

HEADER_WORKSPACE: Final = "plumbline-workspace"
HEADER_SOURCE: Final = "plumbline-connection"
"""The edge writes both beside the raw body."""

NO_WORKSPACE: Final = "-"
"""Stands for the workspace of a record that doesn't tell it; no configured one is named so."""


class LetterId(NamedTuple):
    """Where a letter stands: `webhooks.received.v1.dlq/3/17`."""

    topic: str
    """Without the deployment's topic prefix."""
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


class Letter(NamedTuple):
    """Why a record is here, without the record."""

    id: LetterId
    reason: str
    connection: str
    """`{workspace}/{connection}`, empty where unknown."""
    key: bytes | None
    source_offset: int
    """Of the record in its topic; -1 where unknown."""
    error_class: str
    error: str
    stack_hash: str
    attempts: int
    first_failed_at: datetime
    """The first failure of all, also after replays."""
    written_at: datetime
    service: str
    first: str
    """Id of the first letter, empty if this is it."""

    @property
    def workspace(self) -> str:
        """The workspace, or NO_WORKSPACE."""
        return self.connection.partition("/")[0] or NO_WORKSPACE


class Mark(NamedTuple):
    """What a person decided about a letter."""

    letter: LetterId
    mark: LetterMark
    by: str
    at: datetime
    text: str


def parse_letter_id(text: str) -> LetterId:
    """Take `topic/partition/offset` apart; raises ValueError saying what is expected."""
    topic, _, rest = text.partition("/")
    partition, _, offset = rest.partition("/")
    numbers = (partition, offset)
    if not topic.endswith(".dlq") or not all(n.isascii() and n.isdigit() for n in numbers):
        raise ValueError(f"found {text!r}, expected TOPIC.dlq/PARTITION/OFFSET")
    return LetterId(topic, int(partition), int(offset))


def read_letter(topic: str, record: Record) -> Letter | Mark | None:
    """What a record of a `.dlq` topic is; None for a mark that can't be understood."""
    here = LetterId(topic, record.partition, record.offset)
    if header(list(record.headers), names.HEADER_MARK) is not None:
        return _read_mark(here, record)

    def text(name: str) -> str:
        return printable(header(list(record.headers), name) or "")

    written_at = _moment(record.timestamp_ms)
    return Letter(
        id=here,
        reason=text(names.HEADER_REASON) or "unknown",
        connection=text(names.HEADER_CONNECTION) or connection_of(record),
        key=record.key,
        source_offset=_number(text(names.HEADER_OFFSET), -1),
        error_class=text(names.HEADER_ERROR_CLASS),
        error=text(names.HEADER_ERROR_MESSAGE),
        stack_hash=text(names.HEADER_STACK_HASH),
        attempts=_number(text(names.HEADER_ATTEMPTS), 1),
        first_failed_at=_time(text(names.HEADER_FIRST_FAILED_AT), written_at),
        written_at=written_at,
        service=text(names.HEADER_SERVICE),
        first=text(names.HEADER_FIRST),
    )


def mark_headers(mark: Mark) -> list[tuple[str, bytes]]:
    """The headers that make a record a mark."""
    return [
        (names.HEADER_MARK, mark.mark.encode()),
        (names.HEADER_MARK_OFFSET, str(mark.letter.offset).encode()),
        (names.HEADER_MARK_BY, mark.by.encode("utf-8", "replace")),
        (names.HEADER_MARK_AT, mark.at.isoformat().encode()),
        (names.HEADER_MARK_TEXT, mark.text.encode("utf-8", "replace")),
    ]


def replay_headers(
    letter: Letter, headers: Sequence[tuple[str, bytes | None]]
) -> list[tuple[str, bytes | None]]:
    """The record's own headers, and what a new letter must know should it fail again."""
    history = {
        names.HEADER_FIRST: letter.first or str(letter.id),
        names.HEADER_ATTEMPTS: str(letter.attempts),
        names.HEADER_FIRST_FAILED_AT: letter.first_failed_at.isoformat(),
    }
    return own_headers(headers) + [(name, value.encode()) for name, value in history.items()]


def own_headers(headers: Sequence[tuple[str, bytes | None]]) -> list[tuple[str, bytes | None]]:
    """The record's own headers, less those of an earlier life in a DLQ."""
    return [(name, value) for name, value in headers if not name.startswith("dlq-")]


def is_replayed(record: Record) -> bool:
    """Whether a person sent the record again."""
    return any(name == names.HEADER_FIRST for name, _ in record.headers)


def connection_of(record: Record) -> str:
    """`{workspace}/{connection}` by the edge's headers, else by the external key, else empty."""
    workspace = source = None
    for name, value in record.headers:
        if name == HEADER_WORKSPACE:
            workspace = value
        elif name == HEADER_SOURCE:
            source = value
    if workspace and source:
        return printable(f"{_decode(workspace)}/{_decode(source)}")
    try:
        key = split_key((record.key or b"").decode())
    except ValueError:
        return ""
    return printable(f"{key.workspace}/{key.connection}")


def _read_mark(here: LetterId, record: Record) -> Mark | None:
    headers = list(record.headers)
    word = header(headers, names.HEADER_MARK) or ""
    offset = _number(header(headers, names.HEADER_MARK_OFFSET) or "", -1)
    if word not in get_args(LetterMark) or not 0 <= offset < here.offset:
        return None
    return Mark(
        letter=here._replace(offset=offset),
        mark=cast("LetterMark", word),
        by=header(headers, names.HEADER_MARK_BY) or "",
        at=_time(header(headers, names.HEADER_MARK_AT) or "", _moment(record.timestamp_ms)),
        text=header(headers, names.HEADER_MARK_TEXT) or "",
    )


def _decode(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else otherwise


def _time(text: str, otherwise: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return otherwise
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _moment(timestamp_ms: int) -> datetime:
    return datetime.fromtimestamp(max(timestamp_ms, 0) / 1000, UTC)
