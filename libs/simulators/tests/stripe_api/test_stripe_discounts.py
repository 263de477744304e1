"""Coupons, promotion codes and discounts, wherever they sit, until their time is over."""

import pytest
import stripe


async def coupon(rig, **fields):
    return await rig.call(rig.client.v1.coupons.create, fields)


async def discounted(rig, *, price=None, **fields):
    made = await coupon(rig, **fields)
    return await rig.subscription(price=price, discounts=[{"coupon": made.id}]), made


async def test_every_list_is_given(rig):
    v1 = rig.client.v1
    for service in (
        v1.coupons,
        v1.tax_rates,
        v1.charges,
        v1.refunds,
        v1.credit_notes,
        v1.disputes,
        v1.payment_methods,
        v1.promotion_codes,
        v1.subscription_schedules,
    ):
        listed = await rig.call(service.list, {"limit": 1})
        assert listed.object == "list"


async def test_a_coupon_says_what_it_is_for_only_when_asked(rig):
    price = await rig.price()
    made = await coupon(
        rig,
        amount_off=500,
        currency="usd",
        duration="forever",
        applies_to={"products": [price.product]},
        currency_options={"eur": {"amount_off": 450}},
    )
    assert "applies_to" not in made
    assert "currency_options" not in made
    path = ["applies_to", "currency_options"]
    full = await rig.call(rig.client.v1.coupons.retrieve, made.id, {"expand": path})
    assert full.applies_to.products == [price.product]
    assert full.currency_options["eur"].amount_off == 450
    plain = await coupon(rig, percent_off=10, duration="forever")
    shown = await rig.raw(f"/v1/coupons/{plain.id}?expand[]=applies_to")
    assert "applies_to" not in shown


async def test_a_discount_is_for_its_products_alone(rig):
    one, other = await rig.price(1000), await rig.price(3000)
    made = await coupon(
        rig, percent_off=50, duration="forever", applies_to={"products": [one.product]}
    )
    customer = await rig.customer()
    bought = await rig.call(
        rig.client.v1.subscriptions.create,
        {
            "customer": customer.id,
            "items": [{"price": one.id}, {"price": other.id}],
            "discounts": [{"coupon": made.id}],
        },
    )
    invoice = await rig.call(rig.client.v1.invoices.retrieve, bought.latest_invoice)
    assert (invoice.subtotal, invoice.total) == (4000, 3500)
    assert [line.discount_amounts for line in invoice.lines.data][1] == []
    path = ["discounts.source.coupon.applies_to"]
    full = await rig.call(rig.client.v1.subscriptions.retrieve, bought.id, {"expand": path})
    assert full.discounts[0].source.coupon.applies_to.products == [one.product]


async def test_items_have_their_own_discounts_which_come_first(rig):
    price, half = await rig.price(1000), await coupon(rig, percent_off=50, duration="forever")
    off = await coupon(rig, amount_off=300, currency="usd", duration="forever")
    customer = await rig.customer()
    bought = await rig.call(
        rig.client.v1.subscriptions.create,
        {
            "customer": customer.id,
            "items": [{"price": price.id, "discounts": [{"coupon": half.id}]}],
            "discounts": [{"coupon": off.id}],
        },
    )
    item = bought["items"].data[0]
    assert len(item.discounts) == 1
    assert len(bought.discounts) == 1
    invoice = await rig.latest_invoice(bought.id)
    assert [one.amount for one in invoice.total_discount_amounts] == [500, 300]
    assert invoice.total == 200
    path = ["items.data.discounts"]
    full = await rig.call(rig.client.v1.subscriptions.retrieve, bought.id, {"expand": path})
    discount = full["items"].data[0].discounts[0]
    assert (discount.subscription_item, discount.subscription) == (item.id, None)
    changed = await rig.call(
        rig.client.v1.subscriptions.update,
        bought.id,
        {"items": [{"id": item.id, "discounts": ""}]},
    )
    assert changed["items"].data[0].discounts == []
    gone = [event["type"] for event in await rig.events_of(customer.id)]
    assert gone.count("customer.discount.deleted") == 1


async def test_a_repeating_discount_ends_by_the_clock(rig):
    bought, made = await discounted(rig, percent_off=25, duration="repeating", duration_in_months=3)
    assert len(bought.discounts) == 1
    totals = []
    for _ in range(3):
        totals.append((await rig.latest_invoice(bought.id)).total)
        current = await rig.call(rig.client.v1.subscriptions.retrieve, bought.id)
        await rig.reach_renewal(current, 2 * 3600)
    totals.append((await rig.latest_invoice(bought.id)).total)
    assert totals == [1500, 1500, 1500, 2000]
    after = await rig.call(rig.client.v1.subscriptions.retrieve, bought.id)
    assert after.discounts == []
    (over,) = [
        event
        for event in await rig.events_of(bought.customer)
        if event["type"] == "customer.discount.deleted"
    ]
    assert over["data"]["object"]["source"]["coupon"] == made.id
    assert over["data"]["object"]["end"] == over["created"]


