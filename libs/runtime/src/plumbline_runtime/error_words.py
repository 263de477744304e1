"""What a log line says of an exception: which one and where, nothing of the data that caused it.

Vendors' answers, rejected values and rows of the database stand in exceptions' texts; a log keeps
none of them (engineering 8: no bodies).
"""

import traceback
from pathlib import PurePath
from typing import Final

import asyncpg
from plumbline_schemas.errors import VendorError
from pydantic import ValidationError

_CHARACTERS: Final = 300
_FRAMES: Final = 12
_DATA_ERRORS: Final = "22"
"""SQLSTATE class of values that do not fit; their messages quote the value."""


def describe(error: BaseException) -> str:
    """One line: the class, and as much of the text as holds no data; of a group its members'."""
    if isinstance(error, BaseExceptionGroup):
        return first_line("; ".join(map(describe, error.exceptions)))
    name = type(error).__name__
    said = _said(error)
    return f"{name}: {said}" if said else name


def place(error: BaseException) -> str:
    """Where it was raised: innermost call first, file, line and function, no source text.

    Of a group, where its first member was.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return " < ".join(
        f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames)
    )


def first_line(text: str) -> str:
    """The first line, shortened."""
    return text.partition("\n")[0][:_CHARACTERS]


def _said(error: BaseException) -> str:
    match error:
        case VendorError():
            # The vendor's own words may quote what we sent; the tables and attention keep them.
            return first_line(
                error.where if error.status is None else f"{error.where}: HTTP {error.status}"
            )
        case ValidationError():
            problems = error.errors(include_url=False, include_input=False, include_context=False)
            first = problems[0]
            where = ".".join(str(part) for part in first["loc"]) or error.title
            return first_line(
                f"{error.error_count()} problems, the first: {where}: {first['type']}"
            )
        case asyncpg.PostgresError():
            state = str(error.sqlstate or "")
            if state.startswith(_DATA_ERRORS):
                return f"SQLSTATE {state}"
            # The DETAIL that follows the first line quotes rows.
            return first_line(f"{error.args[0] if error.args else ''} (SQLSTATE {state})")
        case _:
            return first_line(str(error))
