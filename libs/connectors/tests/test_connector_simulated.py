"""The clients against the simulated vendors: what is written there is what we read."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from plumbline_connectors.hubspot.client import HubSpotClient, UpdateRow, open_hubspot
from plumbline_connectors.hubspot.layouts import Layout
from plumbline_connectors.hubspot.properties import specs_for
from plumbline_connectors.hubspot.translate import (
    HubSpotContext,
    properties_to_read,
    translate_record,
)
from plumbline_connectors.stripe.client import StripeClient, open_stripe
from plumbline_connectors.stripe.translate import StripeContext, translate_object
from plumbline_schemas.billing import Subscription
from plumbline_schemas.crm import CrmRecord
from plumbline_schemas.errors import Retryable, Unauthorized
from plumbline_schemas.fields import default_mapping
from plumbline_simulators.hubspot.simulator import HubSpotSimulator, hubspot_simulator
from plumbline_simulators.stripe.simulator import (
    DEFAULT_KEY,
    StripeSettings,
    StripeSimulator,
    stripe_simulator,
)

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
CONTEXT = StripeContext("acme", "stripe", livemode=False)
MAPPING = {"company": default_mapping()}
HUBSPOT = HubSpotContext("acme", "hubspot", MAPPING)
TOKEN = "pat-na1-simulated"


async def control(url: str, path: str, data: Any) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        (await client.post(f"{url}/control/{path}", json=data)).raise_for_status()


@pytest.fixture
async def stripe_vendor() -> AsyncIterator[StripeSimulator]:
    async with stripe_simulator(StripeSettings(start=START, frozen=True)) as simulator:
        seeded = {
            "products": [{"id": "prod_1", "name": "Pro plan"}],
            "prices": [
                {
                    "id": "price_1",
                    "product": "prod_1",
                    "currency": "usd",
                    "unit_amount": 10_000,
                    "lookup_key": "pro",
                    "recurring": {"interval": "month"},
                }
            ],
            "customers": [
                {
                    "id": f"cus_{place}",
                    "email": f"billing@c{place}.example",
                    "name": f"Customer {place}",
                    "metadata": {"crm_id": str(9000 + place)},
                    "subscriptions": [{"id": f"sub_{place}", "price": "price_1", "quantity": 2}],
                }
                for place in range(3)
            ],
        }
        await control(simulator.control_url, "seed", seeded)
        yield simulator


def stripe_client(simulator: StripeSimulator, key: str = DEFAULT_KEY) -> StripeClient:
    return open_stripe(api_base=simulator.base_url, api_key=key, where="acme/stripe")


async def test_a_walk_of_stripes_book(stripe_vendor: StripeSimulator) -> None:
    client = stripe_client(stripe_vendor)
    seen: dict[str, list[str]] = {}
    for kind in ("product", "price", "customer", "subscription", "invoice"):
        cursor, ids = None, []
        while True:
            page = await client.page(kind, starting_after=cursor, limit=2)
            for row in page.rows:
                observation = translate_object(
                    row,
                    CONTEXT,
                    seen="walk",
                    origin="walk",
                    vendor_time_ms=int(page.began_at.timestamp() * 1000),
                    received_at=START,
                )
                assert observation is not None
                assert observation.kind == kind
                ids.append(observation.id)
            cursor = page.next_cursor
            if cursor is None:
                break
        seen[kind] = sorted(ids)
    now = await client.now()
    await client.aclose()
    assert seen["product"] == ["prod_1"]
    assert seen["price"] == ["price_1"]
    assert seen["customer"] == ["cus_0", "cus_1", "cus_2"]
    assert seen["subscription"] == ["sub_0", "sub_1", "sub_2"]
    assert abs((now - START).total_seconds()) < 60


async def test_a_read_begins_by_the_simulated_clock(stripe_vendor: StripeSimulator) -> None:
    client = stripe_client(stripe_vendor)
    found = await client.read("subscription", "sub_1")
    missing = await client.read("subscription", "sub_none")
    await client.aclose()
    assert abs((found.began_at - START).total_seconds()) < 60
    assert missing.obj is None
    assert found.obj is not None
    observation = translate_object(
        found.obj, CONTEXT, seen="read", origin="webhook", vendor_time_ms=1, received_at=START
    )
    assert observation is not None
    assert isinstance(observation.body, Subscription)
    (item,) = observation.body.items
    assert (item.quantity, item.price.unit_amount, item.price.lookup_key) == (2, 10_000, "pro")
    assert item.current_period_end is not None
    assert observation.parent_key == "acme/stripe/customer/cus_1"


async def test_a_read_tells_the_coupon_of_an_item_after_it_was_deleted(
    stripe_vendor: StripeSimulator,
) -> None:
    """Within a subscription it would lie deeper than Stripe expands."""
    headers = {"authorization": f"Bearer {DEFAULT_KEY}"}
    base = stripe_vendor.base_url
    async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False) as vendor:

        async def post(path: str, **form: str) -> Any:
            return (await vendor.post(f"/v1/{path}", data=form)).raise_for_status().json()

        await post(
            "coupons", id="ITEM50", percent_off="50", duration="forever",
            **{"applies_to[products][0]": "prod_1"},
        )  # fmt: skip
        running = (await vendor.get("/v1/subscriptions/sub_1")).raise_for_status().json()
        item = running["items"]["data"][0]["id"]
        with_item = {"items[0][id]": item, "items[0][discounts][0][coupon]": "ITEM50"}
        await post("subscriptions/sub_1", **with_item)
        (await vendor.delete("/v1/coupons/ITEM50")).raise_for_status()
    client = stripe_client(stripe_vendor)
    assert (await client.read("coupon", "ITEM50")).obj is None
    found = (await client.read("subscription", "sub_1")).obj
    await client.aclose()
    assert found is not None
    (discount,) = found["items"]["data"][0]["discounts"]
    coupon = discount["source"]["coupon"]
    assert (coupon["id"], coupon["applies_to"]) == ("ITEM50", {"products": ["prod_1"]})


async def test_a_wrong_key_and_a_busy_stripe(stripe_vendor: StripeSimulator) -> None:
    wrong = stripe_client(stripe_vendor, "sk_test_wrong")
    with pytest.raises(Unauthorized):
        await wrong.read("customer", "cus_1")
    await wrong.aclose()
    busy = {"kind": "status", "status": 429}
    fault = {"path": "/v1/customers", "action": busy, "times": 1}
    await control(stripe_vendor.control_url, "faults", fault)
    client = stripe_client(stripe_vendor)
    with pytest.raises(Retryable) as caught:
        await client.read("customer", "cus_1")
    assert (await client.read("customer", "cus_1")).obj is not None
    await client.aclose()
    assert caught.value.retry_after is None


@pytest.fixture(params=["v3", "2026-03"])
async def hubspot(
    request: pytest.FixtureRequest,
) -> AsyncIterator[tuple[HubSpotSimulator, HubSpotClient]]:
    layout: Layout = request.param
    async with hubspot_simulator(access_token=TOKEN, start=START) as simulator:
        companies = [
            {
                "id": str(9000 + place),
                "properties": {"name": f"C{place}", "domain": f"c{place}.example"},
            }
            for place in range(5)
        ]
        await control(simulator.control_url, "seed", {"companies": companies})
        client = open_hubspot(
            api_base=simulator.base_url, layout=layout, where="acme/hubspot", access_token=TOKEN
        )
        yield simulator, client
        await client.aclose()


async def test_properties_values_and_rows(hubspot: tuple[HubSpotSimulator, HubSpotClient]) -> None:
    _, client = hubspot
    specs = specs_for(MAPPING["company"])
    assert await client.ensure_properties("company", specs) == []
    assert await client.ensure_properties("company", specs) == []
    rows = [
        UpdateRow("9001", {"plumbline_mrr": "83.33", "plumbline_payment_status": "paid"}, "t1"),
        UpdateRow("9002", {"plumbline_ambiguous": "true", "plumbline_state": "active"}, "t2"),
        UpdateRow("9003", {"plumbline_billing_started_at": "2026-11-20T12:00:00.000Z"}, "t3"),
    ]
    outcomes = await client.batch_update("company", rows)
    assert [(one.id, one.status) for one in outcomes] == [(row.id, "ok") for row in rows]
    names = properties_to_read("company", HUBSPOT)
    read = await client.batch_read("company", ["9001", "9002", "404404"], names)
    assert read.missing == ("404404",)
    seen = translate_record(
        "company", read.found["9001"], HUBSPOT, seen="read", origin="webhook", received_at=START
    )
    assert isinstance(seen.body, CrmRecord)
    assert seen.body.domains == ("c1.example",)
    assert seen.body.properties["plumbline_mrr"] == "83.33"
    assert seen.vendor_time_ms >= START.timestamp() * 1000


@pytest.mark.parametrize(
    ("category", "status"), [("VALIDATION_ERROR", "permanent"), ("CONFLICT", "retry")]
)
async def test_a_row_that_fails_beside_one_that_does_not(
    hubspot: tuple[HubSpotSimulator, HubSpotClient], category: str, status: str
) -> None:
    simulator, client = hubspot
    await control(simulator.control_url, "row_faults", {"ids": ["9002"], "category": category})
    await control(simulator.control_url, "behaviour", {"shuffle_results": True})
    rows = [UpdateRow(str(9001 + place), {"name": "New"}, f"t{place}") for place in range(3)]
    outcomes = await client.batch_update("company", rows)
    assert [(one.id, one.status) for one in outcomes] == [
        ("9001", "ok"),
        ("9002", status),
        ("9003", "ok"),
    ]
    assert outcomes[1].category == category


async def test_pages_and_merges(hubspot: tuple[HubSpotSimulator, HubSpotClient]) -> None:
    simulator, client = hubspot
    names = properties_to_read("company", HUBSPOT)
    cursor, ids = None, []
    while True:
        page = await client.page("company", after=cursor, properties=names, limit=2)
        ids += [row["id"] for row in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(ids) == ["9000", "9001", "9002", "9003", "9004"]
    await control(simulator.control_url, "objects/companies/9001/merge", {"other": "9002"})
    old = await client.read("company", "9002", names)
    assert old.obj is not None
    assert old.obj["id"] not in {"9001", "9002"}
    assert (await client.read("company", "404404", names)).obj is None


async def test_a_busy_hubspot(hubspot: tuple[HubSpotSimulator, HubSpotClient]) -> None:
    simulator, client = hubspot
    await control(simulator.control_url, "limits", {"per_10_seconds": 0})
    with pytest.raises(Retryable) as caught:
        await client.page("company", after=None, properties=[])
    assert caught.value.rate_limited
    assert caught.value.retry_after is None  # the budget chooses the wait
    await control(simulator.control_url, "limits", {"per_10_seconds": 100, "retry_after": 4})
    await control(simulator.control_url, "limits", {"per_day": 0})
    with pytest.raises(Retryable) as caught:
        await client.page("company", after=None, properties=[])
    assert caught.value.daily
    assert caught.value.retry_after == 4


async def test_the_daily_quota_is_told() -> None:
    told: list[tuple[int, int]] = []
    async with hubspot_simulator(access_token=TOKEN, start=START) as simulator:
        simulator.state.limits.per_day = 1000
        client = open_hubspot(
            api_base=simulator.base_url, layout="v3", where="acme/hubspot", access_token=TOKEN,
            told=lambda quota, left: told.append((quota, left)),
        )  # fmt: skip
        for _ in range(2):
            await client.page("company", after=None, properties=[])
        simulator.state.limits.per_day = 2
        with pytest.raises(Retryable):
            await client.page("company", after=None, properties=[])
        await client.aclose()
    assert told == [(1000, 999), (1000, 998), (2, 0)]
