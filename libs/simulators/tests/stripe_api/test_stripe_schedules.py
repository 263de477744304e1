"""Subscription schedules through the official client, as the simulated clock moves."""

import pytest
import stripe

DAY = 86_400
HOUR = 3_600


def types_of(events):
    return [event["type"] for event in events]


def of_schedules(events):
    return [one for one in types_of(events) if one.startswith("subscription_schedule")]


async def schedule(rig, **form):
    return await rig.call(rig.client.v1.subscription_schedules.create, form)


async def read(rig, name):
    return await rig.call(rig.client.v1.subscription_schedules.retrieve, name)


async def subscription(rig, name):
    return await rig.call(rig.client.v1.subscriptions.retrieve, name)


async def test_phases_change_price_and_end_with_a_release(rig):
    customer, small, large = await rig.customer(), await rig.price(1000), await rig.price(3000)
    made = await schedule(
        rig,
        customer=customer.id,
        start_date="now",
        phases=[
            {
                "items": [{"price": small.id, "quantity": 2}],
                "duration": {"interval": "month", "interval_count": 1},
            },
            {
                "items": [{"price": large.id, "quantity": 2}],
                "duration": {"interval": "month", "interval_count": 2},
            },
        ],
    )
    assert made.status == "active"
    first, second = made.phases
    assert first.end_date == second.start_date == made.current_phase.end_date
    running = await subscription(rig, made.subscription)
    assert (running.schedule, running["items"].data[0].price.id) == (made.id, small.id)
    await rig.reach_renewal(running, 2 * HOUR)
    moved = await subscription(rig, made.subscription)
    assert [item.price.id for item in moved["items"].data] == [large.id]
    assert (await rig.latest_invoice(moved.id)).total == 6000
    assert (await read(rig, made.id)).current_phase.start_date == second.start_date
    found = of_schedules(await rig.events_of(customer.id))
    assert found[-1] == "subscription_schedule.updated"
    await rig.advance(62 * DAY)
    released = await read(rig, made.id)
    assert (released.status, released.subscription) == ("released", None)
    assert released.released_subscription == moved.id
    left = await subscription(rig, moved.id)
    assert (left.status, left.schedule) == ("active", None)
    assert of_schedules(await rig.events_of(customer.id)) == [
        "subscription_schedule.expiring",
        "subscription_schedule.released",
    ]


async def test_a_schedule_waits_for_its_start(rig):
    customer, price = await rig.customer(), await rig.price()
    now = (await rig.control.get("/control/clock")).json()["epoch"]
    made = await schedule(
        rig,
        customer=customer.id,
        start_date=now + 10 * DAY,
        end_behavior="cancel",
        phases=[{"items": [{"price": price.id}], "end_date": now + 30 * DAY}],
    )
    assert (made.status, made.subscription, made.current_phase) == ("not_started", None, None)
    await rig.advance(10 * DAY)
    begun = await read(rig, made.id)
    assert begun.status == "active"
    assert (await subscription(rig, begun.subscription)).status == "active"
    await rig.advance(20 * DAY)
    done = await read(rig, made.id)
    assert done.status == "completed"
    assert done.completed_at == now + 30 * DAY
    assert (await subscription(rig, begun.subscription)).status == "canceled"


async def test_a_running_subscription_is_given_a_later_phase_within_its_period(rig):
    customer, small, large = await rig.customer(), await rig.price(1000), await rig.price(5000)
    running = await rig.subscription(customer, small)
    made = await schedule(rig, from_subscription=running.id)
    start = made.phases[0].start_date
    phases = [
        {"items": [{"price": small.id, "quantity": 2}], "end_date": start + 10 * DAY},
        {
            "items": [{"price": large.id, "quantity": 1}],
            "end_date": start + 20 * DAY,
            "proration_behavior": "always_invoice",
        },
    ]
    body = {"phases": phases, "metadata": {"why": "upgrade"}}
    changed = await rig.call(rig.client.v1.subscription_schedules.update, made.id, body)
    assert [phase.end_date - start for phase in changed.phases] == [10 * DAY, 20 * DAY]
    await rig.advance(10 * DAY)
    moved = await subscription(rig, running.id)
    assert [(item.price.id, item.quantity) for item in moved["items"].data] == [(large.id, 1)]
    invoice = await rig.latest_invoice(running.id)
    assert invoice.billing_reason == "subscription_update"
    assert 0 < invoice.total < 5000


