"""Rows about statuses, invoices, taxes, payments and changes (38 to 63, 69 to 74)."""

from typing import Any, Final

from plumbline_simulators.shapes.pieces import (
    AT,
    DAY,
    PERIOD_END,
    PERIOD_START,
    Json,
    customer,
    extra_line,
    invoice,
    item,
    line,
    price,
    subscription,
    tax_rate,
)
from plumbline_simulators.shapes.shape import ENDIVE, Shape

_SENT: Final[Json] = {
    "collection_method": "send_invoice",
    "due_date": AT + 14 * DAY,
    "status": "open",
}
_INCLUSIVE: Final = tax_rate(20, inclusive=True)
_EXCLUSIVE: Final = tax_rate(20, inclusive=False)


def _taxes(behavior: str, net: int) -> list[Json]:
    return [{"amount": 2_000, "tax_behavior": behavior, "taxable_amount": net, "type": "x"}]


def _sub(row: str, title: str, *beside: Json, **more: Any) -> Shape:
    return Shape(row, title, (subscription(**more), *beside, customer()))


def _charge(**more: Any) -> Json:
    made: Json = {
        "id": "ch_1",
        "object": "charge",
        "amount": 10_000,
        "amount_captured": 10_000,
        "amount_refunded": 0,
        "captured": True,
        "created": PERIOD_START,
        "currency": "usd",
        "customer": "cus_1",
        "disputed": False,
        "livemode": True,
        "payment_intent": "pi_1",
        "refunded": False,
        "status": "succeeded",
    }
    return made | more


_REFUND: Final = {"id": "re_1", "object": "refund", "amount": 1_500, "charge": "ch_1"}
_CREDIT_NOTE: Final[Json] = {
    "id": "cn_1",
    "object": "credit_note",
    "amount": 1_500,
    "created": AT - DAY,
    "currency": "usd",
    "customer": "cus_1",
    "invoice": "in_1",
    "livemode": True,
    "post_payment_amount": 1_500,
    "pre_payment_amount": 0,
    "refunds": [{"amount_refunded": 1_500, "refund": _REFUND, "type": "refund"}],
    "status": "issued",
}
_TRIAL: Final = {"trial_start": AT - 3 * DAY, "trial_end": AT + 11 * DAY}
_ITEM_TRIAL: Final = {"start_date": AT - DAY, "end_date": AT + DAY, "trial_offer": "to_1"}
_PAUSED: Final = {
    "paused": {
        "type": "subscription",
        "transitioned_at": AT - DAY,
        "subscription": {"type": "final_payment_failure"},
    }
}
_UPGRADE: Final = invoice(
    7_000, [line(-5_000, proration=True), line(12_000, proration=True, of="price_2")]
)

