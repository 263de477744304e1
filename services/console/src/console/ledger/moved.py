"""`plumbline mrr movements --month YYYY-MM`: what moved the book from opening to closing."""

from datetime import date
from zoneinfo import ZoneInfo

import asyncpg
from plumbline_domain.churn import rates_of
from plumbline_domain.ledger import BookMonth, Entry, month_period, movements
from plumbline_schemas.events import Movement
from plumbline_schemas.ledger_outputs import KindMoved, MonthMoved, MovementLine, MrrMovements
from plumbline_schemas.money import Money
from plumbline_schemas.outputs import Output

from console.ledger.amounts import percent, rate, shown
from console.ledger.causes import because
from console.ledger.reading import Asked, Ledger, read_ledger
from console.show import say, table

_WORDS = {
    "planned_cancellation": "planned cancellation",
    "planned_cancellation_undone": "cancellation undone",
    "opening": "first seen (opening)",
}


async def mrr_moved(
    db: asyncpg.Connection, asked: Asked, first: date, *, lines: bool
) -> tuple[MrrMovements, int]:
    """The answer, and 0."""
    return month_of_ledger(await read_ledger(db, asked), first, lines=lines), 0


def month_of_ledger(ledger: Ledger, first: date, *, lines: bool) -> MrrMovements:
    """The month of the workspace or of one account, a report a currency."""
    period = month_period(first, ledger.zone)
    found = movements(ledger.entries, period, ledger.account)
    booked = [entry for month in found for entry in month.entries] if lines else []
    return MrrMovements(
        workspace=ledger.workspace,
        month=f"{first:%Y-%m}",
        timezone=ledger.zone.key,
        start=period.start,
        end=period.end,
        account=ledger.account,
        version=ledger.version,
        currencies=[_month(month) for month in found],
        lines=[_line(ledger, entry) for entry in booked],
    )


def _month(month: BookMonth) -> MonthMoved:
    rates = rates_of(month)

    def money(minor: int) -> Money:
        return Money(minor=minor, currency=month.currency)

    return MonthMoved(
        opening=money(month.opening),
        movements=[
            KindMoved(kind=one.kind, amount=money(one.minor), count=one.count)
            for one in month.moved
        ],
        closing=money(month.closing),
        net_new=money(rates.net_new),
        customers_at_opening=month.customers_at_opening,
        customers_at_closing=month.customers_at_closing,
        gross_churn_rate=rate(rates.gross_churn),
        net_churn_rate=rate(rates.net_churn),
        customer_churn_rate=rate(rates.customer_churn),
    )


def _line(ledger: Ledger, entry: Entry) -> MovementLine:
    return MovementLine(
        version=entry.sequence,
        account=entry.account,
        name=ledger.names.get(entry.account),
        kind=entry.kind,
        before=Money(minor=entry.before, currency=entry.currency),
        after=Money(minor=entry.after, currency=entry.currency),
        amount=Money(minor=entry.amount, currency=entry.currency),
        booked_at=entry.booked_at,
        effective_at=entry.effective_at,
        cause=ledger.cause(entry.sequence),
    )


def print_moved(output: Output) -> None:
    """One table a currency, its rates below, then the lines if they were asked for."""
    assert isinstance(output, MrrMovements)
    whose = output.account or output.workspace
    say(
        f"MRR movements of {whose} in {output.month} ({output.timezone}), "
        f"ledger version {output.version}"
    )
    if not output.currencies:
        say("the book was empty, and nothing moved it")
    for month in output.currencies:
        _print_month(month)
    if output.lines:
        _print_lines(output)


def _print_month(month: MonthMoved) -> None:
    rows: list[tuple[str, object, str]] = [
        ("opening balance", month.customers_at_opening, shown(month.opening))
    ]
    rows += [
        (_word(one.kind), one.count, shown(one.amount, signed=True))
        for one in month.movements
        if one.count
    ]
    rows.append(("closing balance", month.customers_at_closing, shown(month.closing)))
    table(
        month.opening.currency.upper(),
        ["", "customers or movements", "MRR"],
        rows,
        right=["customers or movements", "MRR"],
        rules=[0, len(rows) - 2],
    )
    say(
        f"net new {shown(month.net_new, signed=True)}; churn: gross "
        f"{percent(month.gross_churn_rate)}, net {percent(month.net_churn_rate)}, "
        f"customers {percent(month.customer_churn_rate)}"
    )


def _print_lines(output: MrrMovements) -> None:
    zone = ZoneInfo(output.timezone)
    table(
        "Movements",
        ["booked", "who, and because of what", "MRR"],
        [
            (
                f"{line.booked_at.astimezone(zone):%m-%d %H:%M}\n{_word(line.kind)}",
                f"{line.name or '(no name)'}  {line.account}\n{because(line.cause)}",
                f"{shown(line.amount, signed=True)}\n{shown(line.before)} -> {shown(line.after)}",
            )
            for line in output.lines
        ],
        whole=["booked", "MRR"],
        right=["MRR"],
        rules=range(len(output.lines)),
    )


def _word(kind: Movement) -> str:
    return _WORDS.get(kind, kind)