async def test_once_is_used_up_by_the_first_invoice(rig):
    bought, _ = await discounted(rig, percent_off=100, duration="once")
    first = await rig.latest_invoice(bought.id)
    assert (first.total, first.status) == (0, "paid")
    assert bought.discounts == []
    await rig.reach_renewal(bought, 2 * 3600)
    assert (await rig.latest_invoice(bought.id)).total == 2000


async def test_a_customers_discount_counts_where_the_subscription_has_none(rig):
    made, customer = await coupon(rig, percent_off=10, duration="forever"), await rig.customer()
    await rig.post(f"/control/customers/{customer.id}/discount", {"coupon": made.id})
    seen = await rig.call(rig.client.v1.customers.retrieve, customer.id)
    assert seen.discount.source.coupon == made.id
    bought = await rig.subscription(customer=customer)
    assert (await rig.latest_invoice(bought.id)).total == 1800
    other = await coupon(rig, percent_off=50, duration="forever")
    second = await rig.subscription(customer=customer, discounts=[{"coupon": other.id}])
    assert (await rig.latest_invoice(second.id)).total == 1000
    await rig.call(rig.client.v1.customers.delete_discount, customer.id)
    assert (await rig.call(rig.client.v1.customers.retrieve, customer.id)).discount is None


async def test_promotion_codes_lead_to_their_coupon(rig):
    made = await coupon(rig, percent_off=10, duration="forever")
    asked = {
        "promotion": {"type": "coupon", "coupon": made.id},
        "code": "Fall",
        "max_redemptions": 1,
    }
    code = await rig.call(rig.client.v1.promotion_codes.create, asked)
    found = await rig.call(rig.client.v1.promotion_codes.list, {"code": "FALL"})
    assert [one.id for one in found.data] == [code.id]
    bought = await rig.subscription(discounts=[{"promotion_code": code.id}])
    path = {"expand": ["discounts"]}
    full = await rig.call(rig.client.v1.subscriptions.retrieve, bought.id, path)
    assert full.discounts[0].promotion_code == code.id
    assert full.discounts[0].source.coupon == made.id
    with pytest.raises(stripe.InvalidRequestError, match="used up"):
        await rig.subscription(discounts=[{"promotion_code": code.id}])
    old = await rig.raw(f"/v1/promotion_codes/{code.id}", "2025-03-31.basil")
    assert old["coupon"]["id"] == made.id
    assert "promotion" not in old


async def test_a_deleted_coupon_stays_in_its_discounts(rig):
    bought, made = await discounted(rig, percent_off=10, duration="forever")
    await rig.call(rig.client.v1.coupons.delete, made.id)
    with pytest.raises(stripe.InvalidRequestError, match="No such coupon"):
        await rig.call(rig.client.v1.coupons.retrieve, made.id)
    path = {"expand": ["discounts.source.coupon"]}
    full = await rig.call(rig.client.v1.subscriptions.retrieve, bought.id, path)
    assert full.discounts[0].source.coupon.percent_off == 10


async def test_acacia_takes_a_coupon_and_shows_one_discount(rig):
    made, customer = await coupon(rig, percent_off=10, duration="forever"), await rig.customer()
    price = await rig.price()
    bought = await rig.raw(
        "/v1/subscriptions",
        "2024-09-30.acacia",
        "POST",
        customer=customer.id,
        coupon=made.id,
        **{"items[0][price]": price.id},
    )
    assert bought["discount"]["coupon"]["percent_off"] == 10
    assert "source" not in bought["discount"]
    new = await rig.raw(f"/v1/subscriptions/{bought['id']}")
    assert new["discounts"] == [bought["discount"]["id"]]
    shown = await rig.raw(
        f"/v1/customers/{customer.id}", "2024-09-30.acacia", "POST", coupon=made.id
    )
    assert shown["discount"]["coupon"]["id"] == made.id


async def test_expansions_count_the_data_of_a_list(rig):
    deep = {"expand": ["data.discounts.source.coupon.applies_to"]}
    with pytest.raises(stripe.InvalidRequestError, match="more than 4 levels"):
        await rig.call(rig.client.v1.subscriptions.list, deep)


async def test_prices_have_further_currencies(rig):
    price = await rig.price(1000, currency_options={"eur": {"unit_amount": 900}})
    assert "currency_options" not in price
    path = {"expand": ["currency_options"]}
    full = await rig.call(rig.client.v1.prices.retrieve, price.id, path)
    options = full.currency_options.to_dict()
    assert {name: one["unit_amount"] for name, one in options.items()} == {"usd": 1000, "eur": 900}
    bought = await rig.subscription(price=price, currency="eur")
    assert bought.currency == "eur"
    invoice = await rig.latest_invoice(bought.id)
    assert (invoice.currency, invoice.total) == ("eur", 1800)


async def test_a_deleted_customers_stub_has_nothing_to_expand(rig):
    customer = await rig.customer()
    await rig.call(rig.client.v1.customers.delete, customer.id)
    stub = await rig.raw(f"/v1/customers/{customer.id}?expand[]=discount.source.coupon.applies_to")
    assert stub == {"id": customer.id, "object": "customer", "deleted": True}