STATES: Final = (
    _sub("38", "trialing", status="trialing", **_TRIAL),
    Shape(
        "38b",
        "an item in a trial of its own",
        (subscription(item(price(), current_trial=_ITEM_TRIAL)), customer()),
        since=ENDIVE,
    ),
    _sub("39", "a trial ended without a card", status="paused", trial_end=AT - DAY),
    Shape(
        "39b",
        "paused by a payment failure",
        (subscription(status="paused", status_details=_PAUSED), customer()),
        since=ENDIVE,
    ),
    _sub(
        "40a",
        "incomplete",
        invoice(status="open", attempted=True, attempt_count=1),
        status="incomplete",
    ),
    _sub("40b", "incomplete_expired", status="incomplete_expired", ended_at=AT - DAY),
    _sub(
        "41",
        "past_due",
        invoice(status="open", attempted=True, attempt_count=2, next_payment_attempt=AT + DAY),
        status="past_due",
    ),
    _sub("42", "unpaid", invoice(status="open", attempted=True, attempt_count=4), status="unpaid"),
    _sub("43", "canceled", status="canceled", ended_at=AT - DAY, canceled_at=AT - DAY),
    _sub(
        "44",
        "cancel at period end",
        cancel_at_period_end=True,
        cancel_at=PERIOD_END,
        canceled_at=AT - DAY,
    ),
    _sub("45", "cancel at a future date", cancel_at=AT + 40 * DAY, canceled_at=AT - DAY),
    _sub("46", "a cancellation undone", canceled_at=None),
    _sub("47a", "collection paused, void", pause_collection={"behavior": "void"}),
    _sub(
        "47b",
        "collection paused until a day",
        pause_collection={"behavior": "keep_as_draft", "resumes_at": AT + 9 * DAY},
    ),
    _sub(
        "48",
        "sent, first invoice open",
        invoice(**_SENT, billing_reason="subscription_create"),
        collection_method="send_invoice",
        start_date=PERIOD_START,
    ),
    _sub("49", "sent, renewal open", invoice(**_SENT), collection_method="send_invoice"),
    _sub(
        "50",
        "exclusive tax 20 %",
        invoice(12_000, total_excluding_tax=10_000, total_taxes=_taxes("exclusive", 10_000)),
        default_tax_rates=[_EXCLUSIVE],
    ),
    Shape(
        "51a",
        "inclusive tax 20 % of the item",
        (
            subscription(item(price(amount=12_000), tax_rates=[_INCLUSIVE])),
            invoice(12_000, total_excluding_tax=10_000, total_taxes=_taxes("inclusive", 10_000)),
            _INCLUSIVE,
            customer(),
        ),
    ),
    Shape(
        "51b",
        "inclusive under automatic tax",
        (
            subscription(
                item(price(amount=12_000, tax_behavior="inclusive")),
                automatic_tax={"enabled": True, "liability": {"type": "self"}},
            ),
            invoice(12_000, total_excluding_tax=10_000, total_taxes=_taxes("inclusive", 10_000)),
            customer(),
        ),
    ),
    _sub("52", "one-off 500 on the renewal", invoice(60_000, [line(10_000), extra_line(50_000)])),
    Shape(
        "53",
        "nothing but a one-time payment",
        (invoice(50_000, [extra_line(50_000)], parent=None), customer()),
    ),
    Shape(
        "54",
        "a manual invoice",
        (
            invoice(
                30_000, [extra_line(30_000)], parent=None, billing_reason="manual", status="open"
            ),
            customer(),
        ),
    ),
    Shape(
        "55",
        "an upgrade with proration",
        (subscription(item(price("price_2", 15_000))), _UPGRADE, customer()),
    ),
    Shape(
        "56",
        "a downgrade with a credit line",
        (
            subscription(item(price("price_2", 5_000))),
            invoice(0, [line(-4_000, proration=True), line(2_000, proration=True)]),
            customer(),
        ),
    ),
    Shape(
        "57",
        "a swap without an invoice",
        (subscription(item(price("price_2", 15_000)), latest_invoice="in_1"), customer()),
    ),
    _sub("58", "a partial refund", invoice(), _charge(amount_refunded=1_500)),
    _sub(
        "59",
        "a credit note",
        invoice(post_payment_credit_notes_amount=1_500),
        _charge(amount_refunded=1_500),
        _CREDIT_NOTE,
    ),
    _sub("60", "a backdated start", start_date=AT - 400 * DAY),
    _sub("61", "a future start", start_date=AT + 10 * DAY, schedule="sub_sched_1"),
    _sub("62", "a schedule with a later phase at 200", schedule="sub_sched_1"),
    _sub(
        "63",
        "a pending update",
        pending_update={"expires_at": AT + DAY, "subscription_items": [{"id": "si_1"}]},
    ),
    _sub(
        "69",
        "new and churned in one month",
        start_date=AT - 15 * DAY,
        status="canceled",
        ended_at=AT - DAY,
    ),
    Shape(
        "70",
        "reactivation",
        (
            subscription(id="sub_0", status="canceled", ended_at=AT - 50 * DAY),
            subscription(start_date=AT - 2 * DAY),
            customer(),
        ),
    ),
    _sub("71", "a lost dispute", invoice(), _charge(disputed=True)),
    _sub("72", "an application fee", invoice(), application_fee_percent=10),
    Shape(
        "73",
        "test mode",
        (subscription(livemode=False), customer(livemode=False)),
        livemode=False,
    ),
    Shape(
        "74",
        "two customers of one domain",
        (
            subscription(),
            subscription(item(price(amount=5_000), id="si_2"), id="sub_2", customer="cus_2"),
            customer(),
            customer("cus_2", email="bob@acme.example"),
        ),
    ),
)
