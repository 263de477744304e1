"""What a log says of an exception: class and place, no data."""

import json
import logging

import pytest
from asyncpg.exceptions import InvalidTextRepresentationError, UniqueViolationError
from plumbline_runtime.error_words import describe
from plumbline_runtime.logging import get_logger
from plumbline_runtime.repeats import Repeats
from plumbline_schemas.errors import Retryable
from pydantic import BaseModel, ValidationError

DATA = "Zerlina Quux"


class Row(BaseModel):
    number: int


def rejected() -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Row.model_validate({"number": DATA})
    return caught.value


def of_postgres(kind, **fields):
    error = kind(fields.pop("message"))
    for name, value in fields.items():
        setattr(error, name, value)
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            Retryable(f"HTTP 400: {DATA} is bad", where="acme/hubspot POST /x", status=400),
            "Retryable: acme/hubspot POST /x: HTTP 400",
        ),
        (Retryable("ReadTimeout", where="acme/hubspot GET /x"), "Retryable: acme/hubspot GET /x"),
        (rejected(), "ValidationError: 1 problems, the first: number: int_parsing"),
        (
            of_postgres(
                UniqueViolationError,
                message='a constraint "a_pkey" is violated',
                detail=f"Key (name)=({DATA}) already exists.",
            ),
            'UniqueViolationError: a constraint "a_pkey" is violated (SQLSTATE 23505)',
        ),
        (
            of_postgres(InvalidTextRepresentationError, message=f'invalid input: "{DATA}"'),
            "InvalidTextRepresentationError: SQLSTATE 22P02",
        ),
        (ConnectionResetError(), "ConnectionResetError"),
        (RuntimeError("first\nsecond"), "RuntimeError: first"),
        (
            ExceptionGroup("a task group", [OSError("gone"), ExceptionGroup("", [rejected()])]),
            "OSError: gone; ValidationError: 1 problems, the first: number: int_parsing",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_words(error, words):
    assert describe(error) == words
    assert DATA not in words


@pytest.fixture
def lines(logged):
    stream = logged("INFO")
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def fail() -> None:
    raise RuntimeError("no such thing") from rejected()


def test_an_exception_is_one_line_with_its_place_and_cause(lines):
    try:
        fail()
    except RuntimeError:
        get_logger().exception("handler_failed", offset=3)
    [line] = lines()
    assert line["error"] == "RuntimeError: no such thing"
    assert line["raised_at"].split(" < ")[0].endswith(" fail")
    assert line["caused_by"].startswith("ValidationError: 1 problems")
    assert "Traceback" not in json.dumps(line)
    assert DATA not in json.dumps(line)


def test_a_librarys_traceback_is_one_line(lines):
    try:
        raise ConnectionResetError("gone")
    except ConnectionResetError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved\nfuture: <x>")
    [line] = lines()
    assert line["message"] == "Task exception was never retrieved"
    assert line["error"] == "ConnectionResetError: gone"
    assert "raised_at" not in line


def test_an_exception_as_a_field_is_its_words(lines):
    get_logger().warning("crm_call_failed", error=Retryable(DATA, where="acme", status=500))
    [line] = lines()
    assert line["error"] == "Retryable: acme: HTTP 500"


def test_a_line_names_the_version_that_wrote_it(lines):
    get_logger().info("service_started")
    [line] = lines()
    assert line["version"].count(".") == 2


def test_a_group_is_told_by_its_first_member_s_place(lines):
    try:
        try:
            fail()
        except RuntimeError as error:
            raise ExceptionGroup("unhandled errors in a TaskGroup", [error]) from error
    except ExceptionGroup:
        get_logger().exception("service_failed")
    [line] = lines()
    assert line["error"] == "RuntimeError: no such thing"
    assert line["raised_at"].startswith("test_error_words.py")
    assert " fail < " in line["raised_at"]


def test_lines_that_repeat_are_counted():
    repeats = Repeats(seconds=10)
    assert repeats.told("away", 100.0) == {}
    assert repeats.told("away", 100.1) is None
    assert repeats.told("away", 109.9) is None
    assert repeats.told("another", 109.9) == {}
    assert repeats.told("away", 110.0) == {"repeated": 2}
    assert repeats.told("away", 110.1) is None
    assert repeats.told("away", 125.0) == {"repeated": 1}
    assert repeats.told("away", 140.0) == {}
