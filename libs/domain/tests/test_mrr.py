"""MRR, row by row of billing.md (policy plumbline), and what makes it incomplete."""

from datetime import datetime
from fractions import Fraction
from typing import Any

import pytest
from plumbline_domain.account import fold_account
from plumbline_domain.money import exponent, major_units, to_minor
from plumbline_domain.mrr import subscription_mrr
from plumbline_domain.reckoning import Beside
from plumbline_domain.sighting import Catalogue
from plumbline_domain.working import BillingError
from plumbline_schemas.money import Money

NO_CATALOGUE = Catalogue({}, {})


def contribution(make: Any, **changes: Any):
    seen = make.subscription(**changes)
    return subscription_mrr(seen.id, seen.body, Beside("eur", make.at))


@pytest.mark.parametrize(
    ("row", "priced", "expected"),
    [
        (1, {}, 10000),
        (2, {"interval": "year", "unit_amount": "120000"}, 10000),
        (3, {"count": 3, "unit_amount": "30000"}, 10000),
        (4, {"count": 6, "unit_amount": "60000"}, 10000),
        (5, {"interval": "year", "count": 2, "unit_amount": "240000"}, 10000),
        (5, {"interval": "year", "count": 3, "unit_amount": "360000"}, 10000),
        (6, {"interval": "week", "unit_amount": "1000"}, 4333),
        (7, {"interval": "week", "count": 2, "unit_amount": "5000"}, 10833),
        (8, {"interval": "day", "unit_amount": "100"}, 3042),
        (9, {"interval": "day", "count": 28, "unit_amount": "2800"}, 3042),
        (10, {"quantity": 5, "unit_amount": "2000"}, 10000),
        (11, {"quantity": 0}, 0),
        (11, {"unit_amount": "0"}, 0),
        (15, {"usage": "metered", "quantity": None, "unit_amount": None}, 0),
        (21, {"quantity": 10000, "unit_amount": "0.5"}, 5000),
        (53, {"recurring": None}, 0),
        (78, {"interval": "year", "unit_amount": "10000"}, 833),
        (78, {"interval": "year", "unit_amount": "1999"}, 167),
    ],
)
def test_one_item(make: Any, row: int, priced: dict[str, Any], expected: int) -> None:
    found = contribution(make, items=[make.item(**priced)])
    assert found.missing == (), row
    assert to_minor(found.amount) == expected, row


def test_12_two_items(make: Any) -> None:
    items = [make.item("si_1", unit_amount="5000"), make.item("si_2", unit_amount="3000")]
    assert contribution(make, items=items).amount == 8000


def test_13_mixed_intervals(make: Any) -> None:
    yearly = make.item("si_1", interval="year", unit_amount="120000")
    assert contribution(make, items=[yearly, make.item("si_2", unit_amount="2000")]).amount == 12000


def test_14_two_subscriptions_are_summed_exactly_and_rounded_once(make: Any) -> None:
    third = make.item(interval="year", unit_amount="10000")
    subscriptions = tuple(make.subscription(f"sub_{n}", items=[third]) for n in range(3))
    member = make.customer(subscriptions=subscriptions)
    folded = fold_account([member], NO_CATALOGUE, currency="eur", at=make.at)
    assert folded.values["mrr"].value == Money(minor=2500, currency="eur")


def test_16_metered_overage_beside_a_base(make: Any) -> None:
    metered = make.item("si_2", None, usage="metered", unit_amount="60", billing_scheme="tiered")
    assert contribution(make, items=[make.item(), metered]).amount == 10000


@pytest.mark.parametrize(
    ("row", "status", "expected"),
    [
        (38, "trialing", 0),
        (39, "paused", 0),
        (40, "incomplete", 0),
        (40, "incomplete_expired", 0),
        (41, "past_due", 10000),
        (42, "unpaid", 0),
        (43, "canceled", 0),
        (48, "active", 10000),
    ],
)
def test_statuses(make: Any, row: int, status: str, expected: int) -> None:
    # A subscription that doesn't count needs nothing, however little we know of its price.
    unknown = {} if expected else {"billing_scheme": "tiered"}
    found = contribution(make, status=status, items=[make.item(**unknown)])
    assert (found.amount, found.missing) == (expected, ()), row


