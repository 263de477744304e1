"""The European Central Bank's table of euro rates, as its CSV files hold it.

`Date,USD,JPY,...`: one row a day, units of each currency for one euro, `N/A` or no column where
there is no rate. The history (`eurofxref-hist.csv`) writes days as 2026-11-20 and ends each line
in a comma, the daily file (`eurofxref.csv`) writes 20 November 2026 and puts a space after commas.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

EuroRates = Mapping[date, Mapping[str, Decimal]]
"""Units for one euro, by day, then by currency in lower case."""

_CURRENCY: Final = re.compile(r"[A-Za-z]{3}")
_NUMBER: Final = re.compile(r"\d{1,18}(\.\d{1,18})?")
_NONE: Final = frozenset({"", "n/a", "-"})
_MONTHS: Final = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)


class RatesUnreadable(ValueError):  # noqa: N818 - named like its siblings
    """A table that can't be relied on; the message names the line and the column."""


def read_ecb(text: str) -> EuroRates:
    """Every rate of the file; raises RatesUnreadable.

    A day that stands there twice with different rates is refused: one of them would be wrong.
    """
    rows = _rows(text)
    header = _header(rows[0] if rows else ())
    days: dict[date, dict[str, Decimal]] = {}
    for line, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        day = _day(row[0].strip(), line)
        rates = _rates(row, header, line)
        if days.setdefault(day, rates) != rates:
            raise RatesUnreadable(f"line {line}: {day} stands there twice with different rates")
    if not days:
        raise RatesUnreadable("no day with rates below the header")
    return days


def _rows(text: str) -> list[list[str]]:
    try:
        return list(csv.reader(text.lstrip("\ufeff").splitlines()))
    except csv.Error as error:
        raise RatesUnreadable(f"no table of values: {error}") from error


def _header(cells: Sequence[str]) -> tuple[str, ...]:
    """Currency of each column after the first, empty where a line ends in a comma."""
    names = [cell.strip() for cell in cells]
    if not names or names[0].lower() != "date":
        raise RatesUnreadable("line 1: expected the header Date,USD,JPY,...")
    while len(names) > 1 and not names[-1]:
        names.pop()
    for name in names[1:]:
        if not _CURRENCY.fullmatch(name):
            raise RatesUnreadable(f"line 1: {name[:20]!r} is no currency code such as USD")
    codes = tuple(name.lower() for name in names[1:])
    twice = sorted({code for code in codes if codes.count(code) > 1})
    if twice:
        raise RatesUnreadable(f"line 1: {twice[0].upper()} has two columns")
    return codes


def _rates(row: Sequence[str], header: Sequence[str], line: int) -> dict[str, Decimal]:
    cells = [cell.strip() for cell in row[1:]]
    extra = [cell for cell in cells[len(header) :] if cell]
    if extra:
        raise RatesUnreadable(f"line {line}: {len(row)} values, the header has fewer columns")
    return {
        code: _number(cell, line, code)
        for code, cell in zip(header, cells, strict=False)
        if cell.lower() not in _NONE
    }


def _number(cell: str, line: int, code: str) -> Decimal:
    rate = Decimal(cell) if _NUMBER.fullmatch(cell) else Decimal(0)
    if rate <= 0:
        raise RatesUnreadable(
            f"line {line}, column {code.upper()}: {cell[:20]!r} is no rate above zero"
        )
    return rate


def _day(cell: str, line: int) -> date:
    try:
        return date.fromisoformat(cell)
    except ValueError:
        pass
    words = cell.lower().split()
    try:
        day, month, year = words
        return date(int(year), _MONTHS.index(month) + 1, int(day))
    except ValueError:
        raise RatesUnreadable(f"line {line}: {cell[:20]!r} is no day such as 2026-11-20") from None
