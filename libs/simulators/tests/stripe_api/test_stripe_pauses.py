"""Pause, resume and dunning settings through the official client, in the form of endive."""

import pytest
import stripe

DAY = 86_400
HOUR = 3_600


def types_of(events):
    return [event["type"] for event in events]


def reason(subscription):
    return subscription.status_details.paused.subscription.type


@pytest.fixture
async def dunning(rig):
    """Sets the account's billing settings, and puts them back."""
    before = (await rig.control.get("/control/billing")).json()

    async def change(**settings):
        return await rig.post("/control/billing", settings)

    yield change
    await rig.post("/control/billing", before)


async def renewed_in_vain(rig, later=2 * HOUR):
    customer = await rig.customer()
    made = await rig.subscription(customer)
    await rig.behaves(customer.id, "fail")
    await rig.reach_renewal(made, later)
    return customer, await rig.call(rig.client.v1.subscriptions.retrieve, made.id)


async def test_a_pause_stops_the_renewals_and_gives_credit_for_the_rest(rig):
    customer = await rig.customer()
    made = await rig.subscription(customer)
    await rig.advance(10 * DAY)
    paused = await rig.call(rig.client.v1.subscriptions.pause, made.id)
    assert (paused.status, reason(paused)) == ("paused", "pause_requested")
    assert types_of(await rig.events_of(customer.id))[-1] == "customer.subscription.paused"
    await rig.advance(60 * DAY)
    assert await rig.status_of(made.id) == "paused"
    body = {
        "payment_behavior": "resume_on_payment_success",
        "billing_cycle_anchor": {"type": "now"},
    }
    resumed = await rig.call(rig.client.v1.subscriptions.resume, made.id, body)
    assert (resumed.status, resumed.status_details) == ("active", None)
    invoice = await rig.latest_invoice(made.id)
    assert invoice.status == "paid"
    assert 0 < invoice.total < 2000  # the month, less what was paid and not used
    events = types_of(await rig.events_of(customer.id))
    assert events[-1] == "customer.subscription.resumed"


async def test_without_credit_the_resumption_costs_a_month(rig):
    made = await rig.subscription()
    body = {"bill_for": {"unused_time_from": {"type": "none"}}}
    await rig.call(rig.client.v1.subscriptions.pause, made.id, body)
    await rig.advance(40 * DAY)
    resumed = await rig.call(rig.client.v1.subscriptions.resume, made.id)
    assert resumed.status == "paused"  # nobody has tried to collect the invoice
    invoice = await rig.latest_invoice(made.id)
    assert (invoice.status, invoice.total, invoice.attempted) == ("open", 2000, False)
    await rig.call(rig.client.v1.invoices.pay, invoice.id)
    assert await rig.status_of(made.id) == "active"


async def test_within_its_period_a_pause_ends_without_an_invoice(rig):
    made = await rig.subscription()
    await rig.call(rig.client.v1.subscriptions.pause, made.id)
    body = {"billing_cycle_anchor": {"type": "unchanged"}}
    resumed = await rig.call(rig.client.v1.subscriptions.resume, made.id, body)
    assert resumed.status == "active"
    assert resumed.latest_invoice == made.latest_invoice


async def test_a_resumption_that_nobody_pays_lapses(rig):
    customer = await rig.customer()
    made = await rig.subscription(customer)
    body = {"bill_for": {"unused_time_from": {"type": "none"}}}
    await rig.call(rig.client.v1.subscriptions.pause, made.id, body)
    await rig.advance(40 * DAY)
    await rig.call(rig.client.v1.subscriptions.resume, made.id)
    await rig.advance(23 * HOUR)
    assert await rig.status_of(made.id) == "paused"
    assert (await rig.latest_invoice(made.id)).status == "void"
    with pytest.raises(stripe.InvalidRequestError, match="already paused"):
        await rig.call(rig.client.v1.subscriptions.pause, made.id)


@pytest.mark.parametrize("after", ["unpaid", "past_due", "canceled"])
async def test_retries_end_as_the_account_says(rig, dunning, after):
    await dunning(retry_days=[2, 4], after_retries=after)
    _, found = await renewed_in_vain(rig)
    assert found.status == "past_due"
    await rig.advance(4 * DAY)
    assert await rig.status_of(found.id) == after
    invoice = await rig.latest_invoice(found.id)
    assert (invoice.attempt_count, invoice.next_payment_attempt) == (3, None)


async def test_a_pause_after_the_last_retry(rig, dunning):
    await dunning(retry_days=[1], after_retries="paused")
    _, found = await renewed_in_vain(rig, 2 * DAY)
    assert (found.status, reason(found)) == ("paused", "final_payment_failure")
    assert (await rig.latest_invoice(found.id)).status == "open"


async def test_a_pause_after_the_first_failure_ends_with_its_payment(rig, dunning):
    await dunning(pause_after_first_failure=True, resume_when_paid=True)
    customer, found = await renewed_in_vain(rig)
    assert (found.status, reason(found)) == ("paused", "first_payment_failure")
    await rig.behaves(customer.id, "ok", pay_open=True)
    assert await rig.status_of(found.id) == "active"
    assert "customer.subscription.resumed" in types_of(await rig.events_of(customer.id))


async def test_settings_that_make_no_sense_are_named(rig):
    for wrong in ({"retry_days": [3, 1]}, {"after_retries": "gone"}, {"hurry": True}):
        await rig.post("/control/billing", wrong, status=400)


async def test_a_trials_end_is_decided_while_it_runs(rig):
    customer = await rig.customer()
    await rig.behaves(customer.id, "missing")
    made = await rig.subscription(customer, trial_period_days=5)
    body = {"trial_settings": {"end_behavior": {"missing_payment_method": "pause"}}}
    await rig.call(rig.client.v1.subscriptions.update, made.id, body)
    await rig.advance(5 * DAY + HOUR)
    found = await rig.call(rig.client.v1.subscriptions.retrieve, made.id)
    assert (found.status, reason(found)) == ("paused", "trial_end_without_payment_method")
