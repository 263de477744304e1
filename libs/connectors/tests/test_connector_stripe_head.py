"""The head of an event, and JSON that must not hurt."""

import json
from decimal import Decimal

import pytest
from plumbline_connectors.decoding import decode_json
from plumbline_connectors.stripe.head import (
    EventHead,
    NotAnEvent,
    NotJson,
    TooDeep,
    decode_head,
)

EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "invoice.paid",
    "created": 1_700_000_000,
    "livemode": False,
    "api_version": "2025-03-31.basil",
    "data": {"object": {"id": "in_1", "object": "invoice", "customer": "cus_1"}},
}


def raw(**changes: object) -> bytes:
    return json.dumps(EVENT | changes).encode()


def test_head_of_a_snapshot_event() -> None:
    assert decode_head(raw()) == EventHead(
        "evt_1",
        "invoice.paid",
        1_700_000_000,
        False,
        "2025-03-31.basil",
        "event",
        "invoice",
        "in_1",
        "cus_1",
    )


def test_the_customer_may_be_expanded_or_the_object_itself() -> None:
    expanded = {"id": "in_1", "object": "invoice", "customer": {"id": "cus_2"}}
    assert decode_head(raw(data={"object": expanded})).customer_id == "cus_2"
    customer = {"id": "cus_3", "object": "customer"}
    assert decode_head(raw(data={"object": customer})).customer_id == "cus_3"


def test_odd_references_are_no_reference() -> None:
    odd = {"id": 5, "object": ["x"], "customer": 7.5}
    head = decode_head(raw(data={"object": odd}))
    assert (head.object_kind, head.object_id, head.customer_id) == (None, None, None)
    assert decode_head(raw(data=None)).object_id is None


def test_head_of_a_thin_event() -> None:
    thin = {
        "id": "evt_2",
        "object": "v2.core.event",
        "type": "v1.customer.updated",
        "created": "2026-11-20T10:00:00.000Z",
        "livemode": True,
        "related_object": {"id": "cus_1", "type": "customer", "url": "/v1/customers/cus_1"},
    }
    head = decode_head(json.dumps(thin).encode())
    assert (head.object_kind, head.object_id, head.customer_id) == ("customer", "cus_1", "cus_1")
    assert head.created == 1_795_168_800
    assert decode_head(json.dumps(thin | {"created": "soon"}).encode()).created == 0


@pytest.mark.parametrize(
    "body", [b"", b"{", b"hello", b'{"a": NaN}', b"\xff\xfe", b'{"id": "\x00"}']
)
def test_not_json(body: bytes) -> None:
    with pytest.raises(NotJson):
        decode_head(body)
    with pytest.raises(NotJson):
        decode_json(body)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b'"event"',
        b"{}",
        raw(object="customer"),
        raw(id=""),
        raw(id=7),
        raw(type=None),
        raw(created="yes", object="list"),
        raw(livemode="false"),
        raw(created=True),
    ],
)
def test_not_an_event(body: bytes) -> None:
    with pytest.raises(NotAnEvent):
        decode_head(body)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("prefix", [b"", raw()[:-1] + b', "zzz": '])
def test_nesting_bombs_are_refused(prefix: bytes, opening: bytes) -> None:
    with pytest.raises((TooDeep, NotAnEvent)):
        decode_head(prefix + opening * 200_000)
    with pytest.raises(TooDeep):
        decode_json(prefix + opening * 200_000)


def test_numbers_stay_exact() -> None:
    body = b'{"a": 9007199254740993, "b": 0.1, "c": 123456789012345678901234567890, "d": 1e2}'
    decoded = decode_json(body)
    assert decoded["a"] == 9_007_199_254_740_993
    assert decoded["c"] == 123_456_789_012_345_678_901_234_567_890
    assert (decoded["b"], decoded["d"]) == (Decimal("0.1"), Decimal(100))
    assert not any(isinstance(value, float) for value in decoded.values())


def test_text_that_postgres_or_utf8_cannot_hold_is_mended() -> None:
    assert decode_json(rb'{"a\u0000b": ["x\u0000y", {"c": "\u0000"}]}') == {"ab": ["xy", {"c": ""}]}
    assert decode_json(rb'{"a": "cut \ud83d", "n": 0.1}') == {
        "a": "cut \ufffd",
        "n": Decimal("0.1"),
    }
    assert decode_json(rb'"\ud83d\ude00"') == "😀"
    assert decode_head(raw(id="evt\x00_1")).id == "evt_1"
    with pytest.raises(NotJson):
        decode_json(rb'{"a": "cut \ud83d", "n": NaN}')
