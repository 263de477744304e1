"""Rows about prices, quantities, intervals and currencies."""

from collections.abc import Sequence
from typing import Any, Final

from plumbline_simulators.shapes.pieces import (
    PERIOD_START,
    Json,
    Tier,
    customer,
    invoice,
    item,
    line,
    price,
    subscription,
    tiered,
)
from plumbline_simulators.shapes.shape import BASIL, Shape

_PLAN = {
    "id": "plan_1",
    "object": "plan",
    "active": True,
    "amount": 10_000,
    "amount_decimal": "10000",
    "billing_scheme": "per_unit",
    "currency": "usd",
    "interval": "month",
    "interval_count": 1,
    "livemode": True,
    "nickname": None,
    "product": "prod_1",
    "tiers_mode": None,
    "transform_usage": None,
    "usage_type": "licensed",
}
_TABLE: Final[tuple[Tier, ...]] = ((10, 1_000, None), (None, 800, None))
_FLAT: Final[tuple[Tier, ...]] = ((10, None, 5_000), (None, 400, None))
_TENS = {"divide_by": 10, "round": "up"}
_OPTIONS = {
    "usd": {"unit_amount": 10_000, "unit_amount_decimal": "10000", "tax_behavior": "unspecified"},
    "eur": {"unit_amount": 9_000, "unit_amount_decimal": "9000", "tax_behavior": "unspecified"},
}


def _plain(row: str, title: str, *, quantity: int = 1, **of: Any) -> Shape:
    sold = price(**of)
    currency = sold["currency"]
    holder = subscription(item(sold, quantity), currency=currency)
    return Shape(row, title, (holder, customer(currency=currency)))


def _tiers(row: str, title: str, mode: str, table: Sequence[Tier]) -> Shape:
    of = tiered(mode, *table)
    return Shape(row, title, (subscription(item(of, 15)), of, customer()))


def _second(amount: int, **more: Any) -> Json:
    of = price("price_2", amount, product="prod_2", **more)
    return item(of, id="si_2")


PRICES: Final = (
    _plain("1", "monthly 100"),
    _plain("2", "annual 1200", amount=120_000, interval="year"),
    _plain("3", "every 3 months 300", amount=30_000, count=3),
    _plain("4", "every 6 months 600", amount=60_000, count=6),
    _plain("5a", "every 2 years 2400", amount=240_000, interval="year", count=2),
    _plain("5b", "every 3 years 3600", amount=360_000, interval="year", count=3),
    _plain("6", "weekly 10", amount=1_000, interval="week"),
    _plain("7", "every 2 weeks 50", amount=5_000, interval="week", count=2),
    _plain("8", "daily 1", amount=100, interval="day"),
    _plain("9", "every 28 days 28", amount=2_800, interval="day", count=28),
    _plain("10", "quantity 5 x 20", quantity=5, amount=2_000),
    _plain("11a", "quantity 0", quantity=0),
    _plain("11b", "price 0", amount=0),
    Shape(
        "12",
        "two licensed items 50 + 30",
        (subscription(item(price(amount=5_000)), _second(3_000)), customer()),
    ),
    Shape(
        "13",
        "mixed intervals: 1200 a year + 20 a month",
        (subscription(item(price(amount=120_000, interval="year")), _second(2_000)), customer()),
        since=BASIL,
    ),
    Shape(
        "14",
        "two subscriptions 100 + 50",
        (
            subscription(item(price())),
            subscription(_second(5_000), id="sub_2", latest_invoice=None),
            customer(),
        ),
    ),
    Shape(
        "15",
        "metered only",
        (subscription(item(price(usage="metered"), None)), customer()),
    ),
    Shape(
        "16",
        "base 100 + metered overage 60",
        (
            subscription(item(price()), _second(100, usage="metered") | {"quantity": None}),
            invoice(16_000, [line(10_000), line(6_000, item="si_2", of="price_2")]),
            customer(),
        ),
    ),
    _tiers("17", "graduated tiers, quantity 15", "graduated", _TABLE),
    _tiers("18", "volume tiers, quantity 15", "volume", _TABLE),
    _tiers("19a", "graduated tiers with a flat part, quantity 15", "graduated", _FLAT),
    _tiers("19b", "volume tiers with a flat part, quantity 15", "volume", _FLAT),
    _plain("20", "10 per started block of 10", quantity=15, amount=1_000, transform_quantity=_TENS),
    _plain("21", "sub-cent unit 0.005 x 10,000", quantity=10_000, amount="0.5"),
    _plain("64", "JPY 10000", amount=10_000, currency="jpy"),
    _plain("65", "KWD 10.000", amount=10_000, currency="kwd"),
    Shape(
        "66",
        "EUR 100 + USD 100",
        (
            subscription(item(price(currency="eur")), currency="eur"),
            subscription(_second(10_000), id="sub_2", customer="cus_2", latest_invoice=None),
            customer(currency="eur"),
            customer("cus_2"),
        ),
    ),
    _plain("67", "EUR 100 while the rate moves", currency="eur"),
    Shape(
        "68",
        "a price with currency options, subscription in the other currency",
        (
            subscription(item(price(currency_options=_OPTIONS)), currency="eur"),
            price(currency_options=_OPTIONS),
            customer(currency="eur"),
        ),
    ),
    Shape(
        "75",
        "an item swapped within one second",
        (subscription(item(price(), id="si_9", created=PERIOD_START)), customer()),
    ),
    Shape(
        "76",
        "more than ten items",
        (
            subscription(
                *(item(price(amount=1_000 + place), id=f"si_{place}") for place in range(12))
            ),
            customer(),
        ),
    ),
    Shape(
        "77a",
        "nothing but the plan",
        (subscription({**item(price()), "price": None, "plan": _PLAN}), customer()),
    ),
    _plain("77b", "a price without a lookup key", lookup_key=None, nickname="Pro"),
    _plain("78", "rounding: 100 a year", interval="year"),
)
