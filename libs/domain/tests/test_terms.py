"""Status, renewals, planned ends, intervals, discounts in words (billing.md, plan and others)."""

from fractions import Fraction
from typing import Any

import pytest
from plumbline_domain.discount_words import discount_field, discounts_of
from plumbline_domain.policies import POLICIES
from plumbline_domain.reckoning import Beside
from plumbline_domain.terms import (
    WORST_FIRST,
    billing_interval,
    mrr_ending,
    next_renewal_at,
    planned_cancellation_at,
    set_to_end,
    subscription_status,
)
from plumbline_schemas.billing import BillingCustomer


def test_the_worst_status_of_the_live_ones(make: Any) -> None:
    seen = [make.subscription(f"sub_{n}", status=s) for n, s in enumerate(reversed(WORST_FIRST))]
    living = [one for one in seen if one.body.status != "canceled"]
    for worst in WORST_FIRST[:-1]:
        assert subscription_status(seen, at=make.at)[0] == worst
        living = [one for one in living if one.body.status != worst]
        seen = [one for one in seen if one.body.status != worst]
    assert subscription_status(seen, at=make.at)[0] == "canceled"


def test_the_status_of_the_one_that_ended_last(make: Any) -> None:
    ended = [
        make.subscription("sub_1", status="canceled", ended_at=make.day(-9)),
        make.subscription("sub_2", status="incomplete_expired", ended_at=make.day(-2)),
    ]
    status, by = subscription_status(ended, at=make.at)
    assert (status, by.id if by else None) == ("incomplete_expired", "sub_2")
    ahead = [make.subscription(start_date=make.day(2))]
    assert subscription_status(ahead, at=make.at) == (None, None)


def periods(make: Any, *ends: float) -> list[dict[str, Any]]:
    return [
        make.item(f"si_{n}") | {"current_period_end": make.day(end)} for n, end in enumerate(ends)
    ]


def test_the_next_renewal_is_the_earliest_period_end_of_live_items(make: Any) -> None:
    seen = [
        make.subscription("sub_1", items=periods(make, 20, 12)),
        make.subscription("sub_2", items=periods(make, 15)),
        make.subscription("sub_3", status="canceled", items=periods(make, 1)),
        make.subscription("sub_4", start_date=make.day(1), items=periods(make, 2)),
    ]
    assert next_renewal_at(seen, at=make.at) == make.day(12)
    assert next_renewal_at(seen[2:], at=make.at) is None


def test_planned_ends_and_what_they_take(make: Any) -> None:
    seen = [
        make.subscription("sub_1", items=periods(make, 20)),
        make.subscription("sub_2", items=periods(make, 9, 30), cancel_at_period_end=True),
        make.subscription("sub_3", cancel_at=make.day(200)),
        make.subscription("sub_4", cancel_at=make.day(5), status="canceled"),
    ]
    assert planned_cancellation_at(seen, at=make.at) == make.day(30)
    assert planned_cancellation_at(seen[2:], at=make.at) == make.day(200)
    assert planned_cancellation_at(seen[:1], at=make.at) is None
    assert [set_to_end(one.body, at=make.at) for one in seen] == [False, True, True, False]
    third = Fraction(100, 3)
    parts = {"sub_1": Fraction(500), "sub_2": third, "sub_3": third, "sub_4": Fraction(7)}
    assert mrr_ending(seen, parts, at=make.at) == Fraction(200, 3)


@pytest.mark.parametrize(
    ("priced", "expected"),
    [
        ({}, "month"),
        ({"count": 3}, "3 months"),
        ({"interval": "year"}, "year"),
        ({"interval": "week", "count": 2}, "2 weeks"),
        ({"recurring": None}, None),
    ],
)
def test_the_interval_of_the_plan(make: Any, priced: dict[str, Any], expected: str | None) -> None:
    later = make.subscription("sub_2", start_date=make.day(-1), items=[make.item(interval="day")])
    seen = [later, make.subscription(items=[make.item(**priced)])]
    assert billing_interval(seen, at=make.at) == expected


def test_the_interval_of_the_one_that_ended_last(make: Any) -> None:
    seen = [
        make.subscription("sub_1", status="canceled", ended_at=make.day(-9)),
        make.subscription(
            "sub_2", status="canceled", ended_at=make.day(-2), items=[make.item(interval="year")]
        ),
    ]
    assert billing_interval(seen, at=make.at) == "year"
    assert billing_interval([], at=make.at) is None


def discount(vendor_id: str, end: Any = None, **terms: Any) -> dict[str, Any]:
    coupon = {"coupon_id": f"co_{vendor_id}", "duration": "forever", "applies_to": [], **terms}
    return {
        "discount_id": vendor_id,
        "coupon": coupon["coupon_id"],
        "coupon_object": coupon,
        "end": end,
    }


def test_discounts_in_words(make: Any) -> None:
    own = discount("di_1", make.day(10), percent_off="12.50", name="Launch", duration="repeating")
    items = discount("di_2", amount_off="1000", currency="eur")
    ended = discount("di_3", make.day(-1), percent_off="90")
    once = discount("di_4", percent_off="5", duration="once")
    seen = make.subscription(
        items=[make.item(discounts=["di_2"]) | {"discount_objects": [items]}],
        discounts=["di_1", "di_3", "di_4", "di_unknown"],
        discount_objects=[own, ended, once],
    )
    customer = BillingCustomer.model_validate(
        {"discounts": ["di_5"], "discount_objects": [discount("di_5", percent_off="30")]}
    )
    beside = Beside("eur", make.at, customer=customer)
    words = discounts_of(seen.id, seen.body, beside)
    assert words == ["co_di_2: 10 EUR off", "Launch: 12.5 % off until 2026-06-25"]
    plain = make.subscription("sub_2")
    of_customer = discounts_of(plain.id, plain.body, beside)
    assert of_customer == ["co_di_5: 30 % off"]
    assert discount_field([words, of_customer, words]) == (
        "Launch: 12.5 % off until 2026-06-25; co_di_2: 10 EUR off; co_di_5: 30 % off"
    )
    assert discount_field([[], []]) is None
    while_attached = Beside("eur", make.at, policy=POLICIES["chartmogul"])
    assert "co_di_4: 5 % off" in discounts_of(seen.id, seen.body, while_attached)
    over = make.subscription(status="canceled", discounts=["di_1"], discount_objects=[own])
    assert discounts_of(over.id, over.body, beside) == []
