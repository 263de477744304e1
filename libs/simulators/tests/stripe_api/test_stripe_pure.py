"""Calendar, money and form rules of the Stripe simulator, without a server."""

from datetime import UTC, datetime

import pytest
from plumbline_simulators.stripe.errors import StripeError
from plumbline_simulators.stripe.forms import decode_form
from plumbline_simulators.stripe.ids import IdFactory
from plumbline_simulators.stripe.periods import period_at
from plumbline_simulators.stripe.pricing import amount_of, prorated
from plumbline_simulators.stripe.render import changed


def at(*parts):
    return int(datetime(*parts, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("interval", "count", "instant", "expected"),
    [
        ("month", 1, at(2026, 2, 10), (at(2026, 1, 31), at(2026, 2, 28))),
        ("month", 1, at(2026, 2, 28), (at(2026, 2, 28), at(2026, 3, 31))),
        ("month", 3, at(2026, 1, 31), (at(2026, 1, 31), at(2026, 4, 30))),
        ("year", 1, at(2028, 6, 1), (at(2028, 1, 31), at(2029, 1, 31))),
        ("week", 2, at(2026, 2, 20), (at(2026, 2, 14), at(2026, 2, 28))),
        ("day", 30, at(2026, 1, 30), (at(2026, 1, 1), at(2026, 1, 31))),
    ],
)
def test_periods_hold_the_instant_and_come_back_to_the_anchors_day(
    interval, count, instant, expected
):
    assert period_at(at(2026, 1, 31), interval, count, instant) == expected


def test_a_leap_days_anchor_returns_in_the_next_leap_year():
    assert period_at(at(2028, 2, 29), "year", 1, at(2029, 3, 1)) == (
        at(2029, 2, 28),
        at(2030, 2, 28),
    )
    assert period_at(at(2028, 2, 29), "year", 4, at(2032, 3, 1))[0] == at(2032, 2, 29)


TIERS = [
    {"up_to": 10, "unit_amount_decimal": "1000", "flat_amount": None},
    {"up_to": None, "unit_amount_decimal": "800", "flat_amount": None},
]
FLAT = [
    {"up_to": 10, "unit_amount_decimal": None, "flat_amount": 5000},
    {"up_to": None, "unit_amount_decimal": "400", "flat_amount": None},
]


@pytest.mark.parametrize(
    ("price", "quantity", "cost"),
    [
        ({"unit_amount_decimal": "4900"}, 3, 14_700),
        ({"unit_amount_decimal": "0.5"}, 3, 2),
        ({"unit_amount_decimal": "0.5"}, 10_000, 5_000),
        ({"billing_scheme": "tiered", "tiers_mode": "graduated", "tiers": TIERS}, 15, 14_000),
        ({"billing_scheme": "tiered", "tiers_mode": "volume", "tiers": TIERS}, 15, 12_000),
        ({"billing_scheme": "tiered", "tiers_mode": "graduated", "tiers": FLAT}, 15, 7_000),
        ({"billing_scheme": "tiered", "tiers_mode": "volume", "tiers": FLAT}, 15, 6_000),
        (
            {
                "unit_amount_decimal": "1000",
                "transform_quantity": {"divide_by": 10, "round": "up"},
            },
            15,
            2_000,
        ),
        ({"unit_amount_decimal": "1000", "recurring": {"usage_type": "metered"}}, 9, 0),
    ],
)
def test_what_a_price_costs(price, quantity, cost):
    assert amount_of(price, quantity) == cost


def test_shares_round_half_up():
    assert prorated(1001, 1, 2) == 501


def test_forms_decode_nested_names():
    decoded = decode_form(
        "items[0][price]=a&items[1][price]=b&expand[]=x&expand[]=y"
        "&metadata[a b]=%26&types[1]=second&types[0]=first&empty="
    )
    assert decoded == {
        "items": [{"price": "a"}, {"price": "b"}],
        "expand": ["x", "y"],
        "metadata": {"a b": "&"},
        "types": ["first", "second"],
        "empty": "",
    }


@pytest.mark.parametrize("text", ["a[b=1", "a=1&a[b]=2", "[x]=1", "a" + "[b]" * 20 + "=1"])
def test_forms_that_make_no_sense_are_refused(text):
    with pytest.raises(StripeError) as refused:
        decode_form(text)
    assert refused.value.status == 400


def test_ids_repeat_for_the_same_seed_only():
    first, again, other = IdFactory("a"), IdFactory("a"), IdFactory("b")
    names = [first.next("sub") for _ in range(3)]
    assert names == [again.next("sub") for _ in range(3)]
    assert len({*names, other.next("sub")}) == 4
    assert len(names[0]) == 28


def test_previous_attributes_hold_changed_parts_and_whole_arrays():
    before = {"a": 1, "m": {"x": "1", "y": "2"}, "rows": [1, 2], "gone": 5, "same": {"k": 1}}
    after = {"a": 2, "m": {"x": "1", "z": "3"}, "rows": [1, 3], "gone": None, "same": {"k": 1}}
    assert changed(before, after) == {
        "a": 1,
        "m": {"y": "2", "z": None},
        "rows": [1, 2],
        "gone": 5,
    }
