"""A read that is answered in the very second of the change it is for (design 5)."""

import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from plumbline_connectors.stripe.translate import StripeContext
from plumbline_runtime.postgres import create_pool
from plumbline_schemas.observations import OBSERVATION_ADAPTER, AnyObservation
from plumbline_simulators.stripe.ledger import BillingSettings

from tests.histories.delivery import Delivery
from tests.histories.product import Product
from tests.histories.vendor import Vendor

pytestmark = pytest.mark.server

PRICES = 14


def own(kind: str, name: str, now: datetime, body: Any, **facts: Any) -> AnyObservation:
    plain = {
        "workspace": "race", "connection": "@", "kind": kind, "id": name, "seen": "event",
        "vendor_time_ms": int(now.timestamp() * 1000), "origin": "console", "received_at": now,
        "body": body,
    }  # fmt: skip
    return OBSERVATION_ADAPTER.validate_python({**plain, **facts})


def opening(now: datetime) -> Sequence[AnyObservation]:
    names = [{"name": "stripe", "kind": "stripe", "mode": "test"}]
    config = own("config", "workspace", now, {"currency": "usd", "connections": names})
    walk = own("walk", "initial", now, {}, connection="stripe", seen="walk", origin="walk")
    return [config, walk]


def made(vendor: Vendor, path: str, **params: Any) -> str:
    answer = vendor.call("POST", f"/v1/{path}", params)
    assert answer is not None, path
    return str(answer["id"])


async def test_a_long_list_read_in_the_second_it_was_made(database_url: str) -> None:
    """The event holds ten of the items; the read of the same second holds them all."""
    vendor = Vendor(
        "race", version="2026-10-28.endive", billing=BillingSettings(), all_events=False
    )
    product_id = made(vendor, "products", name="P")
    month = {"interval": "month"}
    prices = [
        made(vendor, "prices", product=product_id, currency="usd", unit_amount=100, recurring=month)
        for _ in range(PRICES)
    ]
    customer = made(vendor, "customers", name="c")
    vendor.advance(60)
    items = [{"price": price} for price in prices]
    made(vendor, "subscriptions", customer=customer, items=items)
    context = StripeContext("race", "stripe", livemode=False)
    delivery = Delivery(vendor, context, random.Random(1), "in order")
    pool = await create_pool(database_url)
    try:
        product = Product(pool)
        await product.open()
        await product.fold(opening(vendor.clock.now()))
        await product.fold(delivery.take(vendor.events(), last=True))
        for _ in range(5):
            delivery.ask(product.asked.take())
            if not delivery.asked:
                break
            seen = await delivery.read(after=0.3)
            if seen:
                await product.fold(seen)
        (state,) = (await product.states("race")).values()
    finally:
        await pool.close()
        vendor.close()
    assert state["flags"]["incomplete"] == []
    assert state["fields"]["mrr"]["value"] == {"minor": 100 * PRICES, "currency": "usd"}
