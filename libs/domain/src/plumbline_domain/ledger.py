"""The arithmetic of the MRR ledger: what the book held at an instant, and what moved it since.

Pure sums of whole minor units per currency and account; docs/ledger.md defines every word. The rows
are the ledger's (design 6), in the order they were written; the entries are what they mean for
MRR, each booked at one instant.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import groupby
from typing import Final

from plumbline_schemas.events import Movement
from plumbline_schemas.ids import AccountId
from plumbline_schemas.money import Money

from plumbline_domain.movements import CUSTOMER_CAUSED, PLANNED, by_amount


class LedgerBroken(ValueError):  # noqa: N818 - reads as the sentence it prints
    """A row does not start from what the row before it left: no total can be trusted."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One ledger row as far as MRR is concerned. None is an amount that was not known."""

    sequence: int
    account: AccountId
    effective_at: datetime
    record: str
    """Names the record of the log: rows of one record share it."""
    movement: Movement | None
    before: Money | None
    after: Money | None
    at_former_rates: Money | None = None
    """How far the movement itself went; what is left is `fx`. None: it is all one movement."""

    planned: Movement | None = None
    """A cancellation planned or undone beside a movement of the amount."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement in one currency, at the instant it is booked."""

    sequence: int
    account: AccountId
    booked_at: datetime
    effective_at: datetime
    kind: Movement
    currency: str
    before: int
    after: int

    @property
    def amount(self) -> int:
        """What it adds to the book, in minor units."""
        return self.after - self.before


def entries_of(rows: Iterable[LedgerRow], zone: tzinfo) -> Iterator[Entry]:
    """Book rows, which come in ascending sequence; raises LedgerBroken.

    An entry is booked at its row's `effective_at`, but never before what the ledger already holds
    of its account, and the two sides of a transfer at one instant. So the book at any instant is
    what its accounts really held one day. A customer's movement that is thereby booked in a later
    month than its own is a late fact and `restated`.
    """
    held: dict[AccountId, Money] = {}
    booked: dict[AccountId, datetime] = {}
    for _, group in groupby(rows, key=lambda row: row.record):
        together = list(group)
        moved = [row for row in together if row.movement == "transfer"]
        both = [booked.get(row.account, row.effective_at) for row in moved]
        for row in together:
            at = max(row.effective_at, booked.get(row.account, row.effective_at))
            if row.movement == "transfer":
                at = max(at, *both)
            before = _held(held, row)
            if row.after is not None:
                held[row.account] = row.after
            found = list(_entries(row, before, at, zone))
            if found:
                booked[row.account] = at
            yield from found


def _held(held: dict[AccountId, Money], row: LedgerRow) -> Money | None:
    """What the account held: an amount that became unknown still counts (docs/ledger.md)."""
    known, told = held.get(row.account), row.before
    if told is not None and told != known and (told.minor or (known is not None and known.minor)):
        raise LedgerBroken(
            f"ledger row {row.sequence} of {row.account} starts from {_said(told)}, "
            f"but the rows before it left {_said(known)}"
        )
    return known


def _said(money: Money | None) -> str:
    return "nothing" if money is None else f"{money.minor} {money.currency} (minor units)"


def _entries(row: LedgerRow, before: Money | None, at: datetime, zone: tzinfo) -> Iterator[Entry]:
    after = row.after
    if after is None:
        if row.movement in PLANNED and before is not None:
            yield _entry(row, at, row.movement, (before.currency, before.minor, before.minor))
        return
    if before is not None and before.currency != after.currency:
        # The workspace reports in another currency now: the old book empties, a new one fills.
        if before.minor:
            yield _entry(row, at, "restated", (before.currency, before.minor, 0))
        if after.minor:
            yield _entry(row, at, "restated", (after.currency, 0, after.minor))
        return
    was = 0 if before is None else before.minor
    reached = after.minor
    if row.at_former_rates is not None and row.at_former_rates.currency == after.currency:
        reached = row.at_former_rates.minor
    if was != reached or row.movement in PLANNED:
        yield _entry(row, at, _kind(row, was, reached, at, zone), (after.currency, was, reached))
    if reached != after.minor:
        yield _entry(row, at, "fx", (after.currency, reached, after.minor))
    if row.planned is not None:
        yield _entry(row, at, row.planned, (after.currency, after.minor, after.minor))


def _entry(row: LedgerRow, at: datetime, kind: Movement, span: tuple[str, int, int]) -> Entry:
    return Entry(row.sequence, row.account, at, row.effective_at, kind, *span)


