"""Payments made and missed, lifetime value, cards (billing.md, plan and others)."""

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from plumbline_domain.lifetime import (
    days_to_first_payment,
    expires_at,
    failed_payment_count,
    last_payment_at,
    lifetime_value,
    payment_method_expires_at,
)
from plumbline_domain.rates import NO_RATES, Rates
from plumbline_schemas.billing import BillingCustomer, Charge, CreditNote, PaymentMethod


def bodies(*seen: Any) -> list[Any]:
    return [one.body for one in seen]


def test_failed_payments_are_attempts_on_open_invoices(make: Any) -> None:
    found = bodies(
        make.invoice("in_1", status="open", attempt_count=3),
        make.invoice("in_2", status="open", attempt_count=1),
        make.invoice("in_3", status="paid", attempt_count=5),
        make.invoice("in_4", status="void", attempt_count=2),
    )
    assert failed_payment_count(found) == 4
    assert failed_payment_count([]) == 0


def test_the_last_payment_is_of_an_invoice_above_zero(make: Any) -> None:
    found = bodies(
        make.invoice("in_1", paid_at=make.day(-40)),
        make.invoice("in_2", paid_at=make.day(-9)),
        make.invoice("in_3", paid_at=make.day(-1), amount_paid=0),
        make.invoice("in_4", status="open", finalized_at=make.day(0)),
    )
    assert last_payment_at(found) == make.day(-9)
    assert last_payment_at(found[2:]) is None


def test_days_to_the_first_payment(make: Any) -> None:
    paid = bodies(make.invoice("in_1", paid_at=make.day(-3)), make.invoice("in_2"))
    made = BillingCustomer(created=make.day(-40.5))
    assert days_to_first_payment(made, [], paid) == 30
    started = bodies(make.subscription(start_date=make.day(-12)))
    assert days_to_first_payment(None, started, paid) == 2
    later = BillingCustomer(created=make.day(-1))
    assert days_to_first_payment(later, started, paid) == 0
    assert days_to_first_payment(made, [], []) is None
    assert days_to_first_payment(None, [], paid) is None


def value(invoices: Any, charges: Any = (), notes: Any = (), rates: Rates = NO_RATES) -> Any:
    return lifetime_value(invoices, charges, notes, currency="eur", rates=rates)


def test_lifetime_value_is_paid_less_refunded_and_credited(make: Any) -> None:
    found = bodies(
        make.invoice("in_1", amount_paid=10_000, currency="eur"),
        make.invoice("in_2", amount_paid=5_000, currency="eur"),
        make.invoice("in_3", amount_paid=0, status="open", currency="eur"),
    )
    charge = Charge(currency="eur", amount=10_000, amount_refunded=1_500, created=make.day(-9))
    credited = CreditNote(currency="eur", amount=700, post_payment_amount=700, status="issued")
    assert value(found, [charge], [credited]).amount == 15_000 - 1_500 - 700


@pytest.mark.parametrize(
    ("note", "taken"),
    [
        ({"amount": 700, "post_payment_amount": 700, "refunded_amount": 700}, 0),
        ({"amount": 700, "post_payment_amount": 700, "refunded_amount": 200}, 500),
        ({"amount": 700, "post_payment_amount": 700, "refunds": ["re_1"]}, 0),
        ({"amount": 700, "pre_payment_amount": 700, "post_payment_amount": 0}, 0),
        ({"amount": 700, "pre_payment_amount": 300}, 400),
        ({"amount": 700, "post_payment_amount": 700, "status": "void"}, 0),
        ({"amount": 700}, 700),
    ],
)
def test_a_credit_note_takes_what_was_not_refunded(note: dict[str, Any], taken: int) -> None:
    found = value((), (), [CreditNote(currency="eur", **note)])
    assert found.amount == -taken


def test_lifetime_value_in_the_rates_of_the_days_of_payment(make: Any) -> None:
    rates = Rates.of({date(2026, 1, 1): {"USD": Decimal("1.25"), "JPY": Decimal(160)}})
    paid = make.day(-10)
    found = bodies(
        make.invoice("in_1", amount_paid=12_500, currency="usd", paid_at=paid),
        make.invoice("in_2", amount_paid=16_000, currency="jpy", paid_at=paid),
    )
    assert value(found, rates=rates).amount == Fraction(20_000)
    missing = value(found)
    assert (missing.amount, missing.missing) == (0, ("rate:JPY", "rate:USD"))


@pytest.mark.parametrize(
    ("year", "month", "expected"),
    [
        (2026, 6, datetime(2026, 7, 1, tzinfo=UTC)),
        (2026, 12, datetime(2027, 1, 1, tzinfo=UTC)),
        (None, None, None),
        (2026, 13, None),
    ],
)
def test_a_card_is_good_through_its_month(
    year: int | None, month: int | None, expected: datetime | None
) -> None:
    assert expires_at(PaymentMethod(exp_year=year, exp_month=month)) == expected


def test_the_first_card_to_expire_of_those_that_are_charged(make: Any) -> None:
    methods = {
        "pm_1": PaymentMethod(type="card", exp_year=2027, exp_month=1),
        "pm_2": PaymentMethod(type="card", exp_year=2026, exp_month=8),
        "pm_3": PaymentMethod(type="card", exp_year=2026, exp_month=1),
        "pm_4": PaymentMethod(type="sepa_debit"),
    }
    customer = BillingCustomer(default_payment_method="pm_1")
    own = make.subscription("sub_1", default_payment_method="pm_2").body
    customers = make.subscription("sub_2").body
    over = make.subscription("sub_3", status="canceled", default_payment_method="pm_3").body
    debit = make.subscription("sub_4", default_payment_method="pm_4").body

    def first(*subscriptions: Any) -> datetime | None:
        return payment_method_expires_at([customer], subscriptions, methods, at=make.at)

    assert first(customers) == datetime(2027, 2, 1, tzinfo=UTC)
    assert first(own, customers, over, debit) == datetime(2026, 9, 1, tzinfo=UTC)
    assert first(over) is None
    assert first(debit) is None
