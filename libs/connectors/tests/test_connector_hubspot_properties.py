"""Our properties in an account: created, reused, or named as a problem."""

from typing import Any

import pytest
from plumbline_connectors.hubspot.client import HubSpotClient, open_hubspot
from plumbline_connectors.hubspot.properties import PropertyProblem, PropertySpec, specs_for
from plumbline_schemas.errors import Unauthorized
from plumbline_schemas.fields import FieldType, default_mapping

PATH = "/crm/v3/properties/companies"
SPEC = PropertySpec("plumbline_mrr", "number", "MRR", "Monthly")
STATUS = PropertySpec("plumbline_status", "enumeration", "Status", "", ("paid", "past_due"))


def connect(vendor: Any) -> HubSpotClient:
    return open_hubspot(api_base=vendor.url, layout="v3", where="acme/hubspot", access_token="t")


async def ensure(vendor: Any, *specs: PropertySpec) -> list[PropertyProblem]:
    client = connect(vendor)
    try:
        return await client.ensure_properties("company", specs)
    finally:
        await client.aclose()


def existing(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "fieldType": "x"} | more


async def test_an_empty_account_gets_the_group_and_every_property(vendor: Any) -> None:
    vendor.on("GET", PATH, {"results": []})
    vendor.on("POST", f"{PATH}/groups", {"name": "plumbline"}, status=201)
    vendor.on("POST", PATH, {"name": "x"}, status=201)
    assert await ensure(vendor, *specs_for(default_mapping())) == []
    assert vendor.calls[1].json["name"] == "plumbline"
    created = {call.json["name"]: call.json for call in vendor.calls[2:]}
    assert set(created) == set(default_mapping().values())
    assert all(body["groupName"] == "plumbline" for body in created.values())
    kinds = {name: (body["type"], body["fieldType"]) for name, body in created.items()}
    assert kinds["plumbline_mrr"] == ("number", "number")
    assert kinds["plumbline_plan"] == ("string", "text")
    assert kinds["plumbline_billing_started_at"] == ("datetime", "date")
    assert kinds["plumbline_payment_status"] == ("enumeration", "select")
    assert kinds["plumbline_ambiguous"] == ("bool", "booleancheckbox")
    values = [option["value"] for option in created["plumbline_payment_status"]["options"]]
    assert values == ["paid", "past_due", "failing", "none"]
    flags = [option["value"] for option in created["plumbline_ambiguous"]["options"]]
    assert flags == ["true", "false"]
    assert "options" not in created["plumbline_mrr"]


async def test_a_complete_account_is_only_looked_at(vendor: Any) -> None:
    vendor.on("GET", PATH, {"results": [existing("plumbline_mrr", "number")]})
    assert await ensure(vendor, SPEC) == []
    assert [call.method for call in vendor.calls] == ["GET"]


async def test_another_creator_winning_the_race_is_no_error(vendor: Any) -> None:
    vendor.on("GET", PATH, {"results": []})
    vendor.on("GET", PATH, {"results": [existing("plumbline_mrr", "string")]})
    vendor.on("POST", f"{PATH}/groups", {}, status=409)
    vendor.on("POST", PATH, {}, status=409)
    (problem,) = await ensure(vendor, SPEC)
    assert problem == PropertyProblem("plumbline_mrr", "unfit_type", "string", "number")


async def test_a_name_that_is_taken_unseen_and_a_refused_creation(vendor: Any) -> None:
    vendor.on("GET", PATH, {"results": []})
    vendor.on("POST", f"{PATH}/groups", {}, status=201)
    vendor.on("POST", PATH, {"message": "bad name"}, status=400)
    vendor.on("POST", PATH, {}, status=409)
    problems = await ensure(vendor, SPEC, STATUS)
    assert [(one.property, one.reason) for one in problems] == [
        ("plumbline_mrr", "refused"),
        ("plumbline_status", "refused"),
    ]
    assert "bad name" in problems[0].found


@pytest.mark.parametrize(
    ("kind", "found", "fits"),
    [
        ("number", "number", True),
        ("number", "string", False),
        ("string", "string", True),
        ("string", "enumeration", False),
        ("enumeration", "string", True),
        ("datetime", "datetime", True),
        ("datetime", "date", False),
        ("bool", "bool", True),
        ("bool", "string", False),
    ],
)
async def test_fitting_types(vendor: Any, kind: FieldType, found: str, fits: bool) -> None:
    vendor.on("GET", PATH, {"results": [existing("p", found)]})
    problems = await ensure(vendor, PropertySpec("p", kind, "P"))
    assert [one.reason for one in problems] == ([] if fits else ["unfit_type"])


@pytest.mark.parametrize(
    ("values", "fits"), [(["past_due", "paid", "other"], True), (["paid"], False), ([], False)]
)
async def test_options_of_an_existing_enumeration(
    vendor: Any, values: list[str], fits: bool
) -> None:
    options = [{"value": value, "label": value} for value in values]
    vendor.on("GET", PATH, {"results": [existing(STATUS.name, "enumeration", options=options)]})
    problems = await ensure(vendor, STATUS)
    assert [one.reason for one in problems] == ([] if fits else ["missing_options"])
    assert fits or problems[0].expected == "paid, past_due"


@pytest.mark.parametrize(
    "more", [{"modificationMetadata": {"readOnlyValue": True}}, {"calculated": True}]
)
async def test_what_cannot_be_written(vendor: Any, more: dict[str, Any]) -> None:
    vendor.on("GET", PATH, {"results": [existing("plumbline_mrr", "number", **more)]})
    (problem,) = await ensure(vendor, SPEC)
    assert problem.reason == "read_only"


async def test_missing_scopes_stop_the_connection(vendor: Any) -> None:
    vendor.on("GET", PATH, {"message": "scopes"}, status=403)
    with pytest.raises(Unauthorized):
        await ensure(vendor, SPEC)
