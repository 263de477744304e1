"""Stripe's shapes, version by version, in our words."""

import copy
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from plumbline_connectors.stripe.translate import (
    ReadWanted,
    StripeContext,
    Translated,
    Untranslatable,
    translate_event,
    translate_object,
)
from plumbline_schemas.billing import BillingCustomer, Invoice, Subscription
from plumbline_schemas.catalogue import Price
from plumbline_schemas.ids import ExternalKey
from plumbline_schemas.observations import decode_observation, encode_observation

CONTEXT = StripeContext("acme", "stripe", livemode=False)
RECEIVED = datetime(2026, 11, 20, 12, tzinfo=UTC)
CREATED = 1_790_000_000
START, END = 1_789_000_000, 1_791_592_000

PRICE: dict[str, Any] = {
    "id": "price_1",
    "object": "price",
    "active": True,
    "billing_scheme": "per_unit",
    "currency": "usd",
    "livemode": False,
    "lookup_key": "pro_monthly",
    "nickname": "Pro",
    "product": "prod_1",
    "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"},
    "tax_behavior": "exclusive",
    "tiers_mode": None,
    "transform_quantity": None,
    "type": "recurring",
    "unit_amount": 10_000,
    "unit_amount_decimal": "10000",
}
PLAN: dict[str, Any] = {
    "id": "price_1",
    "object": "plan",
    "active": True,
    "amount": 10_000,
    "amount_decimal": "10000",
    "billing_scheme": "per_unit",
    "currency": "usd",
    "interval": "month",
    "interval_count": 1,
    "nickname": "Pro",
    "product": "prod_1",
    "usage_type": "licensed",
}
COMMON: dict[str, Any] = {
    "id": "sub_1",
    "object": "subscription",
    "livemode": False,
    "status": "active",
    "currency": "usd",
    "customer": "cus_1",
    "created": START,
    "start_date": START,
    "cancel_at_period_end": False,
    "collection_method": "charge_automatically",
    "latest_invoice": "in_1",
    "default_tax_rates": [],
}
ITEM: dict[str, Any] = {
    "id": "si_1",
    "object": "subscription_item",
    "created": START,
    "quantity": 2,
}
PERIOD = {"current_period_start": START, "current_period_end": END}


def items(*rows: dict[str, Any], has_more: bool = False) -> dict[str, Any]:
    return {"object": "list", "data": list(rows), "has_more": has_more, "url": "/v1/x"}


SUBSCRIPTIONS: dict[str, dict[str, Any]] = {
    "2019-plan": {**COMMON, **PERIOD, "items": items({**ITEM, "plan": PLAN}), "discount": None},
    "2024-09-30.acacia": {
        **COMMON,
        **PERIOD,
        "discount": {"id": "di_1", "object": "discount", "coupon": {"id": "co_1"}},
        "items": items({**ITEM, "price": PRICE, "plan": PLAN}),
        "plan": PLAN,
    },
    "2025-03-31.basil": {
        **COMMON,
        "discounts": ["di_1"],
        "items": items({**ITEM, **PERIOD, "discounts": [], "price": PRICE, "plan": PLAN}),
    },
    "2025-09-30.clover": {
        **COMMON,
        "customer": {"id": "cus_1", "object": "customer"},
        "customer_account": None,
        "discounts": [{"id": "di_1", "source": {"type": "coupon", "coupon": "co_1"}}],
        "items": items({**ITEM, **PERIOD, "price": PRICE}),
        "latest_invoice": {"id": "in_1", "object": "invoice"},
    },
    "2026-03-25.dahlia": {
        **COMMON,
        "billing_schedules": [],
        "discounts": ["di_1"],
        "items": items({**ITEM, **PERIOD, "billed_until": END, "price": PRICE}),
    },
    "2026-10-28.endive": {
        **COMMON,
        "discounts": ["di_1"],
        "items": items({**ITEM, **PERIOD, "current_trial": None, "price": PRICE}),
        "status_details": None,
    },
    "2031-01-01.unheard": {
        **COMMON,
        "discounts": ["di_1"],
        "items": items({**ITEM, **PERIOD, "price": PRICE, "surprise": {"a": [1]}}),
    },
}
INVOICE: dict[str, Any] = {
    "id": "in_1",
    "object": "invoice",
    "livemode": False,
    "customer": "cus_1",
    "status": "open",
    "currency": "usd",
    "created": START,
    "amount_due": 10_000,
    "amount_paid": 0,
    "amount_remaining": 10_000,
    "total": 10_000,
    "attempted": True,
    "attempt_count": 1,
    "next_payment_attempt": END,
    "status_transitions": {"finalized_at": START, "paid_at": None},
}


