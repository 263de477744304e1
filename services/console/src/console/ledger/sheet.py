"""A month's movements as CSV: one line a movement, for a spreadsheet."""

import csv
import io
import sys
from typing import Final
from zoneinfo import ZoneInfo

from plumbline_schemas.ledger_outputs import MonthMoved, MrrMovements
from plumbline_schemas.outputs import Output

from console.ledger.amounts import major

COLUMNS: Final = (
    "month", "currency", "kind", "account", "name", "before", "after", "amount",
    "booked_at", "effective_at", "event_type", "event_id", "origin", "object", "version",
)  # fmt: skip
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def print_sheet(output: Output) -> None:
    """The CSV on standard output."""
    assert isinstance(output, MrrMovements)
    sys.stdout.write(sheet(output))


def sheet(report: MrrMovements) -> str:
    """The report as CSV.

    Each currency begins with its `opening_balance` and ends with its `closing_balance`, and between
    them stand its movements: the amounts of all lines but the closing ones add up to the closings.
    Times are the workspace's, each with its offset.
    """
    out, zone = io.StringIO(), ZoneInfo(report.timezone)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for month in report.currencies:
        writer.writerow(_balance(report, month, "opening_balance"))
        for line in report.lines:
            if line.amount.currency != month.opening.currency:
                continue
            cause = line.cause
            writer.writerow([
                report.month,
                line.amount.currency.upper(),
                line.kind,
                line.account,
                safe(line.name),
                major(line.before),
                major(line.after),
                major(line.amount),
                line.booked_at.astimezone(zone).isoformat(),
                line.effective_at.astimezone(zone).isoformat(),
                safe(cause.event_type),
                safe(cause.event_id),
                safe(cause.origin),
                safe(cause.key),
                line.version,
            ])  # fmt: skip
        writer.writerow(_balance(report, month, "closing_balance"))
    return out.getvalue()


def _balance(report: MrrMovements, month: MonthMoved, kind: str) -> list[str]:
    money = month.opening if kind == "opening_balance" else month.closing
    filled = [report.month, money.currency.upper(), kind, "", "", "", "", major(money)]
    return filled + [""] * (len(COLUMNS) - len(filled))


def safe(text: str | None) -> str:
    """Text of others, so that no spreadsheet takes it for a formula (design 12)."""
    if not text:
        return ""
    return f"'{text}" if text.startswith(_FORMULA) else text
