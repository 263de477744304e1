"""Subscriptions and invoices as the simulated clock moves, seen through the official client."""

import pytest
import stripe

DAY = 86_400
HOUR = 3_600


def types_of(events):
    return [event["type"] for event in events]


async def test_a_renewal_drafts_finalises_an_hour_later_and_is_paid(rig):
    customer = await rig.customer()
    made = await rig.subscription(customer)
    assert made.status == "active"
    end = made["items"].data[0].current_period_end
    assert end - made.created == 31 * DAY
    first = made.latest_invoice

    await rig.advance(31 * DAY)
    invoice = await rig.latest_invoice(made.id)
    assert invoice.id != first
    assert (invoice.status, invoice.billing_reason) == ("draft", "subscription_cycle")
    assert invoice.automatically_finalizes_at == invoice.created + HOUR
    await rig.advance(HOUR)
    invoice = await rig.latest_invoice(made.id)
    assert (invoice.status, invoice.amount_paid, invoice.attempt_count) == ("paid", 2000, 1)
    assert invoice.status_transitions.paid_at == end + HOUR

    events = await rig.events_of(customer.id)
    renewal = [event for event in events if event["created"] >= end]
    assert (
        types_of(renewal)
        == [
            "customer.subscription.updated",
            "invoice.created",
            "invoice.finalized",
            "charge.succeeded",
            "invoice.updated",
            "invoice.paid",
            "invoice.payment_succeeded",
            "invoice_payment.paid",
        ][:7]
    )
    assert renewal[0]["request"] == {"id": None, "idempotency_key": None}
    previous = renewal[0]["data"]["previous_attributes"]
    assert previous["items"]["data"][0]["current_period_end"] == end
    assert previous["latest_invoice"] == first


async def test_the_31st_is_not_lost_in_a_short_month(rig):
    await rig.advance(10)
    customer = await rig.customer()
    now = (await rig.control.get("/control/clock")).json()["epoch"]
    anchor = now + 10 * DAY
    made = await rig.subscription(customer, billing_cycle_anchor=anchor)
    assert made["items"].data[0].current_period_end == anchor
    invoice = await rig.latest_invoice(made.id)
    assert 0 < invoice.total < 2000
    assert invoice.lines.data[0].parent.subscription_item_details.proration is True


async def test_failed_payments_are_retried_then_the_subscription_ends(rig):
    customer = await rig.customer()
    made = await rig.subscription(customer)
    await rig.behaves(customer.id, "fail")
    end = made["items"].data[0].current_period_end
    await rig.reach_renewal(made, HOUR)
    assert await rig.status_of(made.id) == "past_due"
    invoice = await rig.latest_invoice(made.id)
    assert (invoice.status, invoice.attempted, invoice.attempt_count) == ("open", True, 1)
    assert invoice.next_payment_attempt == end + HOUR + DAY
    assert (await rig.call(rig.client.v1.customers.retrieve, customer.id)).delinquent is True
    await rig.advance(3 * DAY)
    assert (await rig.latest_invoice(made.id)).attempt_count == 3
    await rig.advance(4 * DAY)
    ended = await rig.call(rig.client.v1.subscriptions.retrieve, made.id)
    assert ended.status == "canceled"
    assert ended.cancellation_details.reason == "payment_failed"
    assert (await rig.latest_invoice(made.id)).next_payment_attempt is None
    events = types_of(await rig.events_of(customer.id))
    assert events.count("invoice.payment_failed") == 5
    assert events[-1] == "customer.subscription.deleted"


async def test_a_repaired_card_recovers_a_past_due_subscription(rig):
    customer = await rig.customer()
    made = await rig.subscription(customer)
    await rig.behaves(customer.id, "fail")
    await rig.reach_renewal(made, HOUR)
    assert await rig.status_of(made.id) == "past_due"
    invoice = await rig.latest_invoice(made.id)
    with pytest.raises(stripe.CardError):
        await rig.call(rig.client.v1.invoices.pay, invoice.id)
    assert (await rig.latest_invoice(made.id)).status == "open"
    paid = await rig.behaves(customer.id, "ok", pay_open=True)
    assert paid["paid"] == [invoice.id]
    assert await rig.status_of(made.id) == "active"
    assert (await rig.call(rig.client.v1.customers.retrieve, customer.id)).delinquent is False
    last = [e for e in await rig.events_of(customer.id) if "subscription" in e["type"]][-1]
    assert last["data"]["previous_attributes"] == {"status": "past_due"}


