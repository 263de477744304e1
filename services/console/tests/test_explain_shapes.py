"""Hand-made folders, one or more for each shape of billing.md that a folder can show.

Values are minor units under policy `plumbline`, at noon of 10 January 2026.
"""

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[[Any], list[dict[str, Any]]]

PAST = 1_767_300_000  # 2026-01-01T20:40:00Z
FUTURE = 1_790_000_000  # 2026-09-21
LATER = 1_780_000_000  # 2026-05-28


def one(amount: int | None = 10000, quantity: int | None = 1, **price: Any) -> Make:
    """A customer with one subscription of one item."""
    return lambda s: [
        s.customer(),
        s.subscription(s.item(s.price(amount, **price), quantity)),
    ]


def subscribed(**keys: Any) -> Make:
    """100.00 a month, with keys of the subscription."""
    return lambda s: [s.customer(), s.subscription(**keys)]


def discounted(terms: dict[str, Any], *, end: int | None = None, **price: Any) -> Make:
    """A subscription with one discount of these terms."""

    def make(s: Any) -> list[dict[str, Any]]:
        amount = price.pop("amount", 10000)
        item = s.item(s.price(amount, **price))
        return [s.subscription(item, discounts=[s.discount(s.coupon(**terms), end=end)])]

    return make


def tiered(mode: str, *tiers: tuple[int | None, int, int | None], quantity: int = 15) -> Make:
    """Tiers (up_to, unit_amount, flat_amount) that only the price beside the subscription has."""

    def make(s: Any) -> list[dict[str, Any]]:
        price = s.price(None, billing_scheme="tiered", tiers_mode=mode)
        told = [
            {
                "up_to": up_to,
                "unit_amount": unit,
                "unit_amount_decimal": str(unit),
                "flat_amount": flat,
                "flat_amount_decimal": None if flat is None else str(flat),
            }
            for up_to, unit, flat in tiers
        ]
        return [s.subscription(s.item(price, quantity)), price | {"tiers": told}]

    return make


PLAIN_TIERS = ((10, 1000, None), (None, 800, None))
FLAT_TIERS = ((10, 0, 5000), (None, 400, None))


def two_items(first: dict[str, Any], second: dict[str, Any], **subscription: Any) -> Make:
    """Two prices of these keys on one subscription."""

    def make(s: Any) -> list[dict[str, Any]]:
        items = [
            s.item(s.price(identity="price_a", **first)),
            s.item(s.price(identity="price_b", **second)),
        ]
        return [s.subscription(*items, **subscription)]

    return make


def two_subscriptions(s: Any) -> list[dict[str, Any]]:
    half = s.item(s.price(5000, identity="price_2"))
    return [s.subscription(), s.subscription(half, id="sub_2")]


def two_customers(s: Any) -> list[dict[str, Any]]:
    second = s.subscription(id="sub_2", customer="cus_2")
    return [s.customer(), s.customer("cus_2"), s.subscription(), second]


def stacked(s: Any) -> list[dict[str, Any]]:
    own = s.discount(s.coupon("ten", percent_off=10), "di_item")
    off = s.discount(s.coupon("less", amount_off=1000, currency="usd"), "di_sub")
    return [s.subscription(s.item(s.price(), discounts=[own]), discounts=[off])]


def limited_to_a_product(s: Any) -> list[dict[str, Any]]:
    coupon = s.coupon(applies_to={"products": ["prod_a"]})
    items = [
        s.item(s.price(identity="price_a", product="prod_a")),
        s.item(s.price(5000, identity="price_b", product="prod_b")),
    ]
    return [s.subscription(*items, discounts=[s.discount(coupon)])]


def of_the_customer(s: Any) -> list[dict[str, Any]]:
    return [s.customer(discount=s.discount(subscription=None)), s.subscription()]