def event(obj: Any, kind: str, **more: Any) -> bytes:
    data = {"object": obj}
    if "previous_attributes" in more:
        data["previous_attributes"] = more.pop("previous_attributes")
    body = {
        "id": "evt_1",
        "object": "event",
        "type": kind,
        "created": CREATED,
        "livemode": False,
        "api_version": "2026-10-28.endive",
        "data": data,
    }
    return json.dumps(body | more).encode()


def translate(obj: Any, kind: str, **more: Any) -> Translated:
    return translate_event(event(obj, kind, **more), CONTEXT, received_at=RECEIVED)


def refused(obj: Any, kind: str, **more: Any) -> Untranslatable:
    with pytest.raises(Untranslatable) as caught:
        translate(obj, kind, **more)
    return caught.value


@pytest.mark.parametrize("version", SUBSCRIPTIONS)
def test_a_subscription_says_the_same_in_every_version(version: str) -> None:
    obj = SUBSCRIPTIONS[version]
    (seen,) = translate(obj, "customer.subscription.updated", api_version=version).observations
    assert seen.key == "acme/stripe/subscription/sub_1"
    assert seen.parent_key == "acme/stripe/customer/cus_1"
    assert seen.vendor_time_ms == CREATED * 1000
    assert (seen.event_id, seen.api_version, seen.deleted) == ("evt_1", version, False)
    body = seen.body
    assert isinstance(body, Subscription)
    assert (body.status, body.latest_invoice) == ("active", "in_1")
    assert body.discounts == (() if version == "2019-plan" else ("di_1",))
    (item,) = body.items
    assert (item.item_id, item.quantity) == ("si_1", 2)
    assert item.current_period_start == datetime.fromtimestamp(START, UTC)
    assert item.current_period_end == datetime.fromtimestamp(END, UTC)
    assert item.price.unit_amount == 10_000
    assert item.price.recurring is not None
    assert item.price.recurring.interval == "month"
    assert item.price.lookup_key == (None if version == "2019-plan" else "pro_monthly")
    assert decode_observation(encode_observation(seen)) == seen


def test_a_subscription_with_nothing_but_a_plan() -> None:
    obj = {**COMMON, **PERIOD, "plan": PLAN, "quantity": 3}
    (seen,) = translate(obj, "customer.subscription.created").observations
    assert isinstance(seen.body, Subscription)
    (item,) = seen.body.items
    assert (item.item_id, item.quantity, item.price.price_id) == ("sub_1", 3, "price_1")


def test_a_canceled_subscription_is_a_last_state_not_a_deletion() -> None:
    obj = SUBSCRIPTIONS["2026-10-28.endive"] | {"status": "canceled", "ended_at": END}
    (seen,) = translate(obj, "customer.subscription.deleted").observations
    assert seen.deleted is False
    assert isinstance(seen.body, Subscription)
    assert seen.body.status == "canceled"


@pytest.mark.parametrize(
    ("cause", "failed"),
    [("final_payment_failure", True), ("first_payment_failure", True), ("pause_requested", False)],
)
def test_why_a_subscription_is_paused(cause: str, failed: bool) -> None:
    paused = {"type": "subscription", "transitioned_at": END, "subscription": {"type": cause}}
    obj = SUBSCRIPTIONS["2026-10-28.endive"] | {
        "status": "paused",
        "status_details": {"paused": paused},
    }
    (seen,) = translate(obj, "customer.subscription.paused").observations
    assert isinstance(seen.body, Subscription)
    assert seen.body.paused_by_payment_failure is failed


