"""HubSpot's notifications, records and property values in our words."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from plumbline_connectors.hubspot.notifications import (
    NotAnEvent,
    NotJson,
    TooDeep,
    parse_notifications,
)
from plumbline_connectors.hubspot.translate import (
    HubSpotContext,
    properties_to_read,
    same_mapped_value,
    translate_record,
)
from plumbline_connectors.hubspot.values import encode_value, same_value
from plumbline_schemas.crm import CrmRecord
from plumbline_schemas.fields import FieldType
from plumbline_schemas.observations import decode_observation, encode_observation

RECEIVED = datetime(2026, 11, 20, 12, tzinfo=UTC)
BEGAN = datetime(2026, 11, 20, 11, tzinfo=UTC)
MAPPING = {"company": {"mrr": "plumbline_mrr", "stripe_customer_id": "stripe_ids"}}
CONTEXT = HubSpotContext("acme", "hubspot", MAPPING)
SEEN: dict[str, Any] = {"seen": "read", "origin": "webhook", "received_at": RECEIVED}
COMPANY: dict[str, Any] = {
    "id": "9001",
    "properties": {
        "name": "Acme",
        "domain": "acme.example",
        "hs_additional_domains": "acme.test.example;acme-labs.example",
        "website": "https://www.acme.example/about",
        "phone": "+49 30 1",
        "hubspot_owner_id": "77",
        "hs_merged_object_ids": "8001;8002",
        "plumbline_mrr": "83.33",
        "stripe_ids": "cus_2; cus_1;cus_2",
        "industry": "unasked",
    },
    "createdAt": "2026-01-01T00:00:00.000Z",
    "updatedAt": "2026-11-20T10:00:00.123Z",
    "archived": False,
}


def notification(**changes: Any) -> dict[str, Any]:
    return {
        "eventId": 100,
        "portalId": 4242,
        "appId": 77,
        "occurredAt": 1_790_000_000_000,
        "subscriptionType": "company.propertyChange",
        "objectId": 9001,
        "propertyName": "domain",
        "propertyValue": "acme.example",
        "changeSource": "CRM_UI",
        "sourceId": "userId:5",
    } | changes


def parse(*entries: Any) -> list[Any]:
    return parse_notifications(json.dumps(entries).encode())


def test_a_property_change() -> None:
    (seen,) = parse(notification())
    assert (seen.portal_id, seen.kind, seen.action) == ("4242", "company", "propertyChange")
    assert (seen.object_id, seen.property_name) == ("9001", "domain")
    assert (seen.property_value, seen.occurred_at_ms) == ("acme.example", 1_790_000_000_000)
    assert not seen.is_own_write


def test_own_writes_are_those_of_the_notified_app() -> None:
    own = notification(changeSource="INTEGRATION", sourceId="77")
    other = notification(changeSource="INTEGRATION", sourceId="78")
    unnamed = {
        name: value
        for name, value in notification(changeSource="INTEGRATION").items()
        if name not in {"sourceId", "appId"}
    }
    assert [one.is_own_write for one in parse(own, other, unnamed)] == [True, False, False]


def test_generic_object_types_and_unknown_ones() -> None:
    kinds = [
        notification(subscriptionType="object.propertyChange", objectTypeId="0-2"),
        notification(subscriptionType="object.creation", objectTypeId="0-1"),
        notification(subscriptionType="object.creation", objectTypeId="0-3"),
        notification(subscriptionType="deal.creation"),
        notification(subscriptionType="conversation.newMessage"),
        notification(subscriptionType="unheard"),
    ]
    assert [one.kind for one in parse(*kinds)] == ["company", "contact", None, None, None, None]
    assert parse(kinds[0])[0].action == "propertyChange"


def test_a_merge_names_everyone() -> None:
    merge = notification(
        subscriptionType="company.merge",
        objectId=9006,
        primaryObjectId=9004,
        mergedObjectIds=[9005],
        newObjectId=9006,
    )
    assert parse(merge)[0].related_ids == ("9004", "9005", "9006")


def test_associations_have_no_object_and_odd_values_do_no_harm() -> None:
    association = {
        "portalId": 4242,
        "subscriptionType": "company.associationChange",
        "fromObjectId": 1,
        "occurredAt": "later",
        "propertyValue": 5,
        "mergedObjectIds": "x",
    }
    (seen,) = parse(association)
    assert (seen.object_id, seen.occurred_at_ms, seen.property_value) == (None, 0, "5")


def test_a_full_delivery_and_the_other_name_of_the_type() -> None:
    assert len(parse(*[notification(objectId=place) for place in range(100)])) == 100
    renamed = notification(eventType="contact.creation")
    del renamed["subscriptionType"]
    assert parse(renamed)[0].kind == "contact"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"[", NotJson),
        (b"[" * 100_000, TooDeep),
        (b"{}", NotAnEvent),
        (b"[1]", NotAnEvent),
        (b'[{"portalId": 1}]', NotAnEvent),
        (b'[{"subscriptionType": "company.creation"}]', NotAnEvent),
    ],
)
def test_no_notifications(body: bytes, error: type[ValueError]) -> None:
    with pytest.raises(error):
        parse_notifications(body)


def test_a_company() -> None:
    seen = translate_record("company", COMPANY, CONTEXT, **SEEN, began_at=BEGAN)
    assert seen.key == "acme/hubspot/company/9001"
    assert seen.vendor_time_ms == 1_795_168_800_123
    body = seen.body
    assert isinstance(body, CrmRecord)
    assert body.name == "Acme"
    assert body.domains == (
        "acme.example",
        "acme.test.example",
        "acme-labs.example",
        "https://www.acme.example/about",
    )
    assert body.stripe_customer_ids == ("cus_2", "cus_1")
    assert body.merged_ids == ("8001", "8002")
    assert (body.owner, body.email) == ("77", None)
    assert body.properties == {"plumbline_mrr": "83.33", "stripe_ids": "cus_2; cus_1;cus_2"}
    assert decode_observation(encode_observation(seen)) == seen


def test_a_contact_without_a_mapping() -> None:
    properties = {"firstname": "Ada", "lastname": None, "email": "ada@acme.example"}
    contact = COMPANY | {"properties": properties}
    seen = translate_record("contact", contact, CONTEXT, **SEEN)
    assert isinstance(seen.body, CrmRecord)
    assert (seen.body.name, seen.body.email) == ("Ada", "ada@acme.example")
    assert (seen.body.properties, seen.body.domains) == ({}, ())


def test_versions_of_records() -> None:
    began_ms = int(BEGAN.timestamp() * 1000)
    bare = {"id": "9001"}
    gone = translate_record("company", bare, CONTEXT, **SEEN, deleted=True, began_at=BEGAN)
    assert (gone.deleted, gone.body, gone.vendor_time_ms) == (True, None, began_ms)
    archived = COMPANY | {"archived": True}
    seen = translate_record("company", archived, CONTEXT, **SEEN, began_at=BEGAN)
    assert (seen.deleted, seen.vendor_time_ms) == (True, began_ms)
    late = COMPANY | {"archived": True, "updatedAt": "2026-11-20T11:30:00Z"}
    seen = translate_record("company", late, CONTEXT, **SEEN, began_at=BEGAN)
    assert seen.vendor_time_ms == began_ms + 1_800_000
    undated = COMPANY | {"updatedAt": None}
    seen = translate_record("company", undated, CONTEXT, **SEEN, began_at=BEGAN)
    assert seen.vendor_time_ms == began_ms
    seen = translate_record("company", undated, CONTEXT, **SEEN)
    assert seen.vendor_time_ms == int(RECEIVED.timestamp() * 1000)


def test_no_such_kind_and_no_id() -> None:
    with pytest.raises(ValueError, match="deal"):
        translate_record("deal", COMPANY, CONTEXT, **SEEN)
    with pytest.raises(ValueError, match="without id"):
        translate_record("company", {"properties": {}}, CONTEXT, **SEEN)
    with pytest.raises(ValueError, match="deal"):
        properties_to_read("deal", CONTEXT)


def test_properties_to_read_are_each_named_once() -> None:
    context = CONTEXT._replace(mapping={"company": {"mrr": "name", "plan": "plan"}})
    names = properties_to_read("company", context)
    assert len(names) == len(set(names))
    assert {"name", "domain", "hs_additional_domains", "hs_merged_object_ids", "plan"} <= set(names)
    assert "plan" not in properties_to_read("contact", context)
    assert "vat" in properties_to_read("company", context._replace(tax_id_property="vat"))
    assert "vat" not in properties_to_read("contact", context._replace(tax_id_property="vat"))


@pytest.mark.parametrize(
    ("field_type", "a", "b", "same"),
    [
        ("number", "83.330", "83.33", True),
        ("number", "0", "0.00", True),
        ("number", "1E+2", "100", True),
        ("number", "83.33", "83.34", False),
        ("number", "", None, True),
        ("number", "0", None, False),
        ("number", "abc", "abd", False),
        ("number", "NaN", "nan", False),
        ("datetime", "2026-11-20T10:00:00Z", "1795168800000", True),
        ("datetime", "2026-11-20T11:00:00.000+01:00", "2026-11-20T10:00:00Z", True),
        ("datetime", "2026-11-20", "2026-11-20T00:00:00.000Z", True),
        ("datetime", "2026-11-20T10:00:00.001Z", "1795168800000", False),
        ("datetime", "soon", "later", False),
        ("datetime", "0001-01-01T00:00:00+05:00", "1", False),
        ("bool", "TRUE", "true", True),
        ("bool", "true", "false", False),
        ("bool", "", "false", False),
        ("enumeration", "paid", "paid", True),
        ("enumeration", "paid", "Paid", False),
        ("string", " Pro ", "Pro", True),
        ("string", "Pro", "pro", False),
        ("string", None, None, True),
    ],
)
def test_same_value(field_type: FieldType, a: str | None, b: str | None, same: bool) -> None:
    assert same_value(field_type, a, b) is same
    assert same_value(field_type, b, a) is same


def test_same_value_by_our_field() -> None:
    assert same_mapped_value("mrr", "1.0", "1")
    assert not same_mapped_value("plan", "1.0", "1")


@pytest.mark.parametrize(
    ("field_type", "value", "written"),
    [
        ("number", Decimal("83.33"), "83.33"),
        ("number", Decimal("1E+3"), "1000"),
        ("number", Decimal(0), "0"),
        ("number", 5, "5"),
        ("number", None, ""),
        ("bool", True, "true"),
        ("bool", False, "false"),
        ("string", "Pro", "Pro"),
        ("enumeration", "paid", "paid"),
        ("datetime", RECEIVED, "2026-11-20T12:00:00.000Z"),
        (
            "datetime",
            datetime(2026, 11, 20, 13, tzinfo=timezone(timedelta(hours=1))),
            "2026-11-20T12:00:00.000Z",
        ),
    ],
)
def test_encode_value(field_type: FieldType, value: Any, written: str) -> None:
    assert encode_value(field_type, value) == written


@pytest.mark.parametrize(
    ("field_type", "value"),
    [
        ("number", 1.5),
        ("number", True),
        ("bool", "true"),
        ("datetime", datetime(2026, 11, 20)),  # noqa: DTZ001 - a naive time is the point
        ("string", 5),
    ],
)
def test_encode_value_refuses_what_it_cannot_write_exactly(
    field_type: FieldType, value: Any
) -> None:
    with pytest.raises(TypeError, match=field_type):
        encode_value(field_type, value)