def of_both(s: Any) -> list[dict[str, Any]]:
    less = s.discount(s.coupon("ten", percent_off=10), "di_sub")
    own = s.discount(subscription=None)
    return [s.customer(discount=own), s.subscription(discounts=[less])]


def of_both_one_ended(s: Any) -> list[dict[str, Any]]:
    ended = s.discount(s.coupon("ten", percent_off=10), "di_sub", end=PAST)
    own = s.discount(subscription=None)
    return [s.customer(discount=own), s.subscription(discounts=[ended])]


def discount_beside(s: Any) -> list[dict[str, Any]]:
    return [s.subscription(discounts=["di_1"]), s.discount("half"), s.coupon()]


def discount_in_both_keys(s: Any) -> list[dict[str, Any]]:
    """Up to basil: `discount` with a whole coupon and `discounts` with ids."""
    old = s.discount(coupon=s.coupon())
    old["coupon"] = old.pop("source")["coupon"]
    return [s.subscription(discount=old, discounts=["di_1"])]


def applies_to_beside(s: Any) -> list[dict[str, Any]]:
    embedded = s.coupon()
    del embedded["applies_to"]
    return [s.subscription(discounts=[s.discount(embedded)]), s.coupon()]


def inclusive_tax(s: Any) -> list[dict[str, Any]]:
    item = s.item(s.price(12000), tax_rates=[s.tax_rate()])
    return [s.subscription(item)]


def automatic_tax(s: Any) -> list[dict[str, Any]]:
    item = s.item(s.price(12000, tax_behavior="inclusive"))
    invoice = s.invoice(total=12000, total_excluding_tax=10000, amount_paid=12000)
    return [s.subscription(item, automatic_tax={"enabled": True}), invoice]


def other_option(s: Any) -> list[dict[str, Any]]:
    price = s.price()
    options = {"eur": {"unit_amount": 9000, "unit_amount_decimal": "9000"}}
    return [
        s.subscription(s.item(price), currency="eur"),
        price | {"currency_options": options},
    ]


def legacy_plan(s: Any) -> list[dict[str, Any]]:
    plan = {
        "id": "gold",
        "object": "plan",
        "amount": 120000,
        "amount_decimal": "120000",
        "currency": "usd",
        "interval": "year",
        "interval_count": 1,
        "usage_type": "licensed",
        "product": "prod_1",
    }
    item = s.item(s.price()) | {"plan": plan}
    del item["price"]
    return [s.subscription(item)]


def pending_update(s: Any) -> list[dict[str, Any]]:
    waiting = {"subscription_items": [s.item(s.price(50000, identity="price_new"))]}
    return [s.subscription(pending_update=waiting)]


def item_in_trial(s: Any) -> list[dict[str, Any]]:
    trial = {"start_date": s.start, "end_date": FUTURE}
    return [
        s.subscription(
            s.item(s.price(identity="price_a")),
            s.item(s.price(5000, identity="price_b"), current_trial=trial),
        )
    ]


def thirteen_items(s: Any) -> list[dict[str, Any]]:
    return [s.subscription(*(s.item(s.price(identity=f"price_{n}")) for n in range(13)))]