async def test_a_schedule_ends_with_its_subscription(rig):
    customer = await rig.customer()
    running = await rig.subscription(customer)
    made = await schedule(rig, from_subscription=running.id)
    with pytest.raises(stripe.InvalidRequestError, match="attached schedule"):
        await rig.call(rig.client.v1.subscriptions.pause, running.id)
    with pytest.raises(stripe.InvalidRequestError, match="already attached"):
        await schedule(rig, from_subscription=running.id)
    await rig.call(rig.client.v1.subscriptions.cancel, running.id)
    assert (await read(rig, made.id)).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError, match="that is canceled"):
        await rig.call(rig.client.v1.subscription_schedules.release, made.id)
    assert types_of(await rig.events_of(customer.id))[-1] == "subscription_schedule.canceled"


@pytest.mark.parametrize(("verb", "status"), [("release", "active"), ("cancel", "canceled")])
async def test_a_schedule_is_released_or_canceled_by_hand(rig, verb, status):
    running = await rig.subscription()
    made = await schedule(rig, from_subscription=running.id)
    await rig.call(getattr(rig.client.v1.subscription_schedules, verb), made.id)
    assert await rig.status_of(running.id) == status
    assert (await read(rig, made.id)).status == f"{verb}d".replace("canceld", "canceled")


async def test_a_customer_who_does_not_pay_loses_the_schedule(rig):
    customer = await rig.customer()
    running = await rig.subscription(customer)
    made = await schedule(rig, from_subscription=running.id)
    start = made.phases[0].start_date
    phases = [{"items": [{"price": running["items"].data[0].price.id, "quantity": 2}]}]
    phases[0]["end_date"] = start + 300 * DAY
    await rig.call(rig.client.v1.subscription_schedules.update, made.id, {"phases": phases})
    await rig.behaves(customer.id, "fail")
    await rig.reach_renewal(running, 9 * DAY)
    assert (await read(rig, made.id)).status == "canceled"
    assert types_of(await rig.events_of(customer.id))[-1] == "subscription_schedule.aborted"


async def test_phases_that_make_no_sense_are_refused(rig):
    customer, price = await rig.customer(), await rig.price()
    form = {"customer": customer.id, "start_date": "now"}
    with pytest.raises(stripe.InvalidRequestError, match="phases"):
        await schedule(rig, **form)
    with pytest.raises(stripe.InvalidRequestError, match="after its start"):
        await schedule(rig, **form, phases=[{"items": [{"price": price.id}], "end_date": 5}])
    phase = {"items": [{"price": price.id}], "billing_thresholds": {"amount_gte": 5}}
    with pytest.raises(stripe.InvalidRequestError, match="billing_thresholds"):
        await schedule(rig, **form, phases=[phase])


async def test_schedules_are_listed_and_expanded(rig):
    customer = await rig.customer()
    running = await rig.subscription(customer)
    made = await schedule(rig, from_subscription=running.id, expand=["subscription", "customer"])
    assert made.subscription.id == running.id
    assert made.customer.id == customer.id
    page = await rig.call(
        rig.client.v1.subscription_schedules.list,
        {"customer": customer.id, "expand": ["data.phases.items.price"]},
    )
    assert [one.id for one in page.data] == [made.id]
    assert page.data[0].phases[0]["items"][0].price.unit_amount == 1000
    read_back = await rig.call(
        rig.client.v1.subscriptions.retrieve, running.id, {"expand": ["schedule"]}
    )
    assert read_back.schedule.id == made.id


async def test_a_phase_begins_without_a_coupon_that_is_gone(rig):
    customer, small, large = await rig.customer(), await rig.price(1000), await rig.price(5000)
    running = await rig.subscription(customer, small)
    made = await schedule(rig, from_subscription=running.id)
    kept, gone = [
        await rig.call(
            rig.client.v1.coupons.create, {"percent_off": percent, "duration": "forever"}
        )
        for percent in (10, 20)
    ]
    start = made.phases[0].start_date
    later = {
        "items": [{"price": large.id}],
        "end_date": start + 20 * DAY,
        "discounts": [{"coupon": kept.id}, {"coupon": gone.id}],
    }
    first = {"items": [{"price": small.id}], "end_date": start + 10 * DAY}
    await rig.call(rig.client.v1.subscription_schedules.update, made.id, {"phases": [first, later]})
    await rig.call(rig.client.v1.coupons.delete, gone.id)
    await rig.advance(10 * DAY)
    moved = await subscription(rig, running.id)
    assert [item.price.id for item in moved["items"].data] == [large.id]
    assert len(moved.discounts) == 1
