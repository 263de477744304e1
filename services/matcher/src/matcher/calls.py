"""Statements, and calls of functions of the database, several of which go in one statement."""

from collections.abc import Iterable
from typing import Any, NamedTuple


class Statement(NamedTuple):
    """A query and its arguments."""

    query: str
    arguments: tuple[Any, ...]


class Typed(NamedTuple):
    """An argument written as text, and its type."""

    text: str
    type: str


class Call(NamedTuple):
    """A function of the database and its arguments: several go in one statement."""

    function: str
    arguments: tuple[Any, ...]


def together(calls: Iterable[Call], before: tuple[Any, ...] = ()) -> Statement:
    """Carries out calls in one round trip, one after the other; a column for what each returns.

    Its arguments come behind those of `before`.
    """
    arguments = list(before)
    called = []
    for call in calls:
        first = len(arguments) + 1
        arguments += (one.text if isinstance(one, Typed) else one for one in call.arguments)
        numbered = ", ".join(_place(n, one) for n, one in enumerate(call.arguments, first))
        called.append(f"matcher.{call.function}({numbered})")
    return Statement(f"select {', '.join(called)}", tuple(arguments))


def _place(number: int, argument: Any) -> str:
    return f"${number}::text::{argument.type}" if isinstance(argument, Typed) else f"${number}"