CASES: dict[str, tuple[Make, int]] = {
    "1 monthly": (one(), 10000),
    "2 annual": (one(120000, interval="year"), 10000),
    "3 every three months": (one(30000, count=3), 10000),
    "4 every six months": (one(60000, count=6), 10000),
    "5 every two years": (one(240000, interval="year", count=2), 10000),
    "6 weekly": (one(1000, interval="week"), 4333),
    "7 every two weeks": (one(5000, interval="week", count=2), 10833),
    "8 daily": (one(100, interval="day"), 3042),
    "9 every 28 days": (one(2800, interval="day", count=28), 3042),
    "10 five seats": (one(2000, 5), 10000),
    "11 no seat": (one(2000, 0), 0),
    "11 for nothing": (one(0), 0),
    "12 two items": (two_items({"amount": 5000}, {"amount": 3000}), 8000),
    "13 mixed intervals": (
        two_items({"amount": 120000, "interval": "year"}, {"amount": 2000}),
        12000,
    ),
    "14 two subscriptions": (two_subscriptions, 15000),
    "15 metered only": (one(60, None, usage_type="metered"), 0),
    "16 base and usage": (two_items({}, {"amount": 60, "usage_type": "metered"}), 10000),
    "17 graduated tiers": (tiered("graduated", *PLAIN_TIERS), 14000),
    "18 volume tiers": (tiered("volume", *PLAIN_TIERS), 12000),
    "19 graduated, flat": (tiered("graduated", *FLAT_TIERS), 7000),
    "19 volume, flat": (tiered("volume", *FLAT_TIERS), 6000),
    "20 blocks, rounded up": (
        one(1000, 15, transform_quantity={"divide_by": 10, "round": "up"}),
        2000,
    ),
    "20 blocks, rounded down": (
        one(1000, 15, transform_quantity={"divide_by": 10, "round": "down"}),
        1000,
    ),
    "21 parts of a cent": (one(None, 10000, unit_amount_decimal="0.5"), 5000),
    "22 half, forever": (discounted({}), 5000),
    "23 ten percent of a year": (
        discounted({"percent_off": 10}, amount=12000, interval="year"),
        900,
    ),
    "25 half, once": (discounted({"duration": "once"}), 10000),
    "26 half, for three months": (
        discounted({"duration": "repeating", "duration_in_months": 3}, end=FUTURE),
        5000,
    ),
    "28 20 off": (discounted({"amount_off": 2000, "currency": "usd"}), 8000),
    "29 120 off a year": (
        discounted({"amount_off": 12000, "currency": "usd"}, amount=120000, interval="year"),
        9000,
    ),
    "31 more off than it costs": (discounted({"amount_off": 20000, "currency": "usd"}), 0),
    "32 all off": (discounted({"percent_off": 100}), 0),
    "33 item before subscription": (stacked, 8000),
    "34 for one product": (limited_to_a_product, 10000),
    "35 the customer's": (of_the_customer, 5000),
    "35 the subscription's blocks it": (of_both, 9000),
    "35 an ended one does not block": (of_both_one_ended, 5000),
    "36 ended": (discounted({}, end=PAST), 10000),
    "37 told beside": (discount_beside, 5000),
    "37 one discount in two keys": (discount_in_both_keys, 5000),
    "37 what the coupon is for, told beside": (applies_to_beside, 5000),
    "38 trial": (subscribed(status="trialing", trial_end=FUTURE), 0),
    "38 an item's own trial": (item_in_trial, 10000),
    "39 paused": (subscribed(status="paused"), 0),
    "40 incomplete": (subscribed(status="incomplete"), 0),
    "41 past due": (subscribed(status="past_due"), 10000),
    "42 unpaid": (subscribed(status="unpaid"), 0),
    "43 canceled": (subscribed(status="canceled", ended_at=PAST), 0),
    "44 to be canceled at the end": (subscribed(cancel_at_period_end=True), 10000),
    "45 to be canceled later": (subscribed(cancel_at=FUTURE), 10000),
    "47 collection paused": (
        subscribed(pause_collection={"behavior": "void", "resumes_at": None}),
        0,
    ),
    "47 collection resumed": (
        subscribed(pause_collection={"behavior": "void", "resumes_at": PAST}),
        10000,
    ),
    "50 tax beside the price": (subscribed(default_tax_rates=[]), 10000),
    "51 tax inside the price": (inclusive_tax, 10000),
    "51 tax worked out by Stripe": (automatic_tax, 10000),
    "53 set-up fee": (one(50000, recurring=None, type="one_time"), 0),
    "61 not started": (subscribed(start_date=LATER), 0),
    "63 an update that waits for payment": (pending_update, 10000),
    "64 yen": (lambda s: [s.subscription(s.item(s.price(currency="jpy")), currency="jpy")], 10000),
    "65 dinars": (
        lambda s: [s.subscription(s.item(s.price(currency="kwd")), currency="kwd")],
        10000,
    ),
    "68 the subscription's currency": (other_option, 9000),
    "74 two customers": (two_customers, 20000),
    "76 thirteen items": (thirteen_items, 130000),
    "77 a plan and no price": (legacy_plan, 10000),
    "78 100 a year": (one(10000, interval="year"), 833),
}