def test_pauses_inclusive_taxes_and_deleted_items() -> None:
    taxed = {**ITEM, **PERIOD, "price": PRICE, "tax_rates": [{"id": "txr_1", "inclusive": True}]}
    gone = {"id": "si_2", "object": "subscription_item", "deleted": True}
    obj = COMMON | {
        "items": items(taxed, gone),
        "pause_collection": {"behavior": "void", "resumes_at": END},
        "default_tax_rates": [{"id": "txr_2", "inclusive": False}],
    }
    (seen,) = translate(obj, "customer.subscription.updated").observations
    assert isinstance(seen.body, Subscription)
    assert [item.tax_rates_inclusive for item in seen.body.items] == [True]
    assert seen.body.tax_rates_inclusive is False
    assert seen.body.pause_collection is not None
    assert seen.body.pause_collection.behavior == "void"


def test_a_truncated_list_of_items_asks_for_a_read() -> None:
    obj = COMMON | {"items": items({**ITEM, "price": PRICE}, has_more=True)}
    translated = translate(obj, "customer.subscription.updated")
    assert isinstance(translated.observations[0].body, Subscription)
    assert translated.observations[0].body.items_truncated
    key = ExternalKey("acme/stripe/subscription/sub_1")
    assert translated.reads == (ReadWanted(key, "items_truncated"),)


@pytest.mark.parametrize(
    "naming",
    [
        {"subscription": "sub_1"},
        {"subscription": {"id": "sub_1", "object": "subscription"}},
        {"parent": {"type": "x", "subscription_details": {"subscription": "sub_1"}}},
        {"parent": {"type": "x", "subscription_details": {"subscription": {"id": "sub_1"}}}},
    ],
)
def test_an_invoice_names_its_subscription_in_either_place(naming: dict[str, Any]) -> None:
    (seen,) = translate(INVOICE | naming, "invoice.payment_failed").observations
    assert isinstance(seen.body, Invoice)
    assert seen.body.subscription == "sub_1"
    assert seen.body.finalized_at == datetime.fromtimestamp(START, UTC)
    assert seen.parent_key == "acme/stripe/customer/cus_1"


def test_an_invoice_beyond_doubles_and_its_reason() -> None:
    obj = INVOICE | {
        "amount_due": 9_007_199_254_740_993,
        "status": "uncollectible",
        "status_details": {"uncollectible": {"reason": "user_forgiven"}},
        "parent": None,
    }
    (seen,) = translate(obj, "invoice.marked_uncollectible").observations
    assert isinstance(seen.body, Invoice)
    assert seen.body.amount_due == 9_007_199_254_740_993
    assert seen.body.uncollectible_reason == "user_forgiven"
    assert seen.body.subscription is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"unit_amount": None, "unit_amount_decimal": "0.5"}, "0.5"),
        ({"unit_amount": 1, "unit_amount_decimal": "1.000000000001"}, "1.000000000001"),
        ({"unit_amount": 10_000, "unit_amount_decimal": "10000.000"}, "10000"),
        ({"unit_amount": 9_007_199_254_740_993, "unit_amount_decimal": None}, "9007199254740993"),
        ({"unit_amount": 0, "unit_amount_decimal": "0"}, "0"),
        ({"unit_amount_decimal": "-12.50"}, "-12.5"),
    ],
)
def test_prices_are_exact(changes: dict[str, Any], expected: str) -> None:
    (seen,) = translate(PRICE | changes, "price.updated").observations
    assert isinstance(seen.body, Price)
    assert str(seen.body.unit_amount) == expected


def test_a_float_in_json_never_becomes_one() -> None:
    body = event(PRICE | {"unit_amount_decimal": None}, "price.updated")
    body = body.replace(b'"unit_amount": 10000', b'"unit_amount": 0.1000000000000000055')
    (seen,) = translate_event(body, CONTEXT, received_at=RECEIVED).observations
    assert isinstance(seen.body, Price)
    assert seen.body.unit_amount == Decimal("0.1000000000000000055")


def test_a_tiered_one_time_price_and_an_embedded_product() -> None:
    changes = {
        "unit_amount": None,
        "unit_amount_decimal": None,
        "billing_scheme": "tiered",
        "recurring": None,
        "product": {"id": "prod_1", "object": "product", "name": "Pro plan"},
        "transform_quantity": {"divide_by": 10, "round": "up"},
        "currency": "USD",
    }
    (seen,) = translate(PRICE | changes, "price.created").observations
    assert isinstance(seen.body, Price)
    assert (seen.body.unit_amount, seen.body.recurring) == (None, None)
    assert (seen.body.product, seen.body.product_name) == ("prod_1", "Pro plan")
    assert seen.body.transform_quantity == {"divide_by": 10, "round": "up"}
    assert seen.body.currency == "usd"


