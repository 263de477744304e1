"""The fine print of MRR, sentence by sentence: Stripe objects and the value under `plumbline`.

The first words of a name are the sentence's; values as in `table.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from plumbline_simulators.shapes.pieces import (
    AT,
    DAY,
    Json,
    coupon,
    customer,
    discount,
    invoice,
    item,
    line,
    price,
    subscription,
    tax_rate,
    tiered,
)


@dataclass(frozen=True, slots=True)
class Fine:
    """One sentence of the fine print as objects. `others`: values under other policies."""

    name: str
    objects: Sequence[Json]
    expected: str
    others: dict[str, str] = field(default_factory=dict)
    currency: str = "usd"


def _off(**more: Any) -> Json:
    """A discount of its own coupon, named after its terms."""
    end, start = more.pop("end", None), more.pop("start", AT - DAY)
    name = "_".join(str(one) for one in more.values()).replace(" ", "")
    return discount(coupon(f"co_{name}", **more), f"di_{name}", end=end, start=start)


def _second(amount: int = 5_000, **more: Any) -> Json:
    own = {key: more.pop(key) for key in ("discounts", "tax_rates") if key in more}
    return item(price("price_2", amount, product="prod_2", **more), id="si_2", **own)


_A: Final = {"applies_to": {"products": ["prod_1"]}}
_THIRTY: Final = customer(discount=_off(percent=30))
_YEAR: Final = price("price_2", 120_000, interval="year", product="prod_2")

FINE: Final = (
    Fine(
        "an amount is taken once, not once per item",
        (subscription(item(price()), _second(), discounts=[_off(off=3_000)]),),
        "120",
    ),
    Fine(
        "an amount is shared over the items it applies to: the rest of product 1 stays its own",
        (
            subscription(
                item(price()),
                _second(5_000, interval="year"),
                discounts=[_off(off=12_000, **_A)],
            ),
        ),
        "4.17",
    ),
    Fine(
        "shared in proportion to what is left: tax differs between the items",
        (
            subscription(
                item(price(), tax_rates=[tax_rate(25, inclusive=True)]),
                _second(10_000),
                discounts=[_off(off=5_000)],
            ),
        ),
        "135",
    ),
    Fine(
        "different intervals: only from those with the shortest period",
        (subscription(item(price()), item(_YEAR, id="si_2"), discounts=[_off(off=2_000)]),),
        "180",
    ),
    Fine(
        "free ones aside: the free monthly item takes no share",
        (
            subscription(
                item(price(amount=0)), item(_YEAR, id="si_2"), discounts=[_off(off=12_000)]
            ),
        ),
        "90",
    ),
    Fine(
        "free ones aside: neither does one that its own discount made free",
        (
            subscription(
                item(price(), discounts=[_off(percent=100)]),
                item(_YEAR, id="si_2"),
                discounts=[_off(off=12_000)],
            ),
        ),
        "90",
    ),
    Fine(
        "free ones aside: nor one that a percentage of the same level made free",
        (
            subscription(
                item(price()),
                item(_YEAR, id="si_2"),
                discounts=[_off(off=12_000), _off(percent=100, **_A)],
            ),
        ),
        "90",
    ),
    Fine(
        "one-time prices count zero",
        (subscription(item(price()), _second(50_000, interval=None)),),
        "100",
    ),
    Fine(
        "owing counts for 30 days, not for less",
        (
            subscription(status="unpaid"),
            invoice(
                status="open",
                attempted=True,
                status_transitions={"finalized_at": AT - 30 * DAY + 1},
            ),
        ),
        "0",
        {"baremetrics": "100", "chartmogul": "100", "profitwell": "0"},
    ),
    Fine(
        "percent before any amount, whatever the order",
        (subscription(discounts=[_off(off=1_000), _off(percent=50)]),),
        "40",
    ),
    Fine(
        "the next level starts from what the level before left",
        (subscription(item(price(), discounts=[_off(off=2_000)]), discounts=[_off(percent=50)]),),
        "40",
    ),
    Fine(
        "percents multiply",
        (subscription(discounts=[_off(percent=10), _off(percent=20)]),),
        "72",
    ),
    Fine(
        "an ended discount of its own does not block the customer's",
        (subscription(discounts=[_off(percent=50, end=AT)]), _THIRTY),
        "70",
    ),
    Fine(
        "a once discount does not block the customer's",
        (subscription(discounts=[_off(percent=50, duration="once")]), _THIRTY),
        "70",
        {"chartmogul": "50"},
    ),
    Fine(
        "an item's discount does not block the customer's",
        (subscription(item(price(), discounts=[_off(percent=50)])), _THIRTY),
        "35",
    ),
    Fine(
        "one limited to a product blocks the customer's for all items",
        (subscription(item(price()), _second(), discounts=[_off(percent=50, **_A)]), _THIRTY),
        "100",
    ),
    Fine(
        "a customer's amount is taken from each subscription",
        (
            subscription(),
            subscription(_second(), id="sub_2"),
            customer(discount=_off(off=1_000)),
        ),
        "130",
    ),
    Fine(
        "discounts before tax, tax before the interval",
        (
            subscription(
                item(price(amount=144_000, interval="year")),
                discounts=[_off(off=12_000)],
                default_tax_rates=[tax_rate(20, inclusive=True)],
            ),
        ),
        "91.67",
    ),
    Fine(
        "an item's tax rates replace the subscription's",
        (
            subscription(
                item(price(amount=11_000), tax_rates=[tax_rate(10, inclusive=True)]),
                default_tax_rates=[tax_rate(20, inclusive=True)],
            ),
        ),
        "100",
    ),
    Fine(
        "inclusive rates are added up, exclusive ones left out",
        (
            subscription(
                item(price(amount=13_000)),
                default_tax_rates=[
                    tax_rate(20, inclusive=True),
                    tax_rate(10, inclusive=True),
                    tax_rate(7, inclusive=False),
                ],
            ),
        ),
        "100",
    ),
    Fine(
        "nothing unresolved on a subscription that counts zero",
        (subscription(status="trialing", discounts=["di_bare"]),),
        "0",
    ),
    Fine(
        "nothing unresolved on an item that counts zero",
        (subscription(item(price()), _second(0, currency="usd", discounts=["di_bare"])),),
        "100",
    ),
    Fine(
        "nothing on a discount that another blocks",
        (
            subscription(discounts=[_off(percent=10)]),
            customer(discount=discount(coupon("co_9", percent=5) | {"applies_to": None}, "di_9")),
        ),
        "90",
    ),
    Fine(
        "nothing on a discount where nothing is left",
        (subscription(discounts=["di_bare", _off(percent=100)]),),
        "0",
    ),
    Fine(
        "no rate for an amount of zero",
        (subscription(item(price(amount=0, currency="gbp")), currency="gbp"),),
        "0",
    ),
    Fine(
        "no rate for an amount above zero",
        (subscription(item(price(currency="gbp")), currency="gbp"),),
        "rate:GBP",
    ),
    Fine(
        "quantity 0 costs 0, whatever flat part the first tier has",
        (subscription(item(tiered("graduated", (10, None, 5_000), (None, 400, None)), 0)),),
        "0",
    ),
    Fine(
        "a pause whose resumes_at has passed no longer pauses",
        (subscription(pause_collection={"behavior": "void", "resumes_at": AT}),),
        "100",
    ),
    Fine(
        "a discount with an end ends there whatever its duration",
        (subscription(discounts=[_off(percent=50, duration="forever", end=AT)]),),
        "100",
    ),
    Fine(
        "a discount whose start is ahead is not in effect",
        (subscription(discounts=[_off(percent=50, start=AT + 1)]),),
        "100",
    ),
    Fine(
        "an item's own trial has ended",
        (
            subscription(
                item(price(), current_trial={"start_date": AT - DAY, "end_date": AT}),
                _second() | {"current_trial": {"start_date": AT + DAY, "end_date": AT + 2 * DAY}},
            ),
        ),
        "150",
    ),
    Fine(
        "the rate is of the last day before",
        (subscription(item(price(amount=10_001, currency="eur")), currency="eur"),),
        "110.01",
        {"profitwell": "120.01"},
    ),
    Fine(
        "three decimals are rounded to 0.001",
        (subscription(item(price(amount=10_001, currency="kwd", count=3)), currency="kwd"),),
        "3.334",
        currency="kwd",
    ),
    Fine(
        "zero decimals are rounded to the whole yen",
        (subscription(item(price(amount=10_001, currency="jpy", count=2)), currency="jpy"),),
        "5000",
        currency="jpy",
    ),
    Fine(
        "automatic tax without a paid invoice is not known",
        (
            subscription(item(price(tax_behavior="inclusive")), automatic_tax={"enabled": True}),
            invoice(12_000, status="open", total_excluding_tax=10_000),
        ),
        "tax:si_1",
    ),
    Fine(
        "a price in another currency is never converted",
        (subscription(item(price(currency="eur"))),),
        "currency_option:price_1:USD",
    ),
    Fine(
        "a coupon's amount in another currency is never converted",
        (subscription(discounts=[_off(off=1_000, currency="eur")]),),
        "coupon:co_1000_eur",
    ),
    Fine(
        "cut lists of items are not known",
        (subscription(items={"object": "list", "data": [item(price())], "has_more": True}),),
        "items:sub_1",
    ),
    Fine(
        "tiers that are not listed are not known",
        (subscription(item(tiered("volume", (None, 1, None)) | {"tiers": None})),),
        "tiers:price_1",
    ),
    Fine(
        "a cancellation that has arrived",
        (subscription(cancel_at=AT),),
        "0",
    ),
    Fine(
        "blocks are rounded down where the price says so",
        (
            subscription(
                item(price(amount=1_000, transform_quantity={"divide_by": 10, "round": "down"}), 19)
            ),
        ),
        "10",
    ),
    Fine(
        "owing counts from the due date of what was sent",
        (
            subscription(status="past_due", collection_method="send_invoice"),
            invoice(
                10_000,
                [line(10_000)],
                status="open",
                attempted=True,
                collection_method="send_invoice",
                due_date=AT - 30 * DAY,
            ),
        ),
        "100",
        {"baremetrics": "0"},
    ),
)
