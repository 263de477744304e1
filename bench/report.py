"""What the bench found, as checks against bars, tables for a person, and JSON."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

CONSOLE = Console()


@dataclass(frozen=True, slots=True)
class Check:
    """One figure and the bar it must meet."""

    row: str
    what: str
    figure: str
    bar: str
    passed: bool


def show_checks(checks: Sequence[Check]) -> None:
    """All bars, with pass or miss."""
    rows = [
        (one.row, one.what, one.figure, one.bar, "pass" if one.passed else "MISS") for one in checks
    ]
    show("Bars", ("row", "what", "figure", "bar", ""), rows)


def show(title: str, columns: Iterable[str], rows: Iterable[Sequence[object]]) -> None:
    """One table; numbers to the right."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    CONSOLE.print(table)


def show_by_process(title: str, columns: Mapping[str, Mapping[str, object]]) -> None:
    """One line a process, one column a measurement, with the sum of the numbers at the end."""
    names = list(dict.fromkeys(name for found in columns.values() for name in found))
    rows: list[list[object]] = [
        [name, *(found.get(name, "") for found in columns.values())] for name in names
    ]
    sums = [
        round(sum(value for value in found.values() if isinstance(value, int | float)), 2)
        for found in columns.values()
    ]
    show(title, ("process", *columns), [*rows, ["together", *sums]])
