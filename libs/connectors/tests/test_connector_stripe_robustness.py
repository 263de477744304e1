"""Whatever stands where in an event, it is translated, skipped or refused with a reason."""

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from plumbline_connectors.stripe.translate import (
    StripeContext,
    Translated,
    Untranslatable,
    translate_event,
)
from plumbline_schemas.observations import decode_observation, encode_observation

CONTEXT = StripeContext("acme", "stripe", livemode=False)
RECEIVED = datetime(2026, 11, 20, 12, tzinfo=UTC)
ODD: tuple[Any, ...] = (None, True, 0, -1, 1.5, 10**40, "", "x\x00y", [], [None], {}, {"id": 7})
SUBSCRIPTION: dict[str, Any] = {
    "id": "sub_1",
    "object": "subscription",
    "livemode": False,
    "status": "active",
    "currency": "usd",
    "customer": {"id": "cus_1"},
    "start_date": 1_789_000_000,
    "trial_end": None,
    "discounts": [{"id": "di_1", "coupon": {"id": "co_1", "percent_off": 5}}, "di_2"],
    "pause_collection": {"behavior": "void", "resumes_at": 1_789_000_000},
    "status_details": {"paused": {"subscription": {"type": "system"}}},
    "items": {
        "has_more": False,
        "data": [
            {
                "id": "si_1",
                "quantity": 1,
                "tax_rates": [{"id": "txr_1", "inclusive": True, "percentage": 20}],
                "price": {
                    "id": "price_1",
                    "currency": "usd",
                    "unit_amount_decimal": "100.5",
                    "recurring": {"interval": "month", "interval_count": 1},
                    "transform_quantity": {"divide_by": 2, "round": "up"},
                },
            }
        ],
    },
}
INVOICE: dict[str, Any] = {
    "id": "in_1",
    "object": "invoice",
    "livemode": False,
    "customer": "cus_1",
    "status": "paid",
    "amount_due": 100,
    "attempted": True,
    "parent": {"subscription_details": {"subscription": "sub_1"}},
    "status_transitions": {"finalized_at": 1_789_000_000},
    "total_taxes": [{"amount": 5}],
    "lines": {
        "has_more": False,
        "data": [
            {
                "amount": 5,
                "period": {"start": 1, "end": 2},
                "parent": {"subscription_item_details": {"subscription_item": "si_1"}},
                "pricing": {"price_details": {"price": "price_1"}},
            }
        ],
    },
    "status_details": {"uncollectible": {"reason": "user_forgiven"}},
}
CUSTOMER: dict[str, Any] = {
    "id": "cus_1",
    "object": "customer",
    "discount": {"id": "di_1", "source": {"coupon": {"id": "co_1", "percent_off": 5}}},
    "invoice_settings": {"default_payment_method": "pm_1"},
    "email": "ada@acme.example",
    "metadata": {"crm_id": "901", "company": "Acme"},
}
COUPON: dict[str, Any] = {
    "id": "co_1",
    "object": "coupon",
    "amount_off": 5,
    "applies_to": {"products": ["prod_1"]},
    "currency_options": {"eur": {"amount_off": 4}},
    "duration_in_months": 3,
}
PRICE: dict[str, Any] = {
    "id": "price_1",
    "object": "price",
    "currency": "usd",
    "currency_options": {"eur": {"unit_amount": 1, "tiers": [{"up_to": 1}]}},
    "tiers": [{"up_to": 10, "flat_amount": 1, "unit_amount_decimal": "0.5"}, {"up_to": None}],
}
CREDIT_NOTE: dict[str, Any] = {
    "id": "cn_1",
    "object": "credit_note",
    "customer": "cus_1",
    "refunds": [{"amount_refunded": 1, "refund": {"id": "re_1"}}],
    "refund": "re_1",
}
PAYMENT_METHOD: dict[str, Any] = {
    "id": "pm_1",
    "object": "payment_method",
    "customer": "cus_1",
    "card": {"exp_month": 8, "exp_year": 2027},
}
REFUND: dict[str, Any] = {"id": "re_1", "object": "refund", "charge": {"id": "ch_1"}}
DISCOUNT: dict[str, Any] = {"id": "di_1", "object": "discount", "customer": {"id": "cus_1"}}