def test_a_customer_with_the_configured_metadata_keys() -> None:
    obj = {
        "id": "cus_1",
        "object": "customer",
        "email": "ada@acme.example",
        "name": None,
        "business_name": "Acme\x00 Ltd",
        "currency": "EUR",
        "created": START,
        "metadata": {"hubspot": "901", "org": "Acme", "crm_id": "wrong"},
    }
    context = CONTEXT._replace(crm_id_key="hubspot", company_key="org")
    body = event(obj, "customer.updated")
    (seen,) = translate_event(body, context, received_at=RECEIVED).observations
    assert seen.parent_key is None
    assert isinstance(seen.body, BillingCustomer)
    assert (seen.body.crm_id, seen.body.company) == ("901", "Acme")
    assert (seen.body.name, seen.body.currency) == ("Acme Ltd", "eur")


@pytest.mark.parametrize("kind", ["customer", "product", "price", "invoice"])
def test_deletions_are_positive_and_final(kind: str) -> None:
    stub = {"id": "x_1", "object": kind, "deleted": True}
    (seen,) = translate(stub, f"{kind}.updated").observations
    assert (seen.deleted, seen.body, seen.parent_key) == (True, None, None)
    whole = {"customer": {}, "product": {}, "price": PRICE, "invoice": INVOICE}[kind]
    (seen,) = translate({**whole, "id": "x_1", "object": kind}, f"{kind}.deleted").observations
    assert seen.deleted
    assert seen.body is not None


def test_previous_attributes_in_our_words() -> None:
    obj = SUBSCRIPTIONS["2026-10-28.endive"] | {"status": "past_due"}
    former = copy.deepcopy(obj["items"]["data"][0]) | {"quantity": 1}
    previous = {
        "status": "active",
        "cancel_at": END,
        "items": {"data": [former]},
        "latest_invoice": None,
        "metadata": {"seen": "before"},
        "discounts": ["di_1"],
    }
    translated = translate(obj, "customer.subscription.updated", previous_attributes=previous)
    (seen,) = translated.observations
    assert seen.previous is not None
    assert set(seen.previous) == {"status", "cancel_at", "items", "latest_invoice"}
    stored = Subscription.model_validate(seen.body.model_dump(mode="json") | seen.previous)
    assert (stored.status, stored.items[0].quantity, stored.latest_invoice) == ("active", 1, None)
    assert stored.cancel_at == datetime.fromtimestamp(END, UTC)
    assert decode_observation(encode_observation(seen)).previous == seen.previous


def test_previous_attributes_of_hashes_older_shapes_and_nothing() -> None:
    moved = {"status": "draft", "status_transitions": {"finalized_at": None}}
    (seen,) = translate(INVOICE, "invoice.updated", previous_attributes=moved).observations
    assert seen.previous == {"status": "draft", "finalized_at": None}
    period = {"current_period_start": START - 5}
    acacia = SUBSCRIPTIONS["2024-09-30.acacia"]
    renewed = translate(acacia, "customer.subscription.updated", previous_attributes=period)
    assert renewed.observations[0].previous is not None
    assert set(renewed.observations[0].previous) == {"items"}
    same = translate(INVOICE, "invoice.updated", previous_attributes={"footer": None})
    assert same.observations[0].previous == {}
    odd = translate(INVOICE, "invoice.updated", previous_attributes={"created": "long ago"})
    assert odd.observations[0].previous is None
    assert translate(INVOICE, "invoice.paid").observations[0].previous is None


def test_an_invoice_payment_asks_for_its_invoice() -> None:
    payment = {"id": "inpay_1", "object": "invoice_payment", "invoice": "in_7"}
    translated = translate(payment, "invoice_payment.paid")
    key = ExternalKey("acme/stripe/invoice/in_7")
    assert translated == Translated(reads=(ReadWanted(key, "invoice_payment.paid"),))
    assert translate(payment | {"invoice": None}, "invoice_payment.paid").skipped == "no_invoice"


