"""Older API versions write the same facts in their own places."""

import httpx
import pytest

KEY = "sk_test_contract_suite"
NEWER = ["2025-03-31.basil", "2025-09-30.clover", "2026-03-25.dahlia", "2026-10-28.endive"]


@pytest.fixture
async def read(rig):
    async with httpx.AsyncClient(base_url=rig.sim.base_url, trust_env=False) as http:

        async def get(path, version):
            headers = {"Authorization": f"Bearer {KEY}", "Stripe-Version": version}
            answer = await http.get(path, headers=headers)
            assert answer.status_code == 200, answer.text
            return answer.json()

        yield get


async def discounted(rig):
    coupon = await rig.call(
        rig.client.v1.coupons.create, {"percent_off": 10, "duration": "forever"}
    )
    return await rig.subscription(discounts=[{"coupon": coupon.id}], metadata={"a": "b"}), coupon


async def test_acacia_has_periods_and_discount_on_the_subscription(rig, read):
    made, coupon = await discounted(rig)
    old = await read(f"/v1/subscriptions/{made.id}", "2024-09-30.acacia")
    item = made["items"].data[0]
    assert old["current_period_start"] == item.current_period_start
    assert old["current_period_end"] == item.current_period_end
    assert "current_period_end" not in old["items"]["data"][0]
    assert old["discount"]["coupon"]["id"] == coupon.id
    assert "billing_mode" not in old


@pytest.mark.parametrize("version", NEWER)
async def test_since_basil_periods_are_on_the_items(rig, read, version):
    made, coupon = await discounted(rig)
    new = await read(f"/v1/subscriptions/{made.id}?expand[]=discounts", version)
    assert "current_period_end" not in new
    assert "discount" not in new
    assert new["items"]["data"][0]["current_period_end"] > made.created
    discount = new["discounts"][0]
    if version < "2025-09-30":
        assert discount["coupon"]["id"] == coupon.id
    else:
        assert discount["source"] == {"type": "coupon", "coupon": coupon.id}
    assert ("status_details" in new) == (version >= "2026-09-30")


async def test_invoices_name_their_subscription_where_the_version_has_it(rig, read):
    made, _ = await discounted(rig)
    path = f"/v1/invoices/{made.latest_invoice}"
    old = await read(path, "2024-12-18.acacia")
    assert old["subscription"] == made.id
    assert old["subscription_details"] == {"metadata": {"a": "b"}}
    assert old["paid"] is True
    assert old["payment_intent"].startswith("pi_")
    assert "parent" not in old
    line = old["lines"]["data"][0]
    assert line["price"]["id"] == made["items"].data[0].price.id
    assert line["type"] == "subscription"
    for version in NEWER:
        new = await read(path, version)
        details = new["parent"]["subscription_details"]
        assert details["subscription"] == made.id
        assert details["metadata"] == {"a": "b"}
        for gone in ("subscription", "paid", "payment_intent", "discount", "charge"):
            assert gone not in new
        assert "price" not in new["lines"]["data"][0]
