"""Events about payments, refunds, discounts and schedules: each ends as a fact or as a read."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from plumbline_connectors.stripe.paths import READABLE
from plumbline_connectors.stripe.translate import StripeContext, Translated, translate_event
from plumbline_schemas.billing import Charge, CreditNote, Invoice, PaymentMethod
from plumbline_schemas.ids import split_key

CONTEXT = StripeContext("acme", "stripe", livemode=False)
NOW = datetime(2026, 11, 20, tzinfo=UTC)
CARD = {"brand": "visa", "exp_month": 8, "exp_year": 2027}
PAYMENT_METHOD = {
    "id": "pm_1", "object": "payment_method", "type": "card", "card": CARD, "customer": "cus_1",
}  # fmt: skip
CHARGE = {
    "id": "ch_1", "object": "charge", "customer": "cus_1", "amount": 900, "amount_captured": 900,
    "amount_refunded": 250, "currency": "USD", "status": "succeeded", "payment_intent": "pi_1",
}  # fmt: skip
NOTE = {
    "id": "cn_1", "object": "credit_note", "customer": "cus_1", "invoice": "in_1", "amount": 700,
    "currency": "usd", "post_payment_amount": 600, "pre_payment_amount": 100, "status": "issued",
}  # fmt: skip
DISCOUNT = {"id": "di_1", "object": "discount", "customer": "cus_1"}
SCHEDULE = {"id": "ss_1", "object": "subscription_schedule", "customer": "cus_1"}


def translate(obj: dict[str, Any], kind: str, previous: Any = None) -> Translated:
    event = {
        "id": "evt_1", "object": "event", "type": kind, "created": 1_790_000_000,
        "livemode": False, "data": {"object": obj, "previous_attributes": previous},
    }  # fmt: skip
    return translate_event(json.dumps(event).encode(), CONTEXT, received_at=NOW)


def body(obj: dict[str, Any], kind: str) -> Any:
    (seen,) = translate(obj, kind).observations
    assert seen.parent_key == "acme/stripe/customer/cus_1"
    return seen.body


@pytest.mark.parametrize("event", ["charge.refunded", "charge.updated", "charge.succeeded"])
def test_a_charge_says_what_was_given_back(event: str) -> None:
    found = body(CHARGE, event)
    assert isinstance(found, Charge)
    assert (found.amount, found.amount_refunded, found.currency) == (900, 250, "usd")
    older = {**CHARGE, "invoice": {"id": "in_1"}, "captured": True}
    del older["amount_captured"]
    found = body(older, event)
    assert (found.invoice, found.amount_captured) == ("in_1", 900)
    told = [body({**CHARGE, **form}, event).invoiced for form in ({}, {"invoice": None})]
    assert (told, found.invoiced) == ([None, False], True)
    assert body({**older, "captured": False}, event).amount_captured == 0
    assert translate({**CHARGE, "customer": None}, event) == Translated(skipped="no_customer")


@pytest.mark.parametrize(
    ("form", "refunds", "amount"),
    [
        ({"refunds": [{"amount_refunded": 600, "refund": "re_1"}]}, ("re_1",), 600),
        ({"refunds": [{"amount_refunded": 200, "refund": {"id": "re_1"}}, {
            "amount_refunded": 300, "refund": "re_2"}]}, ("re_1", "re_2"), 500),
        ({"refunds": [{"id": "re_1", "object": "refund", "amount": 5}]}, ("re_1",), 5),
        ({"refunds": []}, (), 0),
        ({"refund": None}, (), 0),
        ({"refund": "re_1"}, ("re_1",), None),
        ({"refund": {"id": "re_1", "amount": 600}}, ("re_1",), 600),
        ({"refund": "re_1", "refunds": [{"amount_refunded": 9, "refund": "re_1"}]}, ("re_1",), 9),
        ({}, (), None),
    ],
)  # fmt: skip
def test_a_credit_note_names_the_refunds_that_paid_it(
    form: dict[str, Any], refunds: tuple[str, ...], amount: int | None
) -> None:
    for event in ("credit_note.created", "credit_note.updated", "credit_note.voided"):
        found = body({**NOTE, **form}, event)
        assert isinstance(found, CreditNote)
        assert (found.refunds, found.refunded_amount) == (refunds, amount)
        assert (found.pre_payment_amount, found.post_payment_amount) == (100, 600)


@pytest.mark.parametrize("event", ["attached", "updated", "automatically_updated"])
def test_a_payment_method_says_when_its_card_ends(event: str) -> None:
    found = body(PAYMENT_METHOD, f"payment_method.{event}")
    assert found == PaymentMethod(type="card", exp_month=8, exp_year=2027)
    debit = {**PAYMENT_METHOD, "type": "sepa_debit", "card": None}
    assert body(debit, f"payment_method.{event}") == PaymentMethod(type="sepa_debit")
    free = {**PAYMENT_METHOD, "customer": None}
    assert translate(free, f"payment_method.{event}") == Translated(skipped="no_customer")


def test_cards_and_sources_of_older_days_are_payment_methods() -> None:
    card = {"id": "card_1", "object": "card", "customer": "cus_1", **CARD}
    (seen,) = translate(card, "customer.source.updated").observations
    assert seen.key == "acme/stripe/payment_method/card_1"
    assert seen.body == PaymentMethod(type="card", exp_month=8, exp_year=2027)
    source = {"id": "src_1", "object": "source", "customer": "cus_1", "type": "card", "card": CARD}
    (seen,) = translate(source, "customer.source.created").observations
    assert (seen.id, seen.body) == (
        "src_1", PaymentMethod(type="card", exp_month=8, exp_year=2027),
    )  # fmt: skip
    bank = {"id": "ba_1", "object": "bank_account", "customer": "cus_1"}
    assert body(bank, "customer.source.expiring") == PaymentMethod(type="bank_account")
    (gone,) = translate(card, "customer.source.deleted").observations
    assert gone.deleted


def test_a_detached_payment_method_is_gone_from_the_customer_it_was_of() -> None:
    free = {**PAYMENT_METHOD, "customer": None}
    (seen,) = translate(free, "payment_method.detached", {"customer": "cus_1"}).observations
    assert (seen.deleted, seen.parent_key) == (True, "acme/stripe/customer/cus_1")
    (seen,) = translate(free, "payment_method.detached").observations
    assert (seen.deleted, seen.parent_key) == (True, None)


@pytest.mark.parametrize("kind", ["coupon", "tax_rate"])
def test_the_catalogue_is_observed(kind: str) -> None:
    for event in ("created", "updated"):
        (seen,) = translate({"id": "x_1", "object": kind}, f"{kind}.{event}").observations
        assert (seen.key, seen.parent_key) == (f"acme/stripe/{kind}/x_1", None)
        assert not seen.deleted
    (seen,) = translate({"id": "x_1", "object": kind}, f"{kind}.deleted").observations
    assert seen.deleted
    assert seen.body is not None


@pytest.mark.parametrize(
    ("obj", "event", "read"),
    [
        ({**DISCOUNT, "subscription": "sub_1"}, "customer.discount.created", "subscription/sub_1"),
        ({**DISCOUNT, "subscription": None}, "customer.discount.deleted", "customer/cus_1"),
        ({**DISCOUNT, "subscription_item": "si_1"}, "customer.discount.updated",
         "subscription_item/si_1"),
        ({**DISCOUNT, "invoice": "in_1"}, "customer.discount.created", "no_holder"),
        ({"id": "re_1", "object": "refund", "charge": "ch_1"}, "refund.created", "charge/ch_1"),
        ({"id": "re_1", "object": "refund", "charge": {"id": "ch_1"}}, "refund.failed",
         "charge/ch_1"),
        ({"id": "re_1", "object": "refund", "charge": "ch_1"}, "charge.refund.updated",
         "charge/ch_1"),
        ({"id": "re_1", "object": "refund", "charge": None}, "refund.updated", "no_charge"),
        ({**SCHEDULE, "subscription": "sub_1"}, "subscription_schedule.updated",
         "subscription/sub_1"),
        ({**SCHEDULE, "subscription": None, "released_subscription": "sub_2"},
         "subscription_schedule.released", "subscription/sub_2"),
        ({**SCHEDULE, "subscription": None}, "subscription_schedule.created", "no_subscription"),
        ({"id": "promo_1", "object": "promotion_code", "coupon": {"id": "co_1"}},
         "promotion_code.created", "coupon/co_1"),
        ({"id": "promo_1", "object": "promotion_code", "promotion": {"coupon": "co_1"}},
         "promotion_code.updated", "coupon/co_1"),
        ({"id": "inpay_1", "object": "invoice_payment", "invoice": "in_1"},
         "invoice_payment.paid", "invoice/in_1"),
    ],
)  # fmt: skip
def test_what_is_not_kept_leads_to_what_is(obj: dict[str, Any], event: str, read: str) -> None:
    found = translate(obj, event)
    assert found.observations == ()
    if "/" not in read:
        assert found == Translated(skipped=read)
        return
    (wanted,) = found.reads
    assert wanted == (f"acme/stripe/{read}", event)
    assert split_key(wanted.key).kind in READABLE


def thin(kind: str, object_id: str | None, url: str = "") -> Translated:
    event = {
        "id": "evt_2", "object": "v2.core.event", "type": f"v1.{kind}.x", "livemode": False,
        "created": "2026-11-20T10:00:00Z",
        "related_object": {"id": object_id, "type": kind, "url": url},
    }  # fmt: skip
    return translate_event(json.dumps(event).encode(), CONTEXT, received_at=NOW)


@pytest.mark.parametrize(
    "kind",
    ["charge", "coupon", "credit_note", "invoice_payment", "payment_method", "promotion_code",
     "refund", "subscription_schedule", "tax_rate"],
)  # fmt: skip
def test_thin_events_name_what_to_read(kind: str) -> None:
    (wanted,) = thin(kind, "x_1").reads
    assert wanted.key == f"acme/stripe/{kind}/x_1"
    assert kind in READABLE


def test_thin_events_of_cards_and_discounts() -> None:
    assert thin("card", "card_1").reads[0].key == "acme/stripe/payment_method/card_1"
    (wanted,) = thin("discount", None, "/v1/customers/cus_1/discount").reads
    assert wanted.key == "acme/stripe/customer/cus_1"
    (wanted,) = thin("discount", None, "/v1/subscriptions/sub_1/discount").reads
    assert wanted.key == "acme/stripe/subscription/sub_1"
    assert thin("discount", None).skipped == "unhandled_type"
    assert thin("discount", "di_1").skipped == "unhandled_type"


def invoice(**more: Any) -> Invoice:
    obj = {"id": "in_1", "object": "invoice", "customer": "cus_1", "total": 1_200, **more}
    found = body(obj, "invoice.paid")
    assert isinstance(found, Invoice)
    return found


@pytest.mark.parametrize(
    ("told", "net"),
    [
        ({"total_excluding_tax": 1_000, "tax": 7}, 1_000),
        ({"tax": 200}, 1_000),
        ({"tax": None, "total_tax_amounts": [{"amount": 150}, {"amount": 50}]}, 1_000),
        ({"total_taxes": [{"amount": 200}]}, 1_000),
        ({"total_taxes": []}, 1_200),
        ({"total_excluding_tax": 0}, 0),
        ({}, None),
        ({"tax": None, "total_taxes": None}, None),
    ],
)
def test_what_an_invoice_comes_to_without_tax(told: dict[str, Any], net: int | None) -> None:
    assert invoice(**told).total_excluding_tax == net


def test_lines_of_either_form() -> None:
    old = {
        "amount": -5, "subscription_item": "si_1", "price": {"id": "price_1"}, "proration": True,
        "period": {"start": 1, "end": 2},
    }  # fmt: skip
    of_item = {"subscription_item": "si_1", "proration": True}
    new = {
        "amount": -5, "period": {"start": 1, "end": 2},
        "parent": {"subscription_item_details": of_item, "invoice_item_details": None},
        "pricing": {"price_details": {"price": "price_1"}},
    }  # fmt: skip
    extra = {"amount": 9, "parent": {"invoice_item_details": {"proration": False}}, "pricing": None}
    found = invoice(lines={"data": [old, new, extra], "has_more": True})
    first, second, third = found.lines
    assert first == second
    assert (first.subscription_item, first.price, first.amount, first.proration) == (
        "si_1", "price_1", -5, True,
    )  # fmt: skip
    assert (third.subscription_item, third.price, third.amount) == (None, None, 9)
    assert found.lines_truncated
    assert invoice().lines == ()
