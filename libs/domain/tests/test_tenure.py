"""Fields beside MRR, plan and health, one by one (billing.md, "Plan, tenure, others")."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from plumbline_domain.account import fold_account
from plumbline_domain.facts import card_facts, credited, refunded
from plumbline_domain.rates import Rates
from plumbline_domain.sighting import Catalogue, Seen
from plumbline_schemas.billing import BillingCustomer, Charge, CreditNote, PaymentMethod
from plumbline_schemas.money import Money

RATES = Rates.of({date(2026, 6, 1): {"USD": Decimal("1.25")}})


def value(make: Any, name: str, *members: Any, **facts: Any) -> Any:
    return fold(make, *members, **facts).values[name].value


def fold(make: Any, *members: Any, **facts: Any) -> Any:
    plain = {"currency": "eur", "at": make.at, **facts}
    return fold_account(members, Catalogue({}, {}), **plain)


def sub(make: Any, vendor_id: str = "sub_1", period_end: Any = None, **changes: Any) -> Any:
    names = {
        name: changes.pop(name)
        for name in ("interval", "count", "unit_amount", "discounts", "currency")
        if name in changes
    }
    item = make.item(f"si_{vendor_id}", lookup_key="plan", **names)
    item["current_period_end"] = period_end
    currency = names.get("currency", "eur")
    return make.subscription(vendor_id, items=[item], **{"currency": currency, **changes})


def beside(make: Any, vendor_id: str, facts: Any) -> Any:
    return Seen(f"acme/stripe/x/{vendor_id}", facts, make.sighting(vendor_id))


def card(make: Any, vendor_id: str, month: int, year: int, **changes: Any) -> Any:
    body = PaymentMethod(type="card", exp_month=month, exp_year=year, **changes)
    return beside(make, vendor_id, card_facts(body))


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["active", "past_due", "unpaid"], "unpaid"),
        (["active", "past_due"], "past_due"),
        (["active", "incomplete"], "incomplete"),
        (["paused", "active"], "paused"),
        (["trialing", "active"], "active"),
        (["canceled", "trialing"], "trialing"),
        (["canceled"], "canceled"),
        (["incomplete_expired"], "incomplete_expired"),
        (["unheard_of"], None),
        ([], None),
    ],
)
def test_subscription_status(make: Any, statuses: list[str], expected: str | None) -> None:
    found = [sub(make, f"sub_{n}", status=status) for n, status in enumerate(statuses)]
    member = make.customer(subscriptions=tuple(found))
    assert value(make, "subscription_status", member) == expected


def test_subscription_status_of_the_one_that_ended_last(make: Any) -> None:
    early = sub(make, "sub_1", status="canceled", ended_at=make.day(-9))
    late = sub(make, "sub_2", status="incomplete_expired", ended_at=make.day(-2))
    member = make.customer(subscriptions=(early, late))
    assert value(make, "subscription_status", member) == "incomplete_expired"


def test_next_renewal_is_the_earliest_period_end_of_live_subscriptions(make: Any) -> None:
    found = (
        sub(make, "sub_1", make.day(20)),
        sub(make, "sub_2", make.day(9)),
        sub(make, "sub_3", make.day(2), status="canceled"),
        sub(make, "sub_4", make.day(1), start_date=make.day(1)),
    )
    folded = fold(make, make.customer(subscriptions=found))
    assert folded.values["next_renewal_at"].value == "2026-06-24T12:00:00Z"
    assert folded.values["next_renewal_at"].by.vendor_id == "sub_2"
    assert value(make, "next_renewal_at", make.customer()) is None


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ([("month", 1)], "month"),
        ([("year", 1), ("year", 1)], "year"),
        ([("month", 3)], "3 months"),
        ([("month", 1), ("year", 1)], "mixed"),
        ([], None),
    ],
)
def test_billing_interval(make: Any, prices: list[tuple[str, int]], expected: str | None) -> None:
    found = [
        sub(make, f"sub_{n}", interval=interval, count=count)
        for n, (interval, count) in enumerate(prices)
    ]
    gone = sub(make, "sub_9", interval="week", status="canceled")
    assert value(make, "billing_interval", make.customer(subscriptions=(*found, gone))) == expected


def coupon(discount_id: str, **changes: Any) -> dict[str, Any]:
    end = changes.pop("end", None)
    terms = {"coupon_id": f"co_{discount_id}", "duration": "forever", "applies_to": (), **changes}
    return {"discount_id": discount_id, "coupon": terms["coupon_id"], "coupon_object": terms,
            "end": end}  # fmt: skip


def test_discounts_in_effect_in_words(make: Any) -> None:
    objects = [
        coupon("di_1", percent_off=Decimal("20.00")),
        coupon("di_2", amount_off=Decimal(1000), currency="eur", duration="repeating",
               end=datetime(2026, 12, 31, 9, tzinfo=UTC)),
        coupon("di_3", percent_off=Decimal(50), end=make.day(-1)),
        coupon("di_4", percent_off=Decimal(90), duration="once"),
    ]  # fmt: skip
    ids = tuple(one["discount_id"] for one in objects)
    seen = make.subscription(
        items=[make.item(lookup_key="plan")], discounts=ids, discount_objects=objects
    )
    member = make.customer(subscriptions=(seen,))
    words = "10.00 EUR off until 2026-12-31; 20 % off forever"
    assert value(make, "discount", member) == words
    assert value(make, "discount", make.customer()) is None


def test_a_discount_of_the_customer_counts_where_the_subscription_has_none(make: Any) -> None:
    body = BillingCustomer.model_validate(
        {"discounts": ["di_9"], "discount_objects": [coupon("di_9", percent_off=Decimal("12.5"))]}
    )
    member = make.customer(subscriptions=(sub(make),), body=body)
    assert value(make, "discount", member) == "12.5 % off forever"


def test_an_unknown_discount_keeps_the_field(make: Any) -> None:
    seen = make.subscription(items=[make.item(lookup_key="plan")], discounts=("di_1",))
    assert fold(make, make.customer(subscriptions=(seen,))).values["discount"].keep


def test_failed_payments_are_attempts_on_open_invoices(make: Any) -> None:
    invoices = (
        make.invoice("in_1", status="open", attempt_count=3),
        make.invoice("in_2", status="open", attempt_count=1, subscription=None),
        make.invoice("in_3", status="paid", attempt_count=4),
        make.invoice("in_4", status="void", attempt_count=4),
    )
    assert value(make, "failed_payment_count", make.customer(invoices=invoices)) == 4
    assert value(make, "failed_payment_count", make.customer()) == 0


def test_last_payment_and_days_to_the_first(make: Any) -> None:
    invoices = (
        make.invoice("in_1", paid_at=make.day(-90.5)),
        make.invoice("in_2", paid_at=make.day(-3)),
        make.invoice("in_3", paid_at=make.day(-1), amount_paid=0),
        make.invoice("in_4", paid_at=make.day(-99), status="void"),
    )
    member = make.customer(subscriptions=(sub(make),), invoices=invoices)
    assert value(make, "last_payment_at", member) == "2026-06-12T12:00:00Z"
    assert value(make, "days_to_first_payment", member) == 9
    body = BillingCustomer(created=make.day(-111))
    made = make.customer(subscriptions=(sub(make),), invoices=invoices, body=body)
    assert value(make, "days_to_first_payment", made) == 20
    assert value(make, "days_to_first_payment", make.customer(subscriptions=(sub(make),))) is None


def test_ltv_is_paid_less_refunds_and_other_credit_after_payment(make: Any) -> None:
    invoices = (
        make.invoice("in_1", amount_paid=10000),
        make.invoice("in_2", amount_paid=5000, currency="usd"),
        make.invoice("in_3", amount_paid=700, status="open"),
    )
    given = (
        beside(make, "ch_1", refunded(Charge(currency="eur", amount_refunded=2500))),
        beside(
            make,
            "cn_1",
            credited(CreditNote(currency="eur", amount=400, post_payment_amount=400,
                                refunds=("re_1",), refunded_amount=100)),
        ),
    )  # fmt: skip
    member = make.customer(invoices=invoices, beside=given)
    assert value(make, "ltv", member, rates=RATES) == Money(minor=11200, currency="eur")
    unknown = fold(make, member)
    assert unknown.values["ltv"].keep
    assert "rate:USD" in unknown.incomplete
    assert value(make, "ltv", make.customer()) == Money(minor=0, currency="eur")


def test_the_next_day_of_rates_moves_ltv_by_itself(make: Any) -> None:
    days = {date(2026, 6, 1): {"USD": Decimal("1.25")}, date(2027, 1, 1): {"USD": Decimal(2)}}
    rates = Rates.of(days)
    paid = make.invoice("in_1", amount_paid=5000, currency="usd")
    folded = fold(make, make.customer(invoices=(paid,)), rates=rates)
    assert folded.due_at == datetime(2027, 1, 1, tzinfo=UTC)
    assert folded.values["ltv"].value == Money(minor=4000, currency="eur")
    own = make.invoice("in_1", amount_paid=5000, currency="eur")
    assert fold(make, make.customer(invoices=(own,)), rates=rates).due_at is None


@pytest.mark.parametrize(
    ("note", "left"),
    [
        ({"amount": 500, "pre_payment_amount": 500, "post_payment_amount": 0}, None),
        ({"amount": 500, "post_payment_amount": 300, "refunded_amount": 0}, 300),
        ({"amount": 500, "post_payment_amount": 500, "refunds": ("re_1",)}, None),
        ({"amount": 500, "refunds": ("re_1",), "refunded_amount": 200}, 300),
        ({"amount": 500, "post_payment_amount": 500, "status": "void"}, None),
        ({"amount": 500}, None),
    ],
)
def test_what_a_credit_note_takes(note: dict[str, Any], left: int | None) -> None:
    found = credited(CreditNote(currency="eur", **note))
    assert (None if found is None else found.minor) == left
    assert refunded(Charge(currency="eur", amount=500)) is None


def test_a_refund_of_money_that_no_invoice_brought_takes_nothing() -> None:
    plain = Charge(currency="eur", amount_refunded=500, invoiced=False)
    assert refunded(plain) is None
    for said in (True, None):
        found = refunded(plain.model_copy(update={"invoiced": said}))
        assert found is not None
        assert found.minor == 500


@pytest.mark.parametrize(
    ("month", "year", "expected"),
    [
        (12, 2026, datetime(2027, 1, 1, tzinfo=UTC)),
        (2, 2028, datetime(2028, 3, 1, tzinfo=UTC)),
        (13, 2026, None),
        (None, None, None),
    ],
)
def test_a_card_ends_with_its_month(
    month: int | None, year: int | None, expected: datetime | None
) -> None:
    found = card_facts(PaymentMethod(exp_month=month, exp_year=year))
    assert (None if found is None else found.expires_at) == expected


def test_the_card_that_is_charged_by_default(make: Any) -> None:
    cards = (
        card(make, "pm_1", 8, 2027, created=make.day(-9)),
        card(make, "pm_2", 7, 2026, created=make.day(-20)),
        card(make, "pm_3", 9, 2028, created=make.day(-1)),
    )
    ask = "payment_method_expires_at"
    own = sub(make, default_payment_method="pm_1")
    member = make.customer(subscriptions=(own,), beside=cards)
    assert value(make, ask, member) == "2027-09-01T00:00:00Z"
    body = BillingCustomer(default_payment_method="pm_2")
    both = make.customer(subscriptions=(own, sub(make, "sub_2")), beside=cards, body=body)
    assert value(make, ask, both) == "2026-08-01T00:00:00Z"
    newest = make.customer(subscriptions=(sub(make),), beside=cards)
    assert value(make, ask, newest) == "2028-10-01T00:00:00Z"
    debit = make.customer(
        subscriptions=(sub(make, default_payment_method="pm_sepa"),), beside=cards
    )
    assert value(make, ask, debit) is None


def test_planned_cancellations(make: Any) -> None:
    found = (
        sub(make, "sub_1", make.day(12), cancel_at_period_end=True),
        sub(make, "sub_2", cancel_at=make.day(200), unit_amount="2500"),
        sub(make, "sub_3", unit_amount="700"),
        sub(make, "sub_4", status="canceled", cancel_at=make.day(-3)),
    )
    folded = fold(make, make.customer(subscriptions=found))
    assert folded.values["mrr_ending"].value == Money(minor=12500, currency="eur")
    assert folded.values["planned_cancellation_at"].value == "2026-06-27T12:00:00Z"
    assert folded.values["planned_cancellation_at"].by.vendor_id == "sub_1"
    none = fold(make, make.customer(subscriptions=(sub(make),)))
    assert none.values["mrr_ending"].value == Money(minor=0, currency="eur")
    assert none.values["planned_cancellation_at"].value is None


def test_a_deleted_customer_keeps_what_it_paid_and_nothing_else(make: Any) -> None:
    gone = make.customer(
        subscriptions=(sub(make, period_end=make.day(3), cancel_at=make.day(3)),),
        invoices=(make.invoice(), make.invoice("in_2", status="open", attempt_count=2)),
        beside=(card(make, "pm_1", 8, 2027),),
        deletion=make.sighting("cus_1"),
    )
    folded = fold(make, gone)
    kept = {name: one.value for name, one in folded.values.items()}
    assert (kept["ltv"], kept["failed_payment_count"]) == (Money(minor=10000, currency="eur"), 0)
    assert kept["last_payment_at"] is not None
    blank = ("next_renewal_at", "billing_interval", "payment_method_expires_at",
             "planned_cancellation_at")  # fmt: skip
    assert [kept[name] for name in blank] == [None] * 4
    assert (kept["mrr_ending"].minor, kept["subscription_status"]) == (0, "canceled")
    assert folded.near == {}