async def test_a_retry_pays_by_itself_after_the_card_works_again(rig):
    customer = await rig.customer()
    made = await rig.subscription(customer)
    await rig.behaves(customer.id, "fail")
    await rig.reach_renewal(made, HOUR)
    await rig.behaves(customer.id, "ok")
    await rig.advance(DAY)
    assert await rig.status_of(made.id) == "active"
    assert (await rig.latest_invoice(made.id)).attempt_count == 2


async def test_a_trial_warns_three_days_before_and_then_bills(rig):
    customer = await rig.customer()
    made = await rig.subscription(customer, trial_period_days=14)
    assert (made.status, made.trial_end - made.trial_start) == ("trialing", 14 * DAY)
    assert (await rig.latest_invoice(made.id)).total == 0
    await rig.advance(11 * DAY)
    events = await rig.events_of(customer.id)
    assert events[-1]["type"] == "customer.subscription.trial_will_end"
    assert events[-1]["created"] == made.trial_end - 3 * DAY
    await rig.advance(3 * DAY + HOUR)
    read = await rig.call(rig.client.v1.subscriptions.retrieve, made.id)
    assert read.status == "active"
    assert read["items"].data[0].current_period_start == made.trial_end
    assert (await rig.latest_invoice(made.id)).amount_paid == 2000


@pytest.mark.parametrize(
    ("chosen", "status", "event"),
    [
        ("create_invoice", "past_due", "invoice.payment_failed"),
        ("pause", "paused", "customer.subscription.paused"),
        ("cancel", "canceled", "customer.subscription.deleted"),
    ],
)
async def test_a_trial_without_a_card_ends_as_chosen(rig, chosen, status, event):
    customer = await rig.customer()
    await rig.behaves(customer.id, "missing")
    made = await rig.subscription(
        customer,
        trial_period_days=5,
        trial_settings={"end_behavior": {"missing_payment_method": chosen}},
    )
    await rig.advance(5 * DAY + HOUR)
    read = await rig.call(rig.client.v1.subscriptions.retrieve, made.id)
    assert read.status == status
    assert event in types_of(await rig.events_of(customer.id))
    if chosen == "pause":
        reason = read.status_details.paused.subscription.type
        assert reason == "trial_end_without_payment_method"
        await rig.behaves(customer.id, "ok")
        body = {"payment_behavior": "resume_on_payment_success"}
        resumed = await rig.call(rig.client.v1.subscriptions.resume, made.id, body)
        assert resumed.status == "active"
        assert "customer.subscription.resumed" in types_of(await rig.events_of(customer.id))


async def test_an_incomplete_subscription_expires_or_is_saved(rig):
    customer = await rig.customer()
    await rig.behaves(customer.id, "fail")
    lost, saved = await rig.subscription(customer), await rig.subscription(customer)
    assert lost.status == "incomplete"
    await rig.behaves(customer.id, "ok")
    await rig.call(rig.client.v1.invoices.pay, saved.latest_invoice)
    assert await rig.status_of(saved.id) == "active"
    await rig.advance(23 * HOUR)
    assert await rig.status_of(lost.id) == "incomplete_expired"
    assert (await rig.latest_invoice(lost.id)).status == "void"
    assert await rig.status_of(saved.id) == "active"


async def test_cancel_at_period_end_is_an_update_now_and_a_deletion_later(rig):
    customer = await rig.customer()
    made = await rig.subscription(customer)
    changed = await rig.call(
        rig.client.v1.subscriptions.update, made.id, {"cancel_at_period_end": True}
    )
    end = made["items"].data[0].current_period_end
    assert (changed.status, changed.cancel_at) == ("active", end)
    events = types_of(await rig.events_of(customer.id))
    assert events[-1] == "customer.subscription.updated"
    await rig.advance(32 * DAY)
    ended = await rig.call(rig.client.v1.subscriptions.retrieve, made.id)
    assert (ended.status, ended.ended_at) == ("canceled", end)
    assert types_of(await rig.events_of(customer.id))[-1] == "customer.subscription.deleted"


async def test_changes_of_quantity_price_and_interval(rig):
    customer = await rig.customer()
    made = await rig.subscription(customer)
    item = made["items"].data[0].id
    update = rig.client.v1.subscriptions.update
    more = await rig.call(update, made.id, {"items": [{"id": item, "quantity": 5}]})
    assert more["items"].data[0].quantity == 5
    event = (await rig.events_of(customer.id))[-1]
    assert event["data"]["previous_attributes"]["items"]["data"][0]["quantity"] == 2
    assert event["request"]["id"].startswith("req_")
    yearly = await rig.price(amount=10_000, interval="year")
    moved = await rig.call(update, made.id, {"items": [{"id": item, "price": yearly.id}]})
    assert moved["items"].data[0].price.recurring.interval == "year"
    invoice = await rig.latest_invoice(made.id)
    assert (invoice.billing_reason, invoice.status) == ("subscription_update", "paid")
    assert invoice.total == 5 * 10_000 - 5 * 1_000
    second = await rig.price(amount=300, interval="year")
    both = await rig.call(update, made.id, {"items": [{"price": second.id, "quantity": 1}]})
    assert len(both["items"].data) == 2
    one = await rig.call(update, made.id, {"items": [{"id": item, "deleted": True}]})
    assert [i.price.id for i in one["items"].data] == [second.id]


