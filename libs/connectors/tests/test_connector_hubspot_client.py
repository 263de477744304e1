"""HubSpot's client in both layouts: reads, batches row by row, limits, tokens."""

import asyncio
from typing import Any

import pytest
from plumbline_connectors.hubspot.client import (
    BatchRefused,
    HubSpotClient,
    OAuthGrant,
    UpdateRow,
    open_hubspot,
)
from plumbline_connectors.hubspot.layouts import Layout
from plumbline_schemas.errors import Conflict, Permanent, Retryable, Unauthorized

UPDATE = "/crm/v3/objects/companies/batch/update"
READ = "/crm/v3/objects/companies/batch/read"
TOKEN_PATHS: dict[Layout, str] = {"v3": "/oauth/v3/token", "2026-03": "/oauth/2026-03/token"}
GRANT = OAuthGrant("client", "hush", "refresh-1")


def connect(vendor: Any, layout: Layout = "v3") -> HubSpotClient:
    return open_hubspot(
        api_base=vendor.url, layout=layout, where="acme/hubspot", access_token="pat-na1-x"
    )


def rows(*ids: str) -> list[UpdateRow]:
    return [UpdateRow(one, {"plumbline_mrr": "1"}, f"trace-{one}") for one in ids]


@pytest.mark.parametrize(
    ("layout", "path", "owners"),
    [
        ("v3", "/crm/v3/objects/companies", "/crm/v3/owners/"),
        ("2026-03", "/crm/objects/2026-03/companies", "/crm/owners/2026-03"),
    ],
)
async def test_both_layouts(vendor: Any, layout: Layout, path: str, owners: str) -> None:
    paging = {"next": {"after": "9001", "link": "x"}}
    vendor.on("GET", path, {"results": [{"id": "9001"}], "paging": paging})
    vendor.on("GET", path, {"results": [{"id": "9002"}]})
    vendor.on("GET", f"{path}/9001", {"id": "9001"})
    vendor.on("POST", f"{path}/batch/update", {"results": [{"id": "9001"}]})
    vendor.on("GET", owners, {"results": [{"id": "77"}], "paging": {"next": {"after": "77"}}})
    vendor.on("GET", owners, {"results": [{"id": "78"}]})
    client = connect(vendor, layout)
    first = await client.page("company", after=None, properties=["name", "domain"])
    last = await client.page("company", after=first.next_cursor, properties=[])
    one = await client.read("company", "9001", ["name"])
    written = await client.batch_update("company", rows("9001"))
    people = await client.owners()
    await client.aclose()
    assert (first.next_cursor, last.next_cursor) == ("9001", None)
    assert one.obj == {"id": "9001"}
    assert written[0].status == "ok"
    assert [person["id"] for person in people] == ["77", "78"]
    assert [value for name, value in vendor.calls[0].query if name == "properties"] == [
        "name",
        "domain",
    ]
    assert ("after", "9001") in vendor.calls[1].query
    assert vendor.calls[3].json == {
        "inputs": [
            {
                "id": "9001",
                "properties": {"plumbline_mrr": "1"},
                "objectWriteTraceId": "trace-9001",
            }
        ]
    }
    assert all(call.headers["authorization"] == "Bearer pat-na1-x" for call in vendor.calls)


async def test_a_record_that_is_not_there(vendor: Any) -> None:
    vendor.on("GET", "/crm/v3/objects/contacts/5", {"message": "gone"}, status=404)
    client = connect(vendor)
    assert (await client.read("contact", "5", [])).obj is None
    with pytest.raises(Permanent, match="no HubSpot id"):
        await client.read("contact", "../companies/5", [])
    with pytest.raises(ValueError, match="deal"):
        await client.read("deal", "5", [])
    await client.aclose()


async def test_batch_read_finds_merged_records_and_names_missing_ones(vendor: Any) -> None:
    survivor = {"id": "9006", "properties": {"hs_merged_object_ids": "9004;9005"}}
    answer = {
        "status": "COMPLETE",
        "results": [survivor, {"id": "9001", "properties": {}}],
        "errors": [{"category": "OBJECT_NOT_FOUND", "context": {"ids": ["9002"]}}],
        "numErrors": 1,
    }
    vendor.on("POST", READ, answer, status=207)
    client = connect(vendor)
    read = await client.batch_read("company", ["9001", "9002", "9004", "9001"], ["name"])
    await client.aclose()
    assert {asked: record["id"] for asked, record in read.found.items()} == {
        "9001": "9001",
        "9004": "9006",
    }
    assert read.missing == ("9002",)
    assert vendor.calls[0].json == {
        "properties": ["name"],
        "inputs": [{"id": "9001"}, {"id": "9002"}, {"id": "9004"}],
    }


