"""Deliveries of older versions that do not say why something is paused or uncollectible."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from plumbline_connectors.stripe.reading import Untranslatable
from plumbline_connectors.stripe.translate import StripeContext, translate_event

CONTEXT = StripeContext("acme", "stripe", False, "crm_id", "company")
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def event(name: str, obj: dict[str, Any]) -> bytes:
    return json.dumps(
        {
            "id": "evt_1", "object": "event", "type": name, "created": 1790000000,
            "livemode": False, "api_version": "2025-03-31.basil", "data": {"object": obj},
        }
    ).encode()  # fmt: skip


def subscription(**more: Any) -> dict[str, Any]:
    items = {"object": "list", "data": [], "has_more": False}
    plain = {"id": "sub_1", "object": "subscription", "customer": "cus_1", "livemode": False}
    return {**plain, "items": items, **more}


@pytest.mark.parametrize(
    ("more", "reasons"),
    [
        ({"status": "paused"}, ["status_details_missing"]),
        ({"status": "paused", "status_details": {"paused": {"type": "subscription"}}}, []),
        ({"status": "paused", "status_details": None}, []),
        ({"status": "active"}, []),
    ],
)
def test_a_paused_subscription_is_read_when_its_cause_is_not_said(
    more: dict[str, Any], reasons: list[str]
) -> None:
    body = event("customer.subscription.updated", subscription(**more))
    done = translate_event(body, CONTEXT, received_at=NOW)
    assert len(done.observations) == 1
    assert [read.reason for read in done.reads] == reasons


def test_an_uncollectible_invoice_is_read_when_its_reason_is_not_said() -> None:
    invoice = {"id": "in_1", "object": "invoice", "customer": "cus_1", "status": "uncollectible"}
    body = event("invoice.marked_uncollectible", {**invoice, "livemode": False})
    done = translate_event(body, CONTEXT, received_at=NOW)
    assert [read.key for read in done.reads] == ["acme/stripe/invoice/in_1"]


@pytest.mark.parametrize("created", [-1, 10**15, 10**30])
def test_an_event_from_no_time_at_all_is_a_dead_letter(created: int) -> None:
    body = json.loads(event("customer.subscription.updated", subscription(status="active")))
    with pytest.raises(Untranslatable):
        translate_event(json.dumps({**body, "created": created}).encode(), CONTEXT, received_at=NOW)


def test_an_amount_of_no_sane_size_is_a_dead_letter() -> None:
    invoice = {"id": "in_1", "object": "invoice", "customer": "cus_1", "status": "paid"}
    body = event("invoice.paid", {**invoice, "livemode": False, "amount_paid": 10**30})
    with pytest.raises(Untranslatable, match="sane size"):
        translate_event(body, CONTEXT, received_at=NOW)
