"""Stripe's client: nothing but GET, one version, whole objects."""

from datetime import UTC, datetime
from typing import Any

import pytest
from plumbline_connectors.stripe.client import API_VERSION, StripeClient, open_stripe
from plumbline_schemas.errors import Permanent, Retryable, Unauthorized

DATE = {"date": "Fri, 20 Nov 2026 10:00:05 GMT"}


def connect(vendor: Any) -> StripeClient:
    return open_stripe(api_base=vendor.url, api_key="rk_test_1", where="acme/stripe")


async def test_read(vendor: Any) -> None:
    vendor.on("GET", "/v1/customers/cus_1", b'{"id": "cus_1", "n": 0.1}', headers=DATE)
    client = connect(vendor)
    found = await client.read("customer", "cus_1")
    await client.aclose()
    assert found.obj is not None
    assert found.obj["id"] == "cus_1"
    assert not isinstance(found.obj["n"], float)
    assert found.began_at <= datetime(2026, 11, 20, 10, 0, 5, tzinfo=UTC)
    (call,) = vendor.calls
    assert (call.method, call.headers["stripe-version"]) == ("GET", API_VERSION)
    assert call.headers["authorization"] == "Bearer rk_test_1"


async def test_what_is_not_there_is_none(vendor: Any) -> None:
    error = {"error": {"code": "resource_missing", "message": "No such invoice"}}
    vendor.on("GET", "/v1/invoices/in_1", error, status=404, headers=DATE)
    client = connect(vendor)
    assert (await client.read("invoice", "in_1")).obj is None
    with pytest.raises(Permanent, match="no Stripe id"):
        await client.read("invoice", "in_1/../../events")
    with pytest.raises(ValueError, match="dispute"):
        await client.read("dispute", "dp_1")
    await client.aclose()
    assert len(vendor.calls) == 1


@pytest.mark.parametrize("kind", ["product", "price", "customer", "subscription", "invoice"])
async def test_pages(vendor: Any, kind: str) -> None:
    path = f"/v1/{kind}s"
    vendor.on("GET", path, {"data": [{"id": "a"}, {"id": "b"}], "has_more": True}, headers=DATE)
    vendor.on("GET", path, {"data": [{"id": "c"}], "has_more": False}, headers=DATE)
    client = connect(vendor)
    first = await client.page(kind, starting_after=None)
    second = await client.page(kind, starting_after=first.next_cursor, limit=1000)
    await client.aclose()
    assert ([row["id"] for row in first.rows], first.next_cursor) == (["a", "b"], "b")
    assert (second.next_cursor, second.began_at.microsecond) == (None, 0)
    assert ("starting_after", "b") in vendor.calls[1].query
    assert all(("limit", "100") in call.query for call in vendor.calls)
    everything = ("status", "all") in vendor.calls[0].query
    assert everything is (kind == "subscription")


async def test_an_empty_page_ends_the_walk(vendor: Any) -> None:
    vendor.on("GET", "/v1/prices", {"data": [], "has_more": True})
    client = connect(vendor)
    assert (await client.page("price", starting_after="x")).next_cursor is None
    await client.aclose()


async def test_all_items_of_a_long_subscription_are_read(vendor: Any) -> None:
    rows = [{"id": f"si_{place}"} for place in range(3)]
    short = {"id": "sub_1", "items": {"data": rows[:1], "has_more": True}}
    vendor.on("GET", "/v1/subscriptions/sub_1", short)
    vendor.on("GET", "/v1/subscriptions", {"data": [short], "has_more": False})
    for _ in range(2):
        vendor.on("GET", "/v1/subscription_items", {"data": rows[:2], "has_more": True})
        vendor.on("GET", "/v1/subscription_items", {"data": rows[2:], "has_more": False})
    client = connect(vendor)
    found = await client.read("subscription", "sub_1")
    page = await client.page("subscription", starting_after=None)
    await client.aclose()
    for obj in (found.obj, page.rows[0]):
        assert obj is not None
        assert obj["items"] == {"data": rows, "has_more": False}
    assert ("subscription", "sub_1") in vendor.calls[1].query
    assert ("starting_after", "si_1") in vendor.calls[2].query


@pytest.mark.parametrize(
    ("status", "code", "error", "limited"),
    [
        (401, None, Unauthorized, None),
        (403, "more_permissions_required", Unauthorized, None),
        (409, "lock_timeout", Retryable, False),
        (409, None, Retryable, False),
        (429, "lock_timeout", Retryable, False),
        (429, "rate_limit", Retryable, True),
        (500, None, Retryable, False),
        (400, "parameter_invalid", Permanent, None),
    ],
)
async def test_errors(
    vendor: Any, status: int, code: str | None, error: type[Exception], limited: bool | None
) -> None:
    body = {"error": {"code": code, "message": "said so"}}
    vendor.on("GET", "/v1/products/p", body, status=status)
    client = connect(vendor)
    with pytest.raises(error, match="said so") as caught:
        await client.read("product", "p")
    await client.aclose()
    assert getattr(caught.value, "rate_limited", None) is limited
    assert len(vendor.calls) == 1


@pytest.mark.parametrize("body", [[], {"data": "x"}, {"data": [{"no": "id"}]}, b"<html>"])
async def test_lists_that_are_none_are_retryable(vendor: Any, body: Any) -> None:
    vendor.on("GET", "/v1/products", body)
    client = connect(vendor)
    with pytest.raises(Retryable):
        await client.page("product", starting_after=None)
    await client.aclose()


async def test_now_is_the_vendors_date(vendor: Any) -> None:
    vendor.on("GET", "/v1/products", {"data": [], "has_more": False}, headers=DATE)
    vendor.on("GET", "/v1/products", {"data": [], "has_more": False}, headers={"date": "-"})
    client = connect(vendor)
    assert await client.now() == datetime(2026, 11, 20, 10, 0, 5, tzinfo=UTC)
    with pytest.raises(Retryable, match="no Date"):
        await client.now()
    await client.aclose()
