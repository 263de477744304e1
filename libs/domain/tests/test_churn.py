"""Rates of a month, on books small enough to divide by hand."""

from datetime import UTC, date, datetime
from fractions import Fraction

from plumbline_domain.churn import Rates, rates_of
from plumbline_domain.ledger import (
    LedgerRow,
    PlanRow,
    entries_of,
    month_period,
    movements,
    plans_at,
)
from plumbline_schemas.events import Movement
from plumbline_schemas.ids import AccountId
from plumbline_schemas.money import Money

MARCH = month_period(date(2026, 3, 1), UTC)


def eur(minor: int) -> Money:
    return Money(minor=minor, currency="eur")


def rates(*moves: tuple[str, int, Movement, int, int]) -> Rates:
    rows = [
        LedgerRow(
            number, AccountId(account), datetime(2026, month, number + 1, tzinfo=UTC),
            str(number), kind, eur(before), eur(after),
        )
        for number, (account, month, kind, before, after) in enumerate(moves)
    ]  # fmt: skip
    [month] = movements(list(entries_of(rows, UTC)), MARCH)
    return rates_of(month)


def test_only_customers_doing_counts() -> None:
    assert rates(
        ("a", 1, "new", 0, 1000),
        ("b", 1, "new", 0, 1000),
        ("a", 3, "contraction", 1000, 800),
        ("b", 3, "churn", 1000, 0),
        ("c", 3, "new", 0, 500),
        ("b", 3, "reactivation", 0, 300),
        ("c", 3, "fx", 500, 510),
        ("a", 3, "restated", 800, 900),
        ("d", 3, "opening", 0, 7000),
    ) == Rates(-400, Fraction(1200, 2000), Fraction(900, 2000), Fraction(1, 2))


def test_an_account_that_churns_twice_is_one_customer() -> None:
    found = rates(
        ("a", 1, "new", 0, 1000),
        ("a", 3, "churn", 1000, 0),
        ("a", 3, "reactivation", 0, 1000),
        ("a", 3, "churn", 1000, 0),
    )
    assert (found.customer_churn, found.gross_churn, found.net_new) == (1, 2, -1000)


def test_without_an_opening_there_is_no_rate() -> None:
    assert rates(("a", 3, "new", 0, 1000)) == Rates(1000, None, None, None)


def test_a_plan_holds_until_the_next_is_told() -> None:
    first, then = (datetime(2026, 3, day, tzinfo=UTC) for day in (1, 9))
    late = datetime(2026, 2, 1, tzinfo=UTC)
    a = AccountId("a")
    rows = [PlanRow(a, first, "team"), PlanRow(a, then, "business"), PlanRow(a, late, None)]
    assert plans_at(rows, first) == {}
    assert plans_at(rows, then) == {a: "team"}
    assert plans_at(rows, datetime(2026, 4, 1, tzinfo=UTC)) == {a: None}