async def test_paused_collection_keeps_the_status_and_the_money(rig):
    customer = await rig.customer()
    made = await rig.subscription(customer)
    await rig.call(
        rig.client.v1.subscriptions.update, made.id, {"pause_collection": {"behavior": "void"}}
    )
    await rig.advance(32 * DAY)
    assert await rig.status_of(made.id) == "active"
    assert (await rig.latest_invoice(made.id)).status == "void"
    back = await rig.call(rig.client.v1.subscriptions.update, made.id, {"pause_collection": ""})
    assert back.pause_collection is None


async def test_sent_invoices_become_overdue(rig):
    customer = await rig.customer()
    made = await rig.subscription(customer, collection_method="send_invoice", days_until_due=10)
    assert made.status == "active"
    await rig.advance(HOUR)
    invoice = await rig.latest_invoice(made.id)
    assert (invoice.status, invoice.next_payment_attempt) == ("open", None)
    await rig.advance(10 * DAY)
    assert await rig.status_of(made.id) == "past_due"
    await rig.call(rig.client.v1.invoices.pay, invoice.id, {"paid_out_of_band": True})
    assert await rig.status_of(made.id) == "active"
    events = types_of(await rig.events_of(customer.id))
    assert "invoice.overdue" in events
    assert "invoice.paid" in events
    assert "invoice.payment_succeeded" not in events


async def test_a_coupon_takes_off_and_shows_as_a_discount(rig):
    coupon = await rig.call(
        rig.client.v1.coupons.create, {"percent_off": 25, "duration": "forever"}
    )
    made = await rig.subscription(discounts=[{"coupon": coupon.id}])
    assert made.discounts[0].startswith("di_")
    invoice = await rig.latest_invoice(made.id)
    assert (invoice.subtotal, invoice.total, invoice.amount_paid) == (2000, 1500, 1500)
    read = await rig.call(
        rig.client.v1.subscriptions.retrieve, made.id, {"expand": ["discounts.source.coupon"]}
    )
    assert read.discounts[0].source.coupon.percent_off == 25


async def test_a_metered_item_gets_a_quantity_with_a_licensed_price(rig):
    metered = await rig.price(recurring={"interval": "month", "usage_type": "metered"})
    customer = await rig.customer()
    bought = await rig.call(
        rig.client.v1.subscriptions.create,
        {"customer": customer.id, "items": [{"price": metered.id}]},
    )
    item = bought["items"].data[0].id
    licensed = await rig.price()
    swapped = await rig.call(
        rig.client.v1.subscriptions.update,
        bought.id,
        {"items": [{"id": item, "price": licensed.id}]},
    )
    assert swapped["items"].data[0].quantity == 1


async def test_invoices_are_voided_and_written_off(rig):
    customer = await rig.customer()
    first = await rig.subscription(customer)
    second = await rig.subscription(customer)
    await rig.behaves(customer.id, "fail")
    await rig.reach_renewal(first, HOUR)
    invoices = rig.client.v1.invoices
    voided = await rig.call(invoices.void_invoice, (await rig.latest_invoice(first.id)).id)
    lost = await rig.call(invoices.mark_uncollectible, (await rig.latest_invoice(second.id)).id)
    assert (voided.status, lost.status) == ("void", "uncollectible")
    assert lost.status_details.uncollectible.reason == "user_forgiven"
    with pytest.raises(stripe.InvalidRequestError):
        await rig.call(invoices.pay, voided.id)
    payments = await rig.call(rig.client.v1.invoice_payments.list, {"invoice": voided.id})
    assert [payment.status for payment in payments.data] == ["canceled"]


async def test_deleting_a_customer_ends_its_subscriptions(rig):
    customer = await rig.customer()
    made = await rig.subscription(customer)
    await rig.call(rig.client.v1.customers.delete, customer.id)
    assert await rig.status_of(made.id) == "canceled"
    events = types_of(await rig.events_of(customer.id))
    assert events[-2:] == ["customer.subscription.deleted", "customer.deleted"]