async def test_rows_are_matched_whatever_the_order(vendor: Any) -> None:
    answer = {
        "status": "COMPLETE",
        "results": [
            {"id": "3", "properties": {}},
            {"id": "99", "objectWriteTraceId": "trace-1"},
            {"id": "98", "properties": {"hs_merged_object_ids": "2;7"}},
        ],
    }
    vendor.on("POST", UPDATE, answer)
    client = connect(vendor)
    outcomes = await client.batch_update("company", rows("1", "2", "3"))
    await client.aclose()
    assert [(one.id, one.status) for one in outcomes] == [("1", "ok"), ("2", "ok"), ("3", "ok")]
    assert [one.record["id"] for one in outcomes if one.record] == ["99", "98", "3"]


async def test_partial_failure_row_by_row(vendor: Any) -> None:
    answer = {
        "status": "COMPLETE",
        "results": [{"id": "1"}],
        "numErrors": 5,
        "errors": [
            {"category": "VALIDATION_ERROR", "message": "bad", "context": {"ids": ["2"]}},
            {
                "category": "OBJECT_NOT_FOUND",
                "message": "none",
                "context": {"objectWriteTraceId": ["trace-3"]},
            },
            {"category": "CONFLICT", "message": "busy", "context": {"id": ["4"]}},
            {"category": "MISSING_SCOPES", "message": "Object 5 needs a scope"},
            {"category": "RATE_LIMITS", "message": "somebody was too fast"},
        ],
    }
    vendor.on("POST", UPDATE, answer, status=207)
    client = connect(vendor)
    outcomes = await client.batch_update("company", rows("1", "2", "3", "4", "5", "6"))
    await client.aclose()
    assert [(one.status, one.category) for one in outcomes] == [
        ("ok", None),
        ("permanent", "VALIDATION_ERROR"),
        ("permanent", "OBJECT_NOT_FOUND"),
        ("retry", "CONFLICT"),
        ("permanent", "MISSING_SCOPES"),
        ("retry", "RATE_LIMITS"),
    ]
    assert outcomes[5].error == "somebody was too fast"
    assert outcomes[1].error == "bad"


async def test_a_row_missing_from_a_200_is_tried_again(vendor: Any) -> None:
    vendor.on("POST", UPDATE, {"results": [{"id": "1"}]})
    client = connect(vendor)
    outcomes = await client.batch_update("company", rows("1", "2"))
    await client.aclose()
    assert [one.status for one in outcomes] == ["ok", "retry"]
    assert outcomes[1].error == "the answer says nothing of this row"


async def test_an_unmatched_error_never_condemns_a_row(vendor: Any) -> None:
    error = {"category": "VALIDATION_ERROR", "message": "one of them is wrong"}
    vendor.on("POST", UPDATE, {"results": [], "errors": [error]}, status=207)
    client = connect(vendor)
    outcomes = await client.batch_update("company", rows("1", "2"))
    await client.aclose()
    assert [(one.status, one.error) for one in outcomes] == [("retry", "one of them is wrong")] * 2


@pytest.mark.parametrize("status", [400, 409, 413])
async def test_a_refused_batch(vendor: Any, status: int) -> None:
    body = {"category": "VALIDATION_ERROR", "message": "no option x"}
    vendor.on("POST", UPDATE, body, status=status)
    client = connect(vendor)
    with pytest.raises(BatchRefused, match="no option x") as caught:
        await client.batch_update("company", rows("1", "2"))
    await client.aclose()
    assert (caught.value.status, caught.value.category) == (status, "VALIDATION_ERROR")


async def test_batches_have_a_size(vendor: Any) -> None:
    client = connect(vendor)
    with pytest.raises(ValueError, match="not 101"):
        await client.batch_update("company", rows(*map(str, range(101))))
    with pytest.raises(ValueError, match="not 0"):
        await client.batch_read("company", [], [])
    await client.aclose()
    assert not vendor.calls


