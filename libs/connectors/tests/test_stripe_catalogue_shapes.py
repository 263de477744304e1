"""Prices, coupons, discounts and tax rates: what is told, what is left open, what is refused."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from plumbline_connectors.decoding import decode_json
from plumbline_connectors.stripe.translate import StripeContext, Untranslatable, translate_object
from plumbline_schemas.billing import BillingCustomer, Subscription
from plumbline_schemas.catalogue import Coupon, Price, TaxRate, Tier
from plumbline_simulators.shapes.pieces import (
    AT,
    coupon,
    customer,
    discount,
    item,
    price,
    subscription,
    tiered,
)

CONTEXT = StripeContext("acme", "stripe", livemode=True)
NOW = datetime.fromtimestamp(AT, UTC)


def body(obj: dict[str, Any]) -> Any:
    decoded = decode_json(json.dumps(obj).encode())
    found = translate_object(
        decoded, CONTEXT, seen="read", origin="webhook", vendor_time_ms=1, received_at=NOW
    )
    assert found is not None
    return found.body


def refused(obj: dict[str, Any]) -> Untranslatable:
    with pytest.raises(Untranslatable) as caught:
        body(obj)
    return caught.value


def held(**more: Any) -> Subscription:
    found = body(subscription(**more))
    assert isinstance(found, Subscription)
    return found


def test_tiers_are_exact_and_their_absence_is_told_from_there_being_none() -> None:
    found = body(tiered("graduated", (10, 1_000, None), (None, None, 400)))
    assert isinstance(found, Price)
    assert found.tiers == (
        Tier(up_to=10, unit_amount=Decimal(1_000)),
        Tier(flat_amount=Decimal(400)),
    )
    fine = {"up_to": None, "unit_amount": None, "unit_amount_decimal": "0.05"}
    assert body(price(tiers=[fine])).tiers == (Tier(unit_amount=Decimal("0.05")),)
    assert body(price(tiers=None)).tiers is None
    assert body(price()).tiers is None
    assert body(price(tiers=[])).tiers == ()
    assert refused(price(tiers=["x"])).where == "data.object.tiers[0]"


def test_currency_options_with_their_own_tiers() -> None:
    options = {
        "EUR": {"unit_amount": None, "tiers": [{"up_to": None, "unit_amount": 7}]},
        "jpy": {"unit_amount": 9, "unit_amount_decimal": "9", "tax_behavior": "inclusive"},
    }
    found = body(price(currency_options=options)).currency_options
    assert set(found) == {"eur", "jpy"}
    assert found["eur"].tiers == (Tier(unit_amount=Decimal(7)),)
    assert (found["jpy"].unit_amount, found["jpy"].tiers) == (Decimal(9), None)
    assert found["jpy"].tax_behavior == "inclusive"
    assert body(price(currency_options=None)).currency_options is None
    assert refused(price(currency_options={"eur": 7})).where == "data.object.currency_options.eur"


@pytest.mark.parametrize("divide_by", [0, -1, None])
def test_a_quantity_is_not_divided_by_nothing(divide_by: int | None) -> None:
    error = refused(price(transform_quantity={"divide_by": divide_by, "round": "up"}))
    assert error.where == "data.object.transform_quantity.divide_by"


def test_what_a_coupon_is_for() -> None:
    unasked = coupon(percent=10)
    del unasked["applies_to"]
    assert body(unasked).applies_to is None
    assert body(coupon(percent=10)).applies_to == ()
    assert body(coupon(percent=10, applies_to={"products": ["a", "b"]})).applies_to == ("a", "b")
    assert refused(coupon(applies_to=[])).where == "data.object.applies_to"
    assert refused(coupon(applies_to={"products": [7]})).where == (
        "data.object.applies_to.products[0]"
    )


def test_a_coupon_says_what_it_takes_off_even_if_it_says_too_much() -> None:
    both = body(coupon(percent=25.5, off=500, currency="EUR", name="Both"))
    assert both == Coupon(
        coupon_id="co_1", name="Both", percent_off=Decimal("25.5"), amount_off=Decimal(500),
        currency="eur", duration="forever", applies_to=(),
    )  # fmt: skip
    options = {"GBP": {"amount_off": 400}}
    assert body(coupon(off=500, currency_options=options)).currency_options == {"gbp": 400}
    odd = refused(coupon(off=500, currency_options={"gbp": {}}))
    assert odd.where == "data.object.currency_options.gbp.amount_off"
    assert body(coupon(percent=12, percent_off_precise=12.5)).percent_off == Decimal("12.5")


@pytest.mark.parametrize(
    "form",
    [
        {"source": {"type": "coupon", "coupon": "co_1"}},
        {"source": {"type": "coupon", "coupon": {"id": "co_1", "percent_off": 5}}},
        {"coupon": "co_1"},
        {"coupon": {"id": "co_1", "percent_off": 5}},
        {"coupon": {"id": "co_1", "object": "coupon", "deleted": True}},
        {"coupon": {"id": "co_1"}},
    ],
)
def test_a_discount_names_its_coupon_in_every_form(form: dict[str, Any]) -> None:
    (found,) = held(discounts=[{"id": "di_1", "object": "discount", **form}]).discount_objects
    assert found.coupon == "co_1"
    told = "percent_off" in json.dumps(form)
    assert (found.coupon_object is not None) is told


def test_one_discount_in_both_places_is_one() -> None:
    whole = discount(coupon(percent=5))
    for more in (
        {"discount": whole, "discounts": ["di_1"]},
        {"discount": whole, "discounts": [whole]},
        {"discount": "di_1", "discounts": [whole]},
        {"discount": whole},
        {"discount": whole, "discounts": None},
    ):
        found = held(**{"discounts": [], **more})
        assert found.discounts == ("di_1",)
        assert [one.discount_id for one in found.discount_objects] == ["di_1"]
    two = held(discount=whole, discounts=["di_2"])
    assert two.discounts == ("di_2", "di_1")
    assert len(two.discount_objects) == 1


def test_odd_discounts() -> None:
    gone = {"id": "di_9", "object": "discount", "deleted": True}
    assert held(discounts=[gone, "di_1"]).discounts == ("di_1",)
    nameless = {"object": "discount", "coupon": coupon(percent=5)}
    assert held(discount=nameless).discounts == ("di_sub_1_co_1",)
    assert refused(subscription(discounts=[7])).where == "data.object.discounts[0]"
    assert refused(subscription(discount=[7])).where == "data.object.discount"
    ends = held(discounts=[discount(coupon(percent=5), end=AT, promotion_code={"id": "promo_1"})])
    (found,) = ends.discount_objects
    assert (found.end, found.promotion_code) == (NOW, "promo_1")


def test_the_customers_discount_and_way_to_pay() -> None:
    whole = discount(coupon(percent=5), "di_cus")
    found = body(customer(discount=whole, invoice_settings={"default_payment_method": "pm_1"}))
    assert isinstance(found, BillingCustomer)
    assert (found.discounts, found.default_payment_method) == (("di_cus",), "pm_1")
    older = body(customer(default_source={"id": "card_1"}, invoice_settings=None))
    assert (older.discounts, older.default_payment_method) == ((), "card_1")
    paying = held(default_payment_method={"id": "pm_2"}, default_source="card_2", schedule="ss_1")
    assert (paying.default_payment_method, paying.schedule) == ("pm_2", "ss_1")


def test_tax_rates_whole_and_named() -> None:
    rate = {"id": "txr_1", "object": "tax_rate", "inclusive": True, "percentage": 7.7}
    whole = TaxRate(tax_rate_id="txr_1", inclusive=True, percentage=Decimal("7.7"))
    assert body(rate) == whole
    found = held(default_tax_rates=[rate, "txr_2"])
    assert found.default_tax_rates == (whole, TaxRate(tax_rate_id="txr_2"))
    assert found.tax_rates_inclusive
    of_item = body(subscription(item(price(), tax_rates=[rate]))).items[0]
    assert (of_item.tax_rates, of_item.tax_rates_inclusive) == ((whole,), True)


def test_a_deleted_price_leaves_its_id() -> None:
    stub = {"id": "price_9", "object": "price", "deleted": True}
    (found,) = body(subscription({**item(price()), "price": stub})).items
    assert (found.price.price_id, found.price.deleted, found.price.active) == (
        "price_9", True, False,
    )  # fmt: skip
    plan = {"id": "price_9", "object": "plan", "currency": "usd", "amount": 5, "interval": "day"}
    (found,) = body(subscription({**item(price()), "price": stub, "plan": plan})).items
    assert (found.price.deleted, found.price.unit_amount) == (False, 5)
    gone = {"id": "plan_9", "object": "plan", "deleted": True}
    (found,) = body(subscription({**item(price()), "price": None, "plan": gone})).items
    assert found.price.deleted
    (found,) = body(subscription(item(price(deleted=True)))).items
    assert (found.price.deleted, found.price.unit_amount) == (False, 10_000)


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        ({"status": "half_open"}, lambda found: found.status == "half_open"),
        ({"items": {"data": []}}, lambda found: found.items == ()),
        ({"items": None}, lambda found: found.items == ()),
        ({"currency": "XXY"}, lambda found: found.currency == "xxy"),
    ],
)
def test_bad_input_passes_to_who_can_name_it(odd: dict[str, Any], told: Any) -> None:
    assert told(held(**odd))


def test_bad_prices_pass_as_they_are() -> None:
    def priced(of: dict[str, Any], quantity: int | None = 1) -> Any:
        return body(subscription(item(of, quantity))).items[0]

    assert priced(price(), None).quantity is None
    assert priced(price(amount=-5)).price.unit_amount == -5
    assert priced(price(amount=2**60)).price.unit_amount == 2**60
    odd = price()
    odd["recurring"]["interval"] = "fortnight"
    assert body(odd).recurring.interval == "fortnight"
    gap = tiered("volume", (10, 5, None), (30, 4, None))
    assert [tier.up_to for tier in priced(gap).price.tiers] == [10, 30]
