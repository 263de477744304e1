"""Rows about discounts (22 to 37)."""

from typing import Any, Final

from plumbline_simulators.shapes.pieces import (
    AT,
    DAY,
    Json,
    coupon,
    customer,
    discount,
    item,
    price,
    subscription,
)
from plumbline_simulators.shapes.shape import BASIL, Shape

_IN_SIGHT = AT + 50 * DAY


def _off(row: str, title: str, sold: Json, of: Json, end: int | None = None) -> Shape:
    """The subscription has one discount."""
    holder = subscription(item(sold), discounts=[discount(of, end=end)])
    return Shape(row, title, (holder, of, customer()))


def _monthly() -> Json:
    return price()


def _yearly(amount: int) -> Json:
    return price(amount=amount, interval="year")


def _repeating(months: int, **more: Any) -> Json:
    return coupon(duration="repeating", duration_in_months=months, **more)


_HALF = {"percent": 50}
_ITEMS_OWN = coupon("co_item", percent=10)
_TEN_OFF = coupon("co_sub", off=1_000)
_PRODUCT_1 = coupon(percent=50, applies_to={"products": ["prod_1"]})
_CUSTOMERS = coupon("co_cus", percent=30)
_CUSTOMERS_DISCOUNT = discount(_CUSTOMERS, "di_cus", subscription=None)

DISCOUNTS: Final = (
    _off("22", "50 % forever", _monthly(), coupon(percent=50)),
    _off("23", "10 % on annual 120", _yearly(12_000), coupon(percent=10)),
    _off("24", "20 % once on annual 1200", _yearly(120_000), coupon(percent=20, duration="once")),
    _off("25", "50 % once, monthly", _monthly(), coupon(percent=50, duration="once")),
    _off("26", "50 % repeating 3 months", _monthly(), _repeating(3, **_HALF), _IN_SIGHT),
    _off("27", "50 % for 12 months, yearly", _yearly(120_000), _repeating(12, **_HALF), _IN_SIGHT),
    _off("28", "20 off forever", _monthly(), coupon(off=2_000)),
    _off("29", "120 off forever, annual 1200", _yearly(120_000), coupon(off=12_000)),
    _off("30", "30 off for 6 months", _monthly(), _repeating(6, off=3_000), _IN_SIGHT),
    _off("31", "more off than the price", _monthly(), coupon(off=15_000)),
    _off("32", "100 % off forever", _monthly(), coupon(percent=100)),
    Shape(
        "33",
        "10 % on the item, 10 off on the subscription",
        (
            subscription(
                item(
                    price(), discounts=[discount(_ITEMS_OWN, "di_item", subscription_item="si_1")]
                ),
                discounts=[discount(_TEN_OFF)],
            ),
            _ITEMS_OWN,
            _TEN_OFF,
            customer(),
        ),
    ),
    Shape(
        "34",
        "a coupon for product 1: product 1 100 + product 2 50",
        (
            subscription(
                item(price()),
                item(price("price_2", 5_000, product="prod_2"), id="si_2"),
                discounts=[discount(_PRODUCT_1)],
            ),
            _PRODUCT_1,
            customer(),
        ),
    ),
    Shape(
        "35a",
        "the customer's discount",
        (subscription(), _CUSTOMERS, customer(discount=_CUSTOMERS_DISCOUNT)),
    ),
    Shape(
        "35b",
        "the subscription's own discount beside the customer's",
        (
            subscription(discounts=[discount(coupon(percent=10))]),
            coupon(percent=10),
            _CUSTOMERS,
            customer(discount=_CUSTOMERS_DISCOUNT),
        ),
    ),
    _off("36", "an expired discount still attached", _monthly(), coupon(percent=50), AT - DAY),
    Shape(
        "37",
        "a discount only as an id",
        (subscription(discounts=["di_1"]), coupon(percent=50), customer()),
        since=BASIL,
    ),
)
