"""How commands print: JSON models for scripts, rich tables for people, both from the same facts."""

import sys
from collections.abc import Iterable, Sequence

from plumbline_schemas.outputs import Output
from rich.console import Console
from rich.markup import escape
from rich.table import Table

OUT = Console(highlight=False, soft_wrap=True)
ERR = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(output: Output) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(output.model_dump_json(indent=1) + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; vendor text is escaped, so it can't carry markup."""
    grid = Table(title=escape(title), title_justify="left", header_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")  # an id that is cut is no use
    for row in rows:
        grid.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    OUT.print(grid)


def fail(message: str) -> None:
    """Say on standard error why the command can't do what was asked."""
    ERR.print(f"[red]error:[/red] {escape(message)}")
