"""How commands print: JSON models for scripts, rich tables for people, both from the same facts."""

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime

from plumbline_runtime.plain_text import printable
from plumbline_schemas.outputs import Output
from rich.console import Console
from rich.markup import escape
from rich.table import Table

OUT = Console(highlight=False, soft_wrap=True)
ERR = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(output: Output) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(output.model_dump_json(indent=1) + "\n")


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    whole: Sequence[str] = (),
    right: Sequence[str] = (),
    rules: Sequence[int] = (),
) -> None:
    """Print a table; vendor text is escaped, so it carries neither markup nor control codes.

    Columns named in `whole` are never folded, those in `right` stand at the right; a line is drawn
    below the rows numbered in `rules`.
    """
    grid = Table(title=escape(title), title_justify="left", header_style="bold")
    for column in columns:
        grid.add_column(
            column,
            overflow="fold",  # an id that is cut is no use
            no_wrap=column in whole,
            justify="right" if column in right else "left",
        )
    for number, row in enumerate(rows):
        grid.add_row(*(escape(_cell(cell)) for cell in row), end_section=number in rules)
    OUT.print(grid)


def say(line: str) -> None:
    """Print one line as it is; vendor text in it carries neither markup nor control codes."""
    OUT.print(escape(printable(line)))


def fail(message: str) -> None:
    """Say on standard error why the command can't do what was asked."""
    ERR.print(f"[red]error:[/red] {escape(message)}")


def moment(at: datetime) -> str:
    """A time in UTC as a person reads it."""
    return at.strftime("%m-%d %H:%M:%S")


def age(now: datetime, since: datetime) -> str:
    """How long ago, in the largest unit that tells something."""
    seconds = max(0, int((now - since).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return "\n".join(printable(line) for line in text.split("\n"))
