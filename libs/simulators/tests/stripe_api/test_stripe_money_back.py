"""Charges, refunds, credit notes and disputes."""

import pytest
import stripe

ACACIA = "2024-09-30.acacia"


async def paid(rig):
    """A subscription, its first invoice and the charge that paid it."""
    made = await rig.subscription()
    charges = await rig.call(rig.client.v1.charges.list, {"customer": made.customer})
    return made, await rig.latest_invoice(made.id), charges.data[0]


async def types_of(rig, customer):
    return [event["type"] for event in await rig.events_of(customer)]


async def test_every_payment_leaves_a_charge(rig):
    made, invoice, charge = await paid(rig)
    assert (charge.amount, charge.amount_captured, charge.status) == (2000, 2000, "succeeded")
    assert charge.amount_refunded == 0
    intents = await rig.call(rig.client.v1.payment_intents.list, {"customer": made.customer})
    assert charge.payment_intent == intents.data[0].id
    assert intents.data[0].latest_charge == charge.id
    assert "invoice" not in charge
    old = await rig.raw(f"/v1/charges/{charge.id}", ACACIA)
    assert old["invoice"] == invoice.id
    old = await rig.raw(f"/v1/invoices/{invoice.id}", ACACIA)
    assert old["charge"] == charge.id
    assert "charge.succeeded" in await types_of(rig, made.customer)


async def test_a_declined_attempt_is_a_failed_charge(rig):
    customer = await rig.customer(payment_method="pm_card_chargeCustomerFail")
    await rig.subscription(customer)
    charges = await rig.call(rig.client.v1.charges.list, {"customer": customer.id})
    assert [(one.status, one.amount_captured) for one in charges.data] == [("failed", 0)]
    assert charges.data[0].failure_code == "card_declined"
    assert "charge.failed" in await types_of(rig, customer.id)


async def test_refunds_add_up_to_the_charge(rig):
    made, _, charge = await paid(rig)
    refunds = rig.client.v1.refunds
    first = await rig.call(refunds.create, {"charge": charge.id, "amount": 500})
    assert (first.status, first.charge) == ("succeeded", charge.id)
    partly = await rig.call(rig.client.v1.charges.retrieve, charge.id)
    assert (partly.amount_refunded, partly.refunded) == (500, False)
    with pytest.raises(stripe.InvalidRequestError, match="greater than charge amount"):
        await rig.call(refunds.create, {"charge": charge.id, "amount": 1600})
    await rig.call(refunds.create, {"payment_intent": charge.payment_intent})
    whole = await rig.call(rig.client.v1.charges.retrieve, charge.id, {"expand": ["refunds"]})
    assert (whole.amount_refunded, whole.refunded) == (2000, True)
    assert [one.amount for one in whole.refunds.data] == [1500, 500]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await rig.call(refunds.create, {"charge": charge.id})
    assert refused.value.code == "charge_already_refunded"
    seen = await types_of(rig, made.customer)
    assert seen.count("refund.created") == seen.count("charge.refunded") == 2


async def test_a_credit_note_of_a_paid_invoice_refunds(rig):
    made, invoice, charge = await paid(rig)
    line = invoice.lines.data[0].id
    note = await rig.call(
        rig.client.v1.credit_notes.create,
        {
            "invoice": invoice.id,
            "lines": [{"type": "invoice_line_item", "invoice_line_item": line, "amount": 700}],
            "refund_amount": 400,
            "credit_amount": 300,
        },
    )
    assert (note.amount, note.post_payment_amount, note.pre_payment_amount) == (700, 700, 0)
    assert note.refunds[0].amount_refunded == 400
    assert note.lines.data[0].invoice_line_item == line
    after = await rig.call(rig.client.v1.invoices.retrieve, invoice.id)
    assert after.post_payment_credit_notes_amount == 700
    assert (await rig.call(rig.client.v1.charges.retrieve, charge.id)).amount_refunded == 400
    assert (await rig.call(rig.client.v1.customers.retrieve, made.customer)).balance == -300
    old = await rig.raw(f"/v1/credit_notes/{note.id}", ACACIA)
    assert old["refund"] == note.refunds[0].refund
    assert "refunds" not in old
    await rig.reach_renewal(made, 2 * 3600)
    assert (await rig.latest_invoice(made.id)).amount_paid == 1700
    assert (await rig.call(rig.client.v1.customers.retrieve, made.customer)).balance == 0


async def test_a_credit_note_of_an_open_invoice_makes_it_owe_less(rig):
    made = await rig.subscription(collection_method="send_invoice", days_until_due=30)
    draft = await rig.latest_invoice(made.id)
    await rig.call(rig.client.v1.invoices.finalize_invoice, draft.id)
    notes = rig.client.v1.credit_notes
    note = await rig.call(notes.create, {"invoice": draft.id, "amount": 1500})
    assert (note.pre_payment_amount, note.post_payment_amount) == (1500, 0)
    after = await rig.call(rig.client.v1.invoices.retrieve, draft.id)
    assert (after.status, after.amount_remaining, after.total) == ("open", 500, 2000)
    assert (await rig.call(notes.void_credit_note, note.id)).status == "void"
    again = await rig.call(rig.client.v1.invoices.retrieve, draft.id)
    assert (again.amount_remaining, again.pre_payment_credit_notes_amount) == (2000, 0)
    await rig.call(notes.create, {"invoice": draft.id, "amount": 2000})
    assert (await rig.call(rig.client.v1.invoices.retrieve, draft.id)).status == "paid"
    seen = await types_of(rig, made.customer)
    assert seen.count("credit_note.created") == 2
    assert seen.count("credit_note.voided") == 1
    listed = await rig.call(notes.list, {"invoice": draft.id})
    assert [one.status for one in listed.data] == ["issued", "void"]


async def test_credit_must_be_accounted_for(rig):
    _, invoice, _ = await paid(rig)
    with pytest.raises(stripe.InvalidRequestError, match="must equal"):
        await rig.call(rig.client.v1.credit_notes.create, {"invoice": invoice.id, "amount": 100})


@pytest.mark.parametrize("outcome", ["won", "lost"])
async def test_disputes_are_opened_and_decided(rig, outcome):
    _, _, charge = await paid(rig)
    dispute = await rig.post(f"/control/charges/{charge.id}/dispute", {"reason": "duplicate"})
    assert (dispute["status"], dispute["amount"]) == ("needs_response", 2000)
    assert (await rig.call(rig.client.v1.charges.retrieve, charge.id)).disputed is True
    asked = {"evidence": {"uncategorized_text": "They used it."}, "submit": True}
    answered = await rig.call(rig.client.v1.disputes.update, dispute["id"], asked)
    assert answered.status == "under_review"
    await rig.post(f"/control/disputes/{dispute['id']}/close", {"outcome": outcome})
    closed = await rig.call(rig.client.v1.disputes.retrieve, dispute["id"])
    assert closed.status == outcome
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        await rig.call(rig.client.v1.disputes.close, dispute["id"])