def wrap(obj: Any, kind: str, previous: Any = None) -> dict[str, Any]:
    return {
        "id": "evt_1",
        "object": "event",
        "type": kind,
        "created": 1_790_000_000,
        "livemode": False,
        "api_version": "2026-10-28.endive",
        "data": {"object": obj, "previous_attributes": previous},
    }


def outcome(event: Any) -> Translated | Untranslatable:
    """What came of it; anything but these two is a crash."""
    return outcome_of(json.dumps(event).encode())


def outcome_of(body: bytes) -> Translated | Untranslatable:
    try:
        translated = translate_event(body, CONTEXT, received_at=RECEIVED)
    except Untranslatable as error:
        return error
    for observation in translated.observations:
        encoded = encode_observation(observation)
        assert decode_observation(encoded) == observation
        assert b"\\u0000" not in encoded
    assert translated.observations or translated.reads or translated.skipped
    return translated


def places(value: Any) -> Iterator[tuple[str | int, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for name, member in members:
        yield (name,)
        if isinstance(member, dict | list):
            yield from ((name, *rest) for rest in places(member))


def replaced(value: Any, place: tuple[str | int, ...], odd: Any) -> Any:
    changed = copy.deepcopy(value)
    holder = changed
    for name in place[:-1]:
        holder = holder[name]
    holder[place[-1]] = odd
    return changed


@pytest.mark.parametrize(
    ("obj", "kind"),
    [
        (SUBSCRIPTION, "customer.subscription.updated"),
        (INVOICE, "invoice.updated"),
        (CUSTOMER, "customer.updated"),
        (COUPON, "coupon.updated"),
        (PRICE, "price.updated"),
        (CREDIT_NOTE, "credit_note.updated"),
        (PAYMENT_METHOD, "payment_method.updated"),
        (REFUND, "refund.updated"),
        (DISCOUNT, "customer.discount.updated"),
    ],
    ids=lambda given: given["object"] if isinstance(given, dict) else "",
)
def test_an_odd_value_anywhere(obj: dict[str, Any], kind: str) -> None:
    assert isinstance(outcome(wrap(obj, kind)), Translated)
    for place in places(obj):
        for odd in ODD:
            changed = replaced(obj, place, odd)
            outcome(wrap(changed, kind))
            outcome(wrap(obj, kind, previous=changed))


def test_an_odd_value_anywhere_around_the_object() -> None:
    event = wrap(INVOICE, "invoice.paid")
    for place in places(event):
        for odd in ODD:
            outcome(replaced(event, place, odd))


@pytest.mark.parametrize("depth", range(20, 1000, 40))
def test_any_depth_is_translated_or_refused(depth: int) -> None:
    obj = INVOICE | {"metadata": {"note": "\x00"}, "zzz": "DEEP"}
    event = json.dumps(wrap(obj, "invoice.updated", previous={"zzz": "DEEP"})).encode()
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    came = outcome_of(event.replace(b'"DEEP"', deep))
    assert isinstance(came, Translated) or came.reason == "too_deep"


def test_every_published_sample_object() -> None:
    """Stripe's own sample objects, when the vendor contracts lie beside this checkout."""
    name = "shared/contracts/stripe/fixtures3.json"
    files = [folder / name for folder in Path(__file__).parents if (folder / name).is_file()]
    ours = (SUBSCRIPTION, INVOICE, CUSTOMER, COUPON, PRICE, CREDIT_NOTE, PAYMENT_METHOD)
    samples = {obj["object"]: obj for obj in ours}
    for file in files:
        samples |= json.loads(file.read_bytes())["resources"]
    for resource, obj in samples.items():
        for kind in (f"{resource}.updated", f"{resource}.deleted", "customer.updated"):
            came = outcome(wrap(obj, kind))
            assert isinstance(came, Translated), f"{resource} as {kind}: {came}"