@pytest.mark.parametrize("name", CASES)
def test_a_folder_of_this_shape(explain: Any, stripe: Any, name: str) -> None:
    make, minor = CASES[name]
    found = explain(*make(stripe))
    assert (found.code, found.minor) == (0, minor)


def unknown_coupon(s: Any) -> list[dict[str, Any]]:
    embedded = s.coupon()
    del embedded["applies_to"]
    return [s.subscription(discounts=[s.discount(embedded)])]


def in_euro(s: Any) -> list[dict[str, Any]]:
    return [s.subscription(s.item(s.price(currency="eur")), currency="eur")]


INCOMPLETE: dict[str, tuple[Make, list[str], list[str]]] = {
    "a bare discount": (subscribed(discounts=["di_9"]), ["discount:di_9"], []),
    "a coupon without applies_to": (unknown_coupon, ["coupon:half"], []),
    "a discount whose coupon is only named": (
        lambda s: [s.subscription(discounts=[s.discount("half")])],
        ["coupon:half"],
        [],
    ),
    "tiers that nobody told": (
        one(None, billing_scheme="tiered", tiers_mode="volume"),
        ["tiers:price_1"],
        [],
    ),
    "a rate that nobody told": (in_euro, ["rate:EUR"], ["--currency", "usd"]),
}


@pytest.mark.parametrize("name", INCOMPLETE)
def test_what_is_missing_is_named_and_the_rest_is_told(
    explain: Any, stripe: Any, name: str
) -> None:
    make, missing, options = INCOMPLETE[name]
    found = explain(*make(stripe), stripe.invoice(), options=options)
    document = found.only
    assert (found.code, document["status"], document["missing"]) == (0, "incomplete", missing)
    assert (document["mrr"], document["exact"]) == (None, None)
    assert (document["plan"], document["payment_status"]) == ("price_1", "paid")
    assert (document["state"], document["stage"]) == ("active", "paying")
    assert len(document["items"]) == 1


def test_nothing_is_missing_for_what_counts_zero(explain: Any, stripe: Any) -> None:
    assert explain(stripe.subscription(status="canceled", discounts=["di_9"])).minor == 0


BAD: dict[str, tuple[Make, str]] = {
    "no items": (lambda s: [s.subscription(items=s.list())], "no_items"),
    "a status nobody knows": (subscribed(status="frozen"), "unknown_status"),
    "an interval nobody knows": (one(interval="decade"), "unknown_interval"),
    "a negative amount": (one(-100), "negative_amount"),
    "no quantity": (one(10000, None), "quantity_missing"),
    "percent and amount": (
        discounted({"amount_off": 100, "percent_off": 5, "currency": "usd"}),
        "coupon_percent_and_amount",
    ),
    "tiers with a gap": (
        tiered("graduated", (10, 1000, None), (10, 800, None), (None, 700, None)),
        "tiers_gap",
    ),
    "a currency nobody knows": (
        lambda s: [s.subscription(s.item(s.price(currency="zzz")), currency="zzz")],
        "unknown_currency",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_a_named_error_and_never_a_number(
    explain: Any, stripe: Any, name: str
) -> None:
    make, error = BAD[name]
    found = explain(*make(stripe))
    assert (found.code, found.only["status"]) == (1, "error")
    assert found.only["error"]["name"] == error
    assert "account" in found.only["error"]["where"]
    assert (found.only["mrr"], found.only["exact"]) == (None, None)
