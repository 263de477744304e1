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
    "discounts": [{"id": "di_1"}, "di_2"],
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
    "status_details": {"uncollectible": {"reason": "user_forgiven"}},
}
CUSTOMER: dict[str, Any] = {
    "id": "cus_1",
    "object": "customer",
    "email": "ada@acme.example",
    "metadata": {"crm_id": "901", "company": "Acme"},
}


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
    ],
    ids=["subscription", "invoice", "customer"],
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
    samples = {"subscription": SUBSCRIPTION, "invoice": INVOICE, "customer": CUSTOMER}
    for file in files:
        samples |= json.loads(file.read_bytes())["resources"]
    for resource, obj in samples.items():
        for kind in (f"{resource}.updated", f"{resource}.deleted", "customer.updated"):
            came = outcome(wrap(obj, kind))
            assert isinstance(came, Translated), f"{resource} as {kind}: {came}"
