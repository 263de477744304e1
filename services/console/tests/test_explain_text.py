"""What `mrr explain` prints for people, and the policies side by side."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from console.explain.amounts import amount, decimal_text
from console.explain.sheet import Line, laid_out

Folder = Callable[..., Path]
NOON = ("--at", "2026-01-10T12:00:00Z")


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (Fraction(25000, 3), "usd", "83.333333… USD"),
        (Fraction(123456789), "usd", "1,234,567.89 USD"),
        (Fraction(-14280), "eur", "-142.80 EUR"),
        (Fraction(1, 2), "usd", "0.005 USD"),
        (Fraction(10000), "jpy", "10,000 JPY"),
        (Fraction(1, 3), "jpy", "0.3333… JPY"),
        (Fraction(10000), "kwd", "10.000 KWD"),
        (Fraction(0), "usd", "0.00 USD"),
    ],
)
def test_an_amount_is_exact_or_says_that_it_is_cut(
    minor: Fraction, currency: str, text: str
) -> None:
    assert amount(minor, currency) == text


def test_a_factor_is_cut_after_some_places() -> None:
    assert decimal_text(Fraction(13, 3), places=4) == "4.3333…"
    assert decimal_text(Fraction(1085, 1000)) == "1.085"
    assert decimal_text(Fraction(-3)) == "-3"


def test_amounts_end_in_one_column() -> None:
    rows = laid_out([Line("a", "x", "1,000.00 USD"), Line("bb", "", "-1.00", "some.rule")])
    assert rows == ["a   x  1,000.00 USD", "bb        -1.00      [some.rule]"]


def test_strangers_text_carries_no_control_codes(command: Any, folder: Folder, stripe: Any) -> None:
    item = stripe.item(stripe.price(lookup_key="gold\x1b[31m"))
    shown = command("mrr", "explain", folder(stripe.subscription(item)), *NOON).out
    assert "\x1b" not in shown
    assert "gold\\x1b[31m" in shown


def test_a_volume_tier_holds_every_unit(command: Any, folder: Folder, stripe: Any) -> None:
    price = stripe.price(None, billing_scheme="tiered", tiers_mode="volume") | {
        "tiers": [
            {"up_to": 10, "unit_amount": 1000, "unit_amount_decimal": "1000"},
            {"up_to": None, "unit_amount": 800, "unit_amount_decimal": "800"},
        ]
    }
    place = folder(stripe.subscription(stripe.item(price, 15)))
    shown = command("mrr", "explain", place, *NOON).out
    assert "units 1 and up: 15 x 8.00 = 120.00" in shown


def test_a_subscription_that_counts_zero_says_why(
    command: Any, folder: Folder, stripe: Any
) -> None:
    place = folder(stripe.subscription(status="trialing"))
    shown = command("mrr", "explain", place, *NOON).out
    assert "subscription sub_1, trialing: zero, in its trial  [subscription.trialing]" in shown


def test_an_error_is_told_with_its_place(command: Any, folder: Folder) -> None:
    found = command("mrr", "explain", folder("{}"), *NOON)
    assert found.code == 1
    assert "no_object_key" in found.out
    assert "00.json" in found.out


def test_kinds_that_are_not_looked_at_are_named(command: Any, folder: Folder, stripe: Any) -> None:
    place = folder(stripe.subscription(), {"object": "balance"})
    assert "not looked at: balance" in command("mrr", "explain", place, *NOON).out


def test_a_list_that_goes_on_is_noted(command: Any, folder: Folder, stripe: Any) -> None:
    place = folder(stripe.list(stripe.subscription(), has_more=True))
    assert "the list goes on (has_more)" in command("mrr", "explain", place, *NOON).out


def compared(explain: Any, *objects: Any) -> Any:
    return explain(*objects, options=["--compare"]).only["compare"]


def test_the_rule_behind_a_difference_is_named(explain: Any, stripe: Any) -> None:
    once = stripe.subscription(discounts=[stripe.discount(stripe.coupon(duration="once"))])
    found = compared(explain, once)
    assert list(found) == ["plumbline", "stripe_default", "chartmogul", "baremetrics", "profitwell"]
    assert {name: one["minor"] for name, one in found.items()} == {
        "plumbline": 10000,
        "stripe_default": 10000,
        "chartmogul": 5000,
        "baremetrics": 5000,
        "profitwell": 5000,
    }
    assert found["plumbline"]["because"] == []
    assert found["chartmogul"]["because"] == [
        {
            "switch": "once",
            "value": "counted",
            "instead_of": "zero",
            "moved": -5000,
            "rules": ["discount.once", "discount.percent"],
        }
    ]


def test_a_subscription_that_leaves_the_sum_names_its_own_rule_alone(
    explain: Any, stripe: Any
) -> None:
    found = compared(explain, stripe.subscription(cancel_at_period_end=True))
    (reason,) = found["stripe_default"]["because"]
    assert reason["rules"] == ["subscription.planned_cancellation"]
    assert reason["moved"] == -10000


def test_an_account_that_cannot_be_read_has_nothing_to_compare(explain: Any) -> None:
    assert compared(explain, "{") == {}