@pytest.mark.parametrize(
    ("status", "body", "headers", "wait"),
    [
        (429, {"policyName": "TEN_SECONDLY_ROLLING"}, {}, None),
        (429, {"message": "You have reached your ten_secondly_rolling limit."}, {}, None),
        (429, {"message": "You have reached your secondly limit."}, {}, (1, 1)),
        (429, {"policyName": "SECONDLY"}, {}, (1, 1)),
        (429, {"policyName": "TEN_SECONDLY_ROLLING"}, {"retry-after": "3"}, (3, 3)),
        (429, {"policyName": "DAILY"}, {}, None),
        (429, {"message": "You have reached your daily limit."}, {"retry-after": "60"}, (60, 60)),
        (429, b"busy", {}, None),
        (423, {}, {}, (2, 2)),
        (423, {}, {"retry-after": "9"}, (9, 9)),
        (477, {}, {"retry-after": "120"}, (120, 120)),
        (477, {}, {}, (30, 30)),
        (502, b"<html>", {}, None),
        (524, b"", {}, None),
    ],
)
async def test_waits(
    vendor: Any,
    status: int,
    body: Any,
    headers: dict[str, str],
    wait: tuple[float, float] | None,
) -> None:
    vendor.on("POST", UPDATE, body, status=status, headers=headers)
    client = connect(vendor)
    with pytest.raises(Retryable) as caught:
        await client.batch_update("company", rows("1"))
    await client.aclose()
    assert caught.value.rate_limited is (status == 429)
    assert caught.value.daily is ("daily" in str(body).lower())
    if wait is None:
        assert caught.value.retry_after is None
    else:
        assert caught.value.retry_after is not None
        assert wait[0] <= caught.value.retry_after <= wait[1]


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, Unauthorized), (403, Unauthorized), (404, Permanent), (409, Conflict)],
)
async def test_refusals_of_reads(vendor: Any, status: int, error: type[Exception]) -> None:
    vendor.on("GET", "/crm/v3/objects/companies", {"message": "no"}, status=status)
    client = connect(vendor)
    with pytest.raises(error):
        await client.page("company", after=None, properties=[])
    await client.aclose()


@pytest.mark.parametrize("layout", ["v3", "2026-03"])
async def test_oauth_tokens_are_shared_and_renewed(vendor: Any, layout: Layout) -> None:
    path = TOKEN_PATHS[layout]
    objects = "/crm/v3/objects" if layout == "v3" else "/crm/objects/2026-03"
    for name in ("one", "two"):
        token = {"access_token": name, "expires_in": 1800, "refresh_token": f"refresh-{name}"}
        vendor.on("POST", path, token)
    vendor.on("GET", f"{objects}/companies/1", {"id": "1"})
    client = open_hubspot(api_base=vendor.url, layout=layout, where="acme/hubspot", oauth=GRANT)
    await asyncio.gather(*(client.read("company", "1", []) for _ in range(5)))
    vendor.on("GET", f"{objects}/companies/2", {"message": "expired"}, status=401)
    vendor.on("GET", f"{objects}/companies/2", {"id": "2"})
    with pytest.raises(Unauthorized):
        await client.read("company", "2", [])
    await client.read("company", "2", [])
    await client.aclose()
    asked = [call for call in vendor.calls if call.path == path]
    assert len(asked) == 2
    assert b"refresh_token=refresh-1" in asked[0].body
    assert b"refresh_token=refresh-one" in asked[1].body
    assert "authorization" not in asked[0].headers
    assert vendor.calls[-1].headers["authorization"] == "Bearer two"


async def test_a_short_lived_token_is_renewed_in_time(vendor: Any) -> None:
    vendor.on("POST", "/oauth/v3/token", {"access_token": "a", "expires_in": 0})
    vendor.on("GET", "/crm/v3/objects/companies/1", {"id": "1"})
    client = open_hubspot(api_base=vendor.url, layout="v3", where="acme/hubspot", oauth=GRANT)
    await client.read("company", "1", [])
    await client.read("company", "1", [])
    await client.aclose()
    assert len([call for call in vendor.calls if call.path == "/oauth/v3/token"]) == 2


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": "invalid_grant", "message": "missing or invalid"}, Unauthorized),
        (429, {"policyName": "SECONDLY"}, Retryable),
        (200, {"expires_in": 1800}, Retryable),
        (200, [], Retryable),
    ],
)
async def test_refused_grants(vendor: Any, status: int, body: Any, error: type[Exception]) -> None:
    vendor.on("POST", "/oauth/v3/token", body, status=status)
    client = open_hubspot(api_base=vendor.url, layout="v3", where="acme/hubspot", oauth=GRANT)
    with pytest.raises(error) as caught:
        await client.read("company", "1", [])
    await client.aclose()
    assert "hush" not in str(caught.value)
    assert "hush" not in repr(GRANT)
    assert "refresh-1" not in repr(GRANT)


def test_one_way_to_authorise() -> None:
    with pytest.raises(ValueError, match="acme/hubspot"):
        open_hubspot(api_base="http://127.0.0.1:1", layout="v3", where="acme/hubspot")
