"""The European Central Bank's table of euro reference rates: text in, rates per day out.

The file is a CSV whose header is `Date` and currency codes; each row holds the units of every
currency for one euro, `N/A` or nothing where there is no rate (issue "FX", billing: a missing rate
is never a factor of 1).
"""

import csv
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Final

_CODE: Final = re.compile(r"[A-Z]{3}")
_RATE: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_ISO_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LONG_DAY: Final = re.compile(r"([0-9]{1,2}) ([A-Z][a-z]+) ([0-9]{4})")
_NO_RATE: Final = frozenset({"", "N/A"})
_BASE: Final = "EUR"
_SHOWN: Final = 40
"""Characters of a bad cell that an error repeats."""
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


class EcbError(ValueError):
    """The text is no such table; `where` names line and column and says what stood there."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


def parse_ecb(text: str) -> dict[date, dict[str, Decimal]]:
    """Units of each currency (upper case) for one euro, by day, oldest first.

    A byte order mark, quotes, blanks, a trailing comma, blank lines and any order of days are
    taken; a day twice only with the same rates. Days are `2026-11-20`, or `20 November 2026` as in
    the bank's file of one day. A day without any rate is left out. Raises EcbError.
    """
    rows = _rows(text.removeprefix("\ufeff"))
    line, head = next(rows, (1, []))
    codes = _codes(line, head)
    days: dict[date, dict[str, Decimal]] = {}
    for line, cells in rows:
        day, rates = _day(line, cells[0]), _rates(line, codes, cells)
        if days.setdefault(day, rates) != rates:
            raise EcbError(f"line {line}, column Date: {day} is there twice, with other rates")
    return {day: days[day] for day in sorted(days) if days[day]}


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that hold something, trimmed, with the number of the line each ends on."""
    reader = csv.reader(text.splitlines(), strict=True, skipinitialspace=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise EcbError(f"line {reader.line_num}: no valid CSV: {error}") from None


def _codes(line: int, head: list[str]) -> list[str]:
    """The currencies of the header in its order; trailing commas hold none."""
    if not head or head[0].casefold() != "date":
        found = repr(head[0][:_SHOWN]) if head else "nothing"
        raise EcbError(
            f"line {line}, column 1: found {found}, expected the header Date,USD,JPY,..."
        )
    codes = [cell.upper() for cell in head[1:]]
    while codes and not codes[-1]:
        codes.pop()
    if not codes:
        raise EcbError(f"line {line}: found no currency, expected the header Date,USD,JPY,...")
    for column, code in enumerate(codes, start=2):
        if not _CODE.fullmatch(code):
            raise EcbError(
                f"line {line}, column {column}: found {code[:_SHOWN]!r}, "
                f"expected a currency code such as USD"
            )
        if code in codes[: column - 2]:
            raise EcbError(f"line {line}, column {column}: {code} is there twice")
    return codes


def _day(line: int, cell: str) -> date:
    try:
        if _ISO_DAY.fullmatch(cell):
            return date.fromisoformat(cell)
        if (long := _LONG_DAY.fullmatch(cell)) is not None:
            return date(int(long[3]), _MONTHS.index(long[2]) + 1, int(long[1]))
    except ValueError:
        pass  # such as 2026-02-30: told below like any other text
    raise EcbError(
        f"line {line}, column Date: found {cell[:_SHOWN]!r}, expected a day such as 2026-11-20"
    )


def _rates(line: int, codes: list[str], cells: list[str]) -> dict[str, Decimal]:
    found = cells[1:]
    if len(found) < len(codes) or any(found[len(codes) :]):
        raise EcbError(
            f"line {line}: found {len(found)} cells after the date, expected {len(codes)} "
            f"as in the header"
        )
    rates = {
        code: _rate(line, code, cell)
        for code, cell in zip(codes, found, strict=False)
        if cell.upper() not in _NO_RATE
    }
    if rates.pop(_BASE, Decimal(1)) != 1:
        raise EcbError(f"line {line}, column {_BASE}: rates are for one euro, which is 1")
    return rates


def _rate(line: int, code: str, cell: str) -> Decimal:
    if not _RATE.fullmatch(cell) or not Decimal(cell):
        raise EcbError(
            f"line {line}, column {code}: found {cell[:_SHOWN]!r}, "
            f"expected a number above zero such as 1.0842, or N/A"
        )
    return Decimal(cell)