def test_44_45_planned_cancellation_counts_until_it_ends(make: Any) -> None:
    assert contribution(make, cancel_at_period_end=True).amount == 10000
    assert contribution(make, cancel_at=make.day(30)).amount == 10000


@pytest.mark.parametrize(("resumes", "expected"), [(None, 0), (5, 0), (-1, 10000), (0, 10000)])
def test_47_pause_collection(make: Any, resumes: int | None, expected: int) -> None:
    until: datetime | None = None if resumes is None else make.day(resumes)
    pause = {"behavior": "void", "resumes_at": until}
    assert contribution(make, pause_collection=pause).amount == expected


def test_61_not_started_yet(make: Any) -> None:
    assert contribution(make, start_date=make.day(1)).amount == 0
    assert contribution(make, start_date=make.day(0)).amount == 10000


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"items": [{"billing_scheme": "tiered", "unit_amount": None}]}, "tiers:price_1"),
        ({"items": [{"unit_amount": None}]}, "amount:price_1"),
        ({"items": [{"discounts": ["di_1"]}]}, "discount:di_1"),
        ({"items": [{"currency": "usd"}]}, "currency_option:price_1:EUR"),
        ({"currency": "usd", "items": [{"currency": "usd"}]}, "rate:USD"),
        ({"discounts": ["di_2"]}, "discount:di_2"),
        ({"tax_rates_inclusive": True}, "tax:si_1"),
        ({"automatic_tax": True, "items": [{"tax_behavior": "inclusive"}]}, "tax:si_1"),
        ({"items_truncated": True}, "items:sub_1"),
    ],
)
def test_what_is_missing_is_named(make: Any, changes: dict[str, Any], missing: str) -> None:
    if "items" in changes:
        changes = {**changes, "items": [make.item(**priced) for priced in changes["items"]]}
    found = contribution(make, **changes)
    assert found.missing == (missing,)
    assert found.amount == 0


@pytest.mark.parametrize(
    ("changes", "name", "where"),
    [
        ({"items": [{"transform_quantity": {"divide_by": 10}}]}, "transform_quantity", "price_1"),
        ({"items": [{"unit_amount": "-1"}]}, "negative_amount", "price_1"),
        ({"items": [{"interval": "fortnight"}]}, "unknown_interval", "price_1"),
        ({"items": [{"quantity": -1}]}, "negative_quantity", "si_1"),
        ({"items": []}, "no_items", "sub_1"),
        ({"currency": "xyz"}, "unknown_currency", "sub_1"),
        ({"status": "dormant"}, "unknown_status", "sub_1"),
    ],
)
def test_what_cannot_be_right_is_a_named_error(
    make: Any, changes: dict[str, Any], name: str, where: str
) -> None:
    if "items" in changes:
        changes = {**changes, "items": [make.item(**priced) for priced in changes["items"]]}
    found = contribution(make, **changes)
    assert found.error == BillingError(name, where)
    assert found.amount == 0


def test_nothing_is_missing_for_an_amount_of_zero(make: Any) -> None:
    free = make.item(unit_amount="0", currency="usd", discounts=["di_1"])
    found = contribution(make, currency="usd", items=[free], discounts=["di_2"])
    assert (found.amount, found.missing) == (0, ())


def test_inclusive_without_automatic_tax_is_no_tax(make: Any) -> None:
    items = [make.item(tax_behavior="inclusive")]
    assert contribution(make, items=items, automatic_tax=False).amount == 10000


def test_64_65_exponents() -> None:
    assert [exponent(code) for code in ("jpy", "kwd", "eur", "isk", "ugx", "huf", "twd")] == [
        0,
        3,
        2,
        2,
        2,
        2,
        2,
    ]


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (8333, "eur", "83.33"),
        (8330, "eur", "83.30"),
        (0, "eur", "0"),
        (120000, "eur", "1200"),
        (10000, "jpy", "10000"),
        (10005, "kwd", "10.005"),
        (-5, "eur", "-0.05"),
    ],
)
def test_major_units(minor: int, currency: str, text: str) -> None:
    assert major_units(Money(minor=minor, currency=currency)) == text


def test_rounding_is_half_even() -> None:
    assert [to_minor(Fraction(n, 2)) for n in (1, 3, 5)] == [0, 2, 2]