@pytest.mark.parametrize(
    ("obj", "kind", "reason"),
    [
        ({"id": "ch_1", "object": "charge"}, "charge.refunded", "no_customer"),
        ({"id": "dp_1", "object": "dispute"}, "charge.dispute.created", "unhandled_type"),
        ({"id": "x", "object": "never.heard.of"}, "never.heard", "unhandled_type"),
        ({"id": "x"}, "never.heard", "unhandled_type"),
        ({**INVOICE, "id": None}, "invoice.upcoming", "preview"),
        ({**INVOICE, "id": "upcoming_in_1"}, "invoice.updated", "preview"),
    ],
)
def test_counted_skips(obj: dict[str, Any], kind: str, reason: str) -> None:
    assert translate(obj, kind) == Translated(skipped=reason)


def test_thin_events_ask_for_reads() -> None:
    thin = {
        "id": "evt_2",
        "object": "v2.core.event",
        "type": "v1.customer.subscription.past_due",
        "created": "2026-11-20T10:00:00Z",
        "livemode": False,
        "related_object": {"id": "sub_1", "type": "subscription"},
    }
    translated = translate_event(json.dumps(thin).encode(), CONTEXT, received_at=RECEIVED)
    key = ExternalKey("acme/stripe/subscription/sub_1")
    assert translated.reads == (ReadWanted(key, "v1.customer.subscription.past_due"),)
    other = thin | {"related_object": {"id": "mtr_1", "type": "billing.meter"}}
    skipped = translate_event(json.dumps(other).encode(), CONTEXT, received_at=RECEIVED).skipped
    assert skipped == "unhandled_type"


@pytest.mark.parametrize(
    ("obj", "kind", "where"),
    [
        (COMMON | {"items": 7}, "customer.subscription.updated", "data.object.items"),
        (
            {**COMMON, "items": items({**ITEM, "price": "price_1"})},
            "customer.subscription.updated",
            "data.object.items.data[0].price",
        ),
        (
            {**SUBSCRIPTIONS["2026-10-28.endive"], "customer": None},
            "customer.subscription.updated",
            "data.object.customer",
        ),
        (
            {**SUBSCRIPTIONS["2026-10-28.endive"], "created": 10**30},
            "customer.subscription.updated",
            "data.object.created",
        ),
        (PRICE | {"currency": None}, "price.updated", "data.object.currency"),
        (
            PRICE | {"unit_amount_decimal": "NaN"},
            "price.updated",
            "data.object.unit_amount_decimal",
        ),
        (
            PRICE | {"unit_amount_decimal": "1e999999"},
            "price.updated",
            "data.object.unit_amount_decimal",
        ),
        (INVOICE | {"amount_due": 1.5}, "invoice.paid", "data.object.amount_due"),
        (INVOICE | {"id": ""}, "invoice.paid", "data.object.id"),
    ],
)
def test_what_cannot_be_said_names_where(obj: Any, kind: str, where: str) -> None:
    error = refused(obj, kind)
    assert (error.reason, error.where) == ("untranslatable", where)
    assert where in str(error)


def test_bodies_that_hold_no_event() -> None:
    def reason(body: bytes) -> str:
        with pytest.raises(Untranslatable) as caught:
            translate_event(body, CONTEXT, received_at=RECEIVED)
        return caught.value.reason

    assert reason(b"{") == "not_json"
    assert reason(b"[" * 100_000) == "too_deep"
    assert reason(b"{}") == "not_an_event"
    assert reason(event("in_1", "invoice.paid")) == "not_an_event"


def test_the_other_mode_is_refused() -> None:
    assert refused(INVOICE, "invoice.paid", livemode=True).reason == "wrong_mode"
    reads: dict[str, Any] = {
        "seen": "read",
        "origin": "webhook",
        "vendor_time_ms": 1000,
        "received_at": RECEIVED,
    }
    with pytest.raises(Untranslatable) as caught:
        translate_object(INVOICE | {"livemode": True}, CONTEXT, **reads)
    assert caught.value.reason == "wrong_mode"
    seen = translate_object(INVOICE, CONTEXT, **reads)
    assert seen is not None
    assert (seen.seen, seen.vendor_time_ms, seen.event_id) == ("read", 1000, None)
    assert translate_object({"object": "charge", "id": "ch_1"}, CONTEXT, **reads) is None
