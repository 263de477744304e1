"""The MRR ledger's sums, over books that are made up and one that is read by hand."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plumbline_domain.ledger import (
    KINDS,
    Entry,
    LedgerBroken,
    LedgerRow,
    book_at,
    end_of_day,
    entries_of,
    month_of,
    month_period,
    movements,
)
from plumbline_domain.movements import PLANNED, Change, movement
from plumbline_schemas.ids import AccountId
from plumbline_schemas.money import Money

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 1, 1, tzinfo=UTC)
A, B = AccountId("acc_A"), AccountId("acc_B")


class Book:
    """Rows as the matcher writes them: each starts from what the one before left."""

    def __init__(self) -> None:
        self.rows: list[LedgerRow] = []
        self.held: dict[AccountId, Money | None] = {}
        self.paid: set[AccountId] = set()

    def put(self, account, at, minor, *, cause="customer", currency="eur", record=None, named=None):
        before = self.held.get(account)
        after = None if minor is None else Money(minor=minor, currency=currency)
        change = Change(
            None if before is None else before.minor,
            minor,
            cause,
            paid_before=account in self.paid,
            opening=False,
        )
        number = len(self.rows) + 1
        kind = named or movement(change)
        self.rows.append(
            LedgerRow(number, account, at, record or f"record {number}", kind, before, after)
        )
        self.held[account] = after
        if minor:
            self.paid.add(account)

    def entries(self, zone=UTC) -> list[Entry]:
        return list(entries_of(self.rows, zone))


@st.composite
def books(draw) -> Book:
    """A few accounts, late and early facts, amounts that are unknown, merges, a new currency."""
    book = Book()
    at, currency = START, "eur"
    for number in range(draw(st.integers(0, 25))):
        at += timedelta(hours=draw(st.integers(0, 400)))
        seen = at - timedelta(hours=draw(st.sampled_from([0, 0, 0, 1, 30, 900])))
        account = AccountId(f"acc_{draw(st.integers(0, 3))}")
        what = draw(st.integers(0, 9))
        if what == 0:
            currency = draw(st.sampled_from(["eur", "usd"]))
            for one in sorted(book.held):
                if book.held[one] is not None:
                    minor = draw(st.integers(0, 900))
                    book.put(
                        one,
                        seen,
                        minor,
                        cause="rules",
                        currency=currency,
                        record=f"config {number}",
                    )
        elif what == 1:
            other = AccountId(f"acc_{draw(st.integers(4, 5))}")
            sums = [book.held.get(one) for one in (account, other)]
            if all(one is not None and one.currency == currency for one in sums):
                total = sum(one.minor for one in sums)
                book.put(account, seen, 0, cause="link", currency=currency, record=f"link {number}")
                book.put(
                    other, seen, total, cause="link", currency=currency, record=f"link {number}"
                )
        elif what == 2:
            book.put(account, seen, None, cause="time", currency=currency)
        elif what == 3:
            held = book.held.get(account)
            if held is not None:
                word = draw(st.sampled_from(sorted(PLANNED)))
                book.put(account, seen, held.minor, currency=held.currency, named=word)
        else:
            account = AccountId(f"acc_{draw(st.integers(0, 5))}")
            cause = draw(st.sampled_from(["customer", "time", "rules"]))
            book.put(account, seen, draw(st.integers(0, 3)) * 100, cause=cause, currency=currency)
    return book


@settings(deadline=None, max_examples=300)
@given(book=books(), zone=st.sampled_from([UTC, BERLIN, ZoneInfo("Pacific/Auckland")]))
def test_opening_and_movements_make_the_closing_in_any_split_by_month(book, zone) -> None:
    entries = book.entries(zone)
    carried: dict[str, int] = defaultdict(int)
    added: dict[str, int] = defaultdict(int)
    first = date(2025, 10, 1)
    while first < date(2027, 9, 1):
        period = month_period(first, zone)
        for month in movements(entries, period):
            assert month.opening == carried[month.currency]
            assert month.opening + sum(moved.minor for moved in month.moved) == month.closing
            assert sum(moved.count for moved in month.moved) == len(month.entries)
            alone = [
                one
                for account in {entry.account for entry in entries}
                for one in movements(entries, period, account)
                if one.currency == month.currency
            ]
            for kind in KINDS:
                assert sum(one.of(kind).minor for one in alone) == month.of(kind).minor
            assert sum(one.opening for one in alone) == month.opening
            assert sum(one.customers_at_closing for one in alone) == month.customers_at_closing
            carried[month.currency] = month.closing
            added[month.currency] += sum(entry.amount for entry in month.entries)
        first = month_of(period.end, zone)
    assert dict(added) == {code: minor for code, minor in carried.items() if code in added}
    last = book_at(entries, datetime(2030, 1, 1, tzinfo=UTC))
    assert {code: sum(held.values()) for code, held in last.items() if held} == {
        code: minor for code, minor in carried.items() if minor
    }


@settings(deadline=None, max_examples=200)
@given(book=books(), hours=st.integers(0, 12_000))
def test_the_book_holds_only_amounts_that_its_accounts_held(book, hours) -> None:
    entries = book.entries()
    told = defaultdict(set)
    for row in book.rows:
        if row.after is not None:
            told[row.account].add((row.after.currency, row.after.minor))
    for currency, held in book_at(entries, START + timedelta(hours=hours)).items():
        for account, minor in held.items():
            assert minor > 0
            assert (currency, minor) in told[account]


@settings(deadline=None, max_examples=100)
@given(book=books())
def test_a_transfer_leaves_and_arrives_at_one_instant_and_sums_to_zero(book) -> None:
    entries = book.entries()
    records = {row.sequence: row.record for row in book.rows}
    moved = defaultdict(list)
    for entry in entries:
        if entry.kind == "transfer":
            moved[records[entry.sequence]].append(entry)
    for pair in moved.values():
        assert len({entry.booked_at for entry in pair}) == 1
        assert sum(entry.amount for entry in pair) == 0


def at(month: int, day: int, hour: int = 12) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def march(book: Book):
    [found] = movements(book.entries(), month_period(date(2026, 3, 1), UTC))
    return found


def test_a_month_read_by_hand() -> None:
    book = Book()
    book.put(A, at(1, 5), 10_000)
    book.put(B, at(2, 5), 5_000)
    book.put(A, at(3, 2), 15_000)
    book.put(A, at(3, 3), 12_000)
    book.put(B, at(3, 4), 5_000, named="planned_cancellation")
    book.put(B, at(3, 20), 0)
    book.put(B, at(3, 28), 7_000)
    book.put(AccountId("acc_C"), at(3, 31, 23), 1)
    found = march(book)
    assert (found.opening, found.closing) == (15_000, 19_001)
    assert (found.customers_at_opening, found.customers_at_closing) == (2, 3)
    assert {moved.kind: (moved.minor, moved.count) for moved in found.moved if moved.count} == {
        "new": (1, 1),
        "expansion": (5_000, 1),
        "contraction": (-3_000, 1),
        "churn": (-5_000, 1),
        "reactivation": (7_000, 1),
        "planned_cancellation": (0, 1),
    }


def test_a_month_is_the_workspaces_not_greenwichs() -> None:
    book = Book()
    book.put(A, datetime(2026, 3, 31, 22, 30, tzinfo=UTC), 100)
    assert movements(book.entries(BERLIN), month_period(date(2026, 3, 1), BERLIN)) == []
    [april] = movements(book.entries(BERLIN), month_period(date(2026, 4, 1), BERLIN))
    assert april.of("new").minor == 100
    assert month_period(date(2026, 3, 9), BERLIN).end == datetime(2026, 3, 31, 22, tzinfo=UTC)
    assert end_of_day(date(2026, 3, 29), BERLIN) == datetime(2026, 3, 29, 22, tzinfo=UTC)


def test_a_fact_that_comes_late_is_booked_at_its_own_time_if_its_account_has_not_moved_on() -> None:
    book = Book()
    book.put(A, at(4, 5), 10_000)
    book.put(B, at(3, 5), 5_000)
    assert march(book).of("new").minor == 5_000


def test_a_fact_older_than_its_accounts_last_movement_restates_the_later_month() -> None:
    book = Book()
    book.put(A, at(1, 5), 10_000)
    book.put(A, at(3, 5), 15_000)
    book.put(A, at(2, 20), 18_000)
    late = book.entries()[-1]
    assert (late.kind, late.booked_at, late.effective_at) == ("restated", at(3, 5), at(2, 20))
    assert march(book).of("expansion").minor == 5_000
    assert movements(book.entries(), month_period(date(2026, 2, 1), UTC))[0].closing == 10_000


def test_an_amount_that_became_unknown_still_counts() -> None:
    book = Book()
    book.put(A, at(1, 5), 10_000)
    book.put(A, at(3, 5), None)
    book.put(A, at(3, 6), 12_000)
    found = march(book)
    assert (found.opening, found.of("new").count, found.of("expansion").minor) == (10_000, 0, 2_000)


def test_another_reporting_currency_empties_one_book_and_fills_the_other() -> None:
    book = Book()
    book.put(A, at(1, 5), 10_000)
    book.put(A, at(3, 5), 11_000, cause="rules", currency="usd")
    euros, dollars = movements(book.entries(), month_period(date(2026, 3, 1), UTC))
    assert (euros.opening, euros.of("restated").minor, euros.closing) == (10_000, -10_000, 0)
    assert (dollars.opening, dollars.of("restated").minor, dollars.closing) == (0, 11_000, 11_000)


def test_a_row_that_starts_from_elsewhere_breaks_the_ledger() -> None:
    book = Book()
    book.put(A, at(1, 5), 10_000)
    book.held[A] = Money(minor=9_000, currency="eur")
    book.put(A, at(1, 6), 0)
    with pytest.raises(LedgerBroken, match=r"row 2 of acc_A starts from 9000 eur .* left 10000"):
        book.entries()
