"""What exchange rates moved, apart from what the customer did (design 6, movements)."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from plumbline_domain.conversion import Conversion
from plumbline_domain.ledger import LedgerRow, entries_of, month_period, movements
from plumbline_domain.money import to_minor
from plumbline_domain.movements import Change, movement
from plumbline_domain.originals import Original, at_former_rates, originals_of
from plumbline_domain.rates import Rates
from plumbline_schemas.ids import AccountId
from plumbline_schemas.money import Money

JUNE, JULY = date(2026, 6, 1), date(2026, 7, 1)
TABLE = Rates.of(
    {
        JUNE: {"USD": Decimal("1.10"), "JPY": Decimal(160)},
        JULY: {"USD": Decimal("1.25"), "JPY": Decimal(200)},
    }
)
A = AccountId("acc_A")


def held(day: date, **own: int) -> tuple[Fraction, dict[str, Original]]:
    """Exact MRR in cents of a euro, and what it is made of."""
    beside = Conversion("eur", day, TABLE)
    amounts = {code: Fraction(minor) for code, minor in own.items()}
    parts = [beside.converted(minor, code) for code, minor in amounts.items()]
    total = sum((part for part in parts if part is not None), Fraction(0))
    return total, originals_of(amounts, beside, fixed_rates=False)


def test_originals_name_the_rate_and_its_day() -> None:
    _, found = held(date(2026, 6, 20), eur=500, usd=11_000)
    assert found == {"usd": Original(Fraction(11_000), Fraction(10, 11), JUNE)}


def test_an_upgrade_after_the_turn_of_the_month_is_the_upgrade_and_fx() -> None:
    (_, before), (exact, now) = held(JUNE, usd=11_000), held(JULY, usd=13_750)
    assert to_minor(exact) == 11_000
    assert at_former_rates(exact, now, before, "eur") == 12_500


def test_a_currency_without_decimals() -> None:
    (_, before), (exact, now) = held(JUNE, jpy=16_000), held(JULY, jpy=16_000)
    assert to_minor(exact) == 8_000
    assert at_former_rates(exact, now, before, "eur") == 10_000


def test_the_same_rates_split_nothing() -> None:
    (_, before), (exact, now) = held(JUNE, usd=100), held(date(2026, 6, 30), usd=300, jpy=5)
    assert at_former_rates(exact, now, before, "eur") is None


def test_rates_of_each_subscriptions_own_day_split_nothing() -> None:
    own = {"usd": Fraction(100)}
    fixed = originals_of(own, Conversion("eur", JULY, TABLE), fixed_rates=True)
    assert fixed == {"usd": Original(Fraction(100), None, None)}
    assert at_former_rates(Fraction(100), fixed, held(JUNE, usd=100)[1], "eur") is None


amounts = st.sampled_from([0, 0, 700, 1_000, 9_999])
steps = st.tuples(
    st.integers(1, 30), amounts, amounts, amounts, st.sampled_from(["customer", "time"])
)


@settings(deadline=None, max_examples=200)
@given(st.lists(steps, min_size=1, max_size=12), st.data())
def test_any_book_adds_up_and_fx_is_what_the_rates_moved(steps: Any, data: Any) -> None:
    """Over months with rates of their own: every row is split, to the minor unit."""
    days = {date(2026, month, 1) for month in range(1, 13)}
    rate = st.integers(80, 200).map(lambda cents: Decimal(cents) / 100)
    table = Rates.of({day: {"USD": data.draw(rate), "JPY": data.draw(rate) * 100} for day in days})
    at, rows, last = datetime(2026, 1, 1, tzinfo=UTC), [], None
    states: list[tuple[dict[str, Fraction], Conversion, int]] = []
    for number, (wait, usd, jpy, eur, cause) in enumerate(steps, 1):
        at += timedelta(days=wait)
        own = {"usd": Fraction(usd), "jpy": Fraction(jpy), "eur": Fraction(eur)}
        beside = Conversion("eur", at.date(), table)
        exact = total(own, beside)
        now = originals_of(own, beside, fixed_rates=False)
        before = originals_of(*states[-1][:2], fixed_rates=False) if states else {}
        former = at_former_rates(exact, now, before, "eur")
        change = Change(last, to_minor(exact), cause, bool(rows), False, former)
        rows.append(
            LedgerRow(
                number,
                A,
                at,
                f"record {number}",
                movement(change),
                None if last is None else Money(minor=last, currency="eur"),
                Money(minor=to_minor(exact), currency="eur"),
                None if former is None else Money(minor=former, currency="eur"),
            )
        )
        last = to_minor(exact)
        states.append((own, beside, last))
    entries = list(entries_of(rows, UTC))
    assert sum(entry.amount for entry in entries) == last
    fx = {e.sequence: e.amount for e in entries if e.kind == "fx"}
    for number, (was, now) in enumerate(pairwise(states), 2):
        # What the rates moved: what is held now, at the rates of now and of before.
        stays = {code: minor for code, minor in now[0].items() if was[0][code] or code == "eur"}
        moved = total(stays, now[1]) - total(stays, was[1])
        assert abs(fx.get(number, 0) - moved) <= 1
        if was[0] == now[0]:
            assert {e.kind for e in entries if e.sequence == number} <= {"fx"}
    month = month_period(at.date(), UTC)
    assert sum(one.closing - one.opening for one in movements(entries, month)) == sum(
        entry.amount for entry in entries if month.start <= entry.booked_at < month.end
    )


def total(own: dict[str, Fraction], beside: Conversion) -> Fraction:
    parts = [beside.converted(minor, code) for code, minor in own.items()]
    return sum((part for part in parts if part is not None), Fraction(0))
