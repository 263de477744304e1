"""Payment methods: attached, expired, renewed, detached."""

HOUR, DAY = 3600, 86_400


async def with_card(rig, **card):
    """A customer who pays by a card of their own."""
    method = await rig.call(
        rig.client.v1.payment_methods.create,
        {"type": "card", "card": {"number": "4242424242424242", **card}},
    )
    customer = await rig.customer(payment_method=method.id)
    return customer, method


async def events_of(rig, method_id):
    listed = await rig.call(rig.client.v1.events.list, {"limit": 100})
    return [event.to_dict() for event in listed.data if event.data.object["id"] == method_id][::-1]


async def test_a_card_has_its_expiry_and_belongs_to_its_customer(rig):
    customer, method = await with_card(rig, exp_month=4, exp_year=2031)
    seen = await rig.call(rig.client.v1.payment_methods.retrieve, method.id)
    assert (seen.customer, seen.card.exp_month, seen.card.exp_year) == (customer.id, 4, 2031)
    shown = await rig.call(rig.client.v1.customers.retrieve, customer.id)
    assert shown.invoice_settings.default_payment_method == method.id
    listed = await rig.call(rig.client.v1.customers.payment_methods.list, customer.id)
    assert [one.id for one in listed.data] == [method.id]
    everyone = await rig.call(rig.client.v1.payment_methods.list, {"limit": 100})
    assert method.id in [one.id for one in everyone.data]


async def test_an_expired_card_declines_until_it_is_renewed(rig):
    now = (await rig.control.get("/control/clock")).json()["now"]
    year, month = int(now[:4]), int(now[5:7])
    customer, method = await with_card(rig, exp_month=month, exp_year=year)
    made = await rig.subscription(customer)
    assert made.status == "active"
    await rig.reach_renewal(made, 2 * HOUR)
    assert await rig.status_of(made.id) == "past_due"
    await rig.post(f"/control/payment_methods/{method.id}/card", {"exp_year": year + 4})
    renewed = await rig.call(rig.client.v1.payment_methods.retrieve, method.id)
    assert renewed.card.exp_year == year + 4
    assert (await events_of(rig, method.id))[-1]["type"] == "payment_method.automatically_updated"
    await rig.advance(2 * DAY)
    assert await rig.status_of(made.id) == "active"


async def test_a_customer_tells_a_new_expiry(rig):
    _, method = await with_card(rig, exp_month=4, exp_year=2031)
    changed = await rig.call(
        rig.client.v1.payment_methods.update,
        method.id,
        {"card": {"exp_month": 5, "exp_year": 2032}},
    )
    assert (changed.card.exp_month, changed.card.exp_year) == (5, 2032)
    last = (await events_of(rig, method.id))[-1]
    assert last["type"] == "payment_method.updated"
    assert last["data"]["previous_attributes"] == {"card": {"exp_month": 4, "exp_year": 2031}}


async def test_a_detached_card_names_its_customer_only_as_the_former(rig):
    customer, method = await with_card(rig)
    await rig.call(rig.client.v1.payment_methods.detach, method.id)
    last = (await events_of(rig, method.id))[-1]
    assert last["type"] == "payment_method.detached"
    assert last["data"]["object"]["customer"] is None
    assert last["data"]["previous_attributes"] == {"customer": customer.id}
    shown = await rig.call(rig.client.v1.customers.retrieve, customer.id)
    assert shown.invoice_settings.default_payment_method is None


async def test_a_test_card_becomes_a_card_of_the_customer(rig):
    customer = await rig.customer()
    made = await rig.call(
        rig.client.v1.payment_methods.attach, "pm_card_visa", {"customer": customer.id}
    )
    assert made.id != "pm_card_visa"
    assert made.customer == customer.id