def _kind(row: LedgerRow, was: int, now: int, at: datetime, zone: tzinfo) -> Movement:
    """The row's own word, unless it is a late fact or started from an amount it did not know."""
    if row.movement is None:
        return "restated"
    if row.movement not in CUSTOMER_CAUSED or row.movement in PLANNED:
        return row.movement
    if month_of(at, zone) != month_of(row.effective_at, zone):
        return "restated"
    if row.before is None and was:
        return by_amount(was, now, paid_before=True)
    return row.movement


def month_of(at: datetime, zone: tzinfo) -> date:
    """First day of the month that the instant falls into by the workspace's clock."""
    return at.astimezone(zone).date().replace(day=1)


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` to before `end`."""

    start: datetime
    end: datetime


def month_period(first: date, zone: tzinfo) -> Period:
    """The month of that day, midnight to midnight by the workspace's clock."""
    first = first.replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return Period(_midnight(first, zone), _midnight(following, zone))


def end_of_day(day: date, zone: tzinfo) -> datetime:
    """The midnight that ends the day by the workspace's clock."""
    return _midnight(day + timedelta(days=1), zone)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone)


Balances = dict[str, dict[AccountId, int]]
"""Currency -> account -> minor units; accounts at zero are left out."""


def book_at(entries: Iterable[Entry], at: datetime) -> Balances:
    """What each account held just before `at`."""
    held: dict[str, dict[AccountId, int]] = defaultdict(dict)
    for entry in entries:
        if entry.booked_at < at:
            held[entry.currency][entry.account] = entry.after
    return {
        currency: {account: minor for account, minor in accounts.items() if minor}
        for currency, accounts in sorted(held.items())
    }


KINDS: Final[tuple[Movement, ...]] = (
    "new",
    "expansion",
    "reactivation",
    "contraction",
    "churn",
    "fx",
    "opening",
    "transfer",
    "restated",
    "planned_cancellation",
    "planned_cancellation_undone",
)
"""Every kind, in the order of a report."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The movements of one kind."""

    kind: Movement
    minor: int
    count: int


@dataclass(frozen=True, slots=True)
class BookMonth:
    """One period of one currency: opening + every movement = closing, exactly."""

    currency: str
    opening: int
    moved: tuple[Moved, ...]
    closing: int
    customers_at_opening: int
    customers_at_closing: int
    entries: tuple[Entry, ...]

    def of(self, kind: Movement) -> Moved:
        """One kind's sum and number."""
        return next(moved for moved in self.moved if moved.kind == kind)


def movements(
    entries: Sequence[Entry], period: Period, account: AccountId | None = None
) -> list[BookMonth]:
    """What moved the book, or one account, within the period: a report a currency, by its code.

    Opening and closing are read from what the accounts held, the movements are added up: raises
    LedgerBroken if these two disagree.
    """
    mine = [entry for entry in entries if account is None or entry.account == account]
    opening, closing = book_at(mine, period.start), book_at(mine, period.end)
    within: dict[str, list[Entry]] = defaultdict(list)
    for entry in mine:
        if period.start <= entry.booked_at < period.end:
            within[entry.currency].append(entry)
    return [
        _month(code, opening.get(code, {}), within.get(code, []), closing.get(code, {}))
        for code in sorted({*opening, *closing, *within})
    ]


def _month(
    currency: str,
    opening: dict[AccountId, int],
    within: Sequence[Entry],
    closing: dict[AccountId, int],
) -> BookMonth:
    sums: dict[Movement, list[int]] = {kind: [] for kind in KINDS}
    for entry in within:
        sums[entry.kind].append(entry.amount)
    first, last = sum(opening.values()), sum(closing.values())
    moved = sum(entry.amount for entry in within)
    if first + moved != last:
        raise LedgerBroken(f"{currency}: opening {first} and movements {moved} do not make {last}")
    return BookMonth(
        currency=currency,
        opening=first,
        moved=tuple(Moved(kind, sum(found), len(found)) for kind, found in sums.items()),
        closing=last,
        customers_at_opening=len(opening),
        customers_at_closing=len(closing),
        entries=tuple(sorted(within, key=lambda entry: (entry.booked_at, entry.sequence))),
    )


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A ledger row that named an account's plan; None: it has none any more."""

    account: AccountId
    effective_at: datetime
    plan: str | None


def plans_at(rows: Iterable[PlanRow], at: datetime) -> dict[AccountId, str | None]:
    """Each account's plan just before `at`; rows in ascending sequence, as in `entries_of`."""
    reached: dict[AccountId, datetime] = {}
    plans: dict[AccountId, str | None] = {}
    for row in rows:
        since = reached[row.account] = max(
            row.effective_at, reached.get(row.account, row.effective_at)
        )
        if since < at:
            plans[row.account] = row.plan
    return plans
