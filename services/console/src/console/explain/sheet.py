"""Laying out a working as text: step, reckoning, what it comes to, and by which rule."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from plumbline_runtime.plain_text import printable

WORDS_MAX: Final = 64
"""Longer words go to a second line, so that amounts stay in one column."""


class Line(NamedTuple):
    """One step. `amount` is what it comes to; `rule` is explained in docs/mrr.md."""

    label: str
    words: str = ""
    amount: str = ""
    rule: str = ""


def laid_out(lines: Iterable[Line], indent: int = 0) -> list[str]:
    """Lines of text, amounts flush right; control codes are made visible before they count."""
    rows = [row for line in lines for row in _folded(_clean(line))]
    labels = max((len(row.label) for row in rows), default=0)
    words = max((len(row.words) for row in rows), default=0)
    # The currency after an amount is no digit: amounts with and without it end in one column.
    numbers = max((len(_number(row.amount)) for row in rows), default=0)
    units = max((len(row.amount) - len(_number(row.amount)) for row in rows), default=0)
    found = []
    for row in rows:
        number = _number(row.amount)
        unit = row.amount[len(number) :]
        rule = f"  [{row.rule}]" if row.rule else ""
        text = (
            f"{' ' * indent}{row.label:<{labels}}  {row.words:<{words}}"
            f"  {number:>{numbers}}{unit:<{units}}{rule}"
        )
        found.append(text.rstrip())
    return found


def table_of(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: int) -> list[str]:
    """A plain table, its column number `right` flush right."""
    everything = [header, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(row[place]) for row in everything) for place in range(len(header))]
    return [
        "  ".join(
            f"{cell:>{width}}" if place == right else f"{cell:<{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in everything
    ]


def _clean(line: Line) -> Line:
    return Line(*(printable(part) for part in line))


def _number(amount: str) -> str:
    """An amount without what follows its last digit or ellipsis."""
    return amount.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")


def _folded(line: Line) -> list[Line]:
    if len(line.words) <= WORDS_MAX:
        return [line]
    rows, rest = [], line.words
    while len(rest) > WORDS_MAX:
        cut = rest.rfind(" ", 0, WORDS_MAX + 1)
        cut = cut if cut > 0 else WORDS_MAX
        rows.append(rest[:cut])
        rest = rest[cut:].lstrip()
    rows.append(rest)
    first = [Line(line.label, rows[0], line.amount, line.rule)]
    return first + [Line("", row) for row in rows[1:]]
