"""`plumbline dlq list|show|replay|discard`."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from aiokafka.errors import KafkaError
from plumbline_runtime.letters import Letter, LetterId, parse_letter_id
from plumbline_runtime.plain_text import printable
from plumbline_runtime.producer import Producer, PublishFailed
from plumbline_runtime.redaction import redact_text
from plumbline_runtime.settings import Settings
from plumbline_schemas.outputs import (
    DeadLetterList,
    DeadLettersHandled,
    DeadLetterShown,
    HeaderShown,
    Output,
)

from console.letter_answers import discard, replay
from console.letter_box import LetterBook, LetterBox, LetterNotFound, Wanted, group, letter_box
from console.people import who
from console.reach import NotRunning, find_run, kafka_server
from console.show import OUT, fail, moment, print_json, table

_BODY_CHARACTERS = 20_000


def run_list(wanted: Wanted, *, limit: int, everything: bool, as_json: bool) -> int:
    """Print open letters, newest first, and how many there are of each cause."""

    async def look(box: LetterBox) -> DeadLetterList:
        book = await box.read()
        letters = list(book.letters.values()) if everything else book.open()
        found = [letter for letter in letters if wanted.holds(letter)]
        newest = sorted(found, key=lambda one: one.written_at, reverse=True)[:limit]
        return DeadLetterList(
            open=len(book.open()),
            groups=group(found),
            letters=[book.row(letter) for letter in newest],
            shown=len(newest),
            found=len(found),
        )

    return _ask(look, _print_list, as_json=as_json)


def run_show(text: str, *, body: bool, as_json: bool) -> int:
    """Print one letter; 1 when there is none of that id, 2 when it is no id."""
    wanted = _ids([text])
    if wanted is None:
        return 2

    async def look(box: LetterBox) -> DeadLetterShown:
        book = await box.read()
        letter = book.find(wanted[0])
        [record] = await box.records([letter])
        value = record.value or b""
        return DeadLetterShown(
            letter=book.row(letter),
            headers=[HeaderShown(name=printable(n), value=_text(v)) for n, v in record.headers],
            body_bytes=len(value),
            body=_body(value) if body and record.value is not None else None,
        )

    return _ask(look, _print_letter, as_json=as_json)


def run_replay(ids: Sequence[str], wanted: Wanted | None, *, as_json: bool) -> int:
    """Publish letters to their topics again and mark them; handled ones are left alone."""
    chosen = _ids(ids)
    if chosen is None:
        return 2

    async def answer(box: LetterBox) -> DeadLettersHandled:
        book = await box.read()
        letters, already = _choose(book, chosen, wanted)
        async with _producer() as producer:
            done = await replay(
                producer, box, book.together(letters), by=who(), at=datetime.now(UTC)
            )
        return _handled("replayed", done, already)

    return _ask(answer, _print_handled, as_json=as_json)


def run_discard(ids: Sequence[str], text: str, *, as_json: bool) -> int:
    """Mark letters as of no use, with who, when and why; handled ones are left alone."""
    chosen = _ids(ids)
    if chosen is None:
        return 2

    async def answer(box: LetterBox) -> DeadLettersHandled:
        letters, already = _choose(await box.read(), chosen, None)
        async with _producer() as producer:
            done = await discard(producer, letters, by=who(), at=datetime.now(UTC), text=text)
        return _handled("discarded", done, already)

    return _ask(answer, _print_handled, as_json=as_json)


def _choose(
    book: LetterBook, ids: Sequence[LetterId], wanted: Wanted | None
) -> tuple[list[Letter], list[LetterId]]:
    """Open letters asked for, and the ids of those that were handled before."""
    named = [book.find(one) for one in ids]
    letters = [one for one in named if one.id not in book.marks]
    already = [one.id for one in named if one.id in book.marks]
    if wanted is not None:
        letters += [one for one in book.open() if wanted.holds(one) and one not in letters]
    return letters, already


def _handled(
    action: str, done: Sequence[Letter], already: Sequence[LetterId]
) -> DeadLettersHandled:
    return DeadLettersHandled.model_validate(
        {
            "action": action,
            "letters": [str(letter.id) for letter in done],
            "already": [str(one) for one in already],
        }
    )


def _ask(
    question: Callable[[LetterBox], Awaitable[Output]],
    human: Callable[[Output], None],
    *,
    as_json: bool,
) -> int:
    async def ask() -> Output:
        async with letter_box(kafka_server(find_run()), _prefix()) as box:
            return await question(box)

    try:
        found = asyncio.run(ask())
    except (NotRunning, LetterNotFound) as error:
        fail(str(error))
        return 1
    except PublishFailed as error:
        fail(f"{error}; what was not published stays open: try again")
        return 1
    except (KafkaError, OSError, TimeoutError) as error:
        fail(f"Kafka does not answer: {type(error).__name__}: {error}")
        return 1
    print_json(found) if as_json else human(found)
    return 0


@asynccontextmanager
async def _producer() -> AsyncIterator[Producer]:
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka_server(find_run()),
        "DATABASE_URL": "unused",
        "PLUMBLINE_TOPIC_PREFIX": _prefix(),
    }
    producer = Producer(Settings.from_environment("console", environment))
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


def _prefix() -> str:
    return os.environ.get("PLUMBLINE_TOPIC_PREFIX", "")


def _ids(texts: Sequence[str]) -> list[LetterId] | None:
    try:
        return [parse_letter_id(text) for text in texts]
    except ValueError as error:
        fail(str(error))
        return None


def _text(value: bytes | None) -> str | None:
    return None if value is None else redact_text(printable(value.decode("utf-8", "replace")))


def _body(value: bytes) -> str:
    text = value[: 4 * _BODY_CHARACTERS].decode("utf-8", "replace")
    lines = [printable(line) for line in redact_text(text[:_BODY_CHARACTERS]).split("\n")]
    more = f"\n... of {len(value)} bytes" if len(text) > _BODY_CHARACTERS else ""
    return "\n".join(lines) + more


def _print_list(output: Output) -> None:
    assert isinstance(output, DeadLetterList)
    if not output.found:
        OUT.print("no dead letters" if not output.open else "none of that kind")
        return
    table(
        "By cause",
        ["letters", "topic", "connection", "reason", "first", "last"],
        [
            (
                one.letters,
                one.topic.removesuffix(".dlq"),
                one.connection or "unknown",
                one.reason,
                moment(one.first_failed_at),
                moment(one.last_failed_at),
            )
            for one in output.groups
        ],
        whole=["letters", "reason", "first", "last"],
    )
    table(
        f"Newest {output.shown} of {output.found}",
        ["id", "reason", "tries", "status", "error"],
        [(one.id, one.reason, one.attempts, one.status, one.error) for one in output.letters],
        whole=["id", "reason", "tries", "status"],
    )


def _print_letter(output: Output) -> None:
    assert isinstance(output, DeadLetterShown)
    facts = output.letter.model_dump(exclude={"id"}, exclude_none=True)
    table(output.letter.id, ["", ""], [(name, value) for name, value in facts.items() if value])
    table("Headers", ["name", "value"], [(one.name, one.value) for one in output.headers])
    if output.body is None:
        OUT.print(f"body: {output.body_bytes} bytes; --body shows it")
    else:
        OUT.print(output.body, markup=False)


def _print_handled(output: Output) -> None:
    assert isinstance(output, DeadLettersHandled)
    for one in output.letters:
        OUT.print(f"{output.action} {one}", markup=False)
    for one in output.already:
        OUT.print(f"left alone {one}: it was handled before", markup=False)
    if not output.letters and not output.already:
        OUT.print("no open dead letter of that kind")
