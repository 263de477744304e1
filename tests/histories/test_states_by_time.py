"""What Stripe does by itself, folded: trials that end, retries that end, phases of schedules."""

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from plumbline_connectors.stripe.translate import StripeContext
from plumbline_runtime.postgres import create_pool
from plumbline_schemas.observations import OBSERVATION_ADAPTER, AnyObservation
from plumbline_simulators.stripe.billing_settings import changed_billing
from plumbline_simulators.stripe.customers import set_behaviour
from plumbline_simulators.stripe.eventlog import Cause
from plumbline_simulators.stripe.ledger import BillingSettings

from tests.histories.delivery import Delivery
from tests.histories.product import Product
from tests.histories.vendor import Vendor

pytestmark = pytest.mark.server

DAY = 86_400
WORKSPACE = "bytime"


class Shop:
    """One customer of a simulated account, and what the product makes of it."""

    def __init__(self, vendor: Vendor, product: Product) -> None:
        self.vendor, self._product = vendor, product
        context = StripeContext(WORKSPACE, "stripe", livemode=False)
        self._delivery = Delivery(vendor, context, random.Random(1), "in order")
        product_id = self.post("products", name="P")["id"]
        month = {"interval": "month"}
        self.small, self.large = (
            self.post(
                "prices", product=product_id, currency="usd", unit_amount=amount, recurring=month
            )["id"]
            for amount in (1000, 4000)
        )
        self.customer = self.post("customers", name="c")["id"]

    def post(self, path: str, **params: Any) -> dict[str, Any]:
        made = self.vendor.call("POST", f"/v1/{path}", params)
        assert made is not None, (path, params)
        return made

    def subscribe(self, **params: Any) -> str:
        items = [{"price": self.small, "quantity": 2}]
        return str(self.post("subscriptions", customer=self.customer, items=items, **params)["id"])

    def behaves(self, behaviour: Any) -> None:
        with self.vendor.ledger.caused_by(Cause()):
            set_behaviour(self.vendor.ledger, self.customer, behaviour)

    def dunning(self, **settings: Any) -> None:
        self.vendor.ledger.billing = changed_billing(self.vendor.ledger.billing, settings)

    async def later(self, days: float) -> dict[str, Any]:
        """The account's values so many days later; only events and the reads they ask for."""
        self.vendor.advance(days * DAY)
        now = self.vendor.clock.now().replace(microsecond=0)
        await self._product.fold(self._delivery.take(self.vendor.events(), last=True))
        self._delivery.ask(self._product.asked.take())
        while self._delivery.asked:
            await self._product.fold(await self._delivery.read())
            self._delivery.ask(self._product.asked.take())
        await self._product.fold([own("tick", "clock", now, {"as_of": now}, origin="tick")])
        state = (await self._product.states(WORKSPACE))[self.customer]
        fields = {name: field["value"] for name, field in state["fields"].items()}
        assert state["flags"]["incomplete"] == []
        return {**fields, "mrr": fields["mrr"]["minor"], "state": state["state"]}


def own(kind: str, name: str, now: Any, body: Any, **facts: Any) -> AnyObservation:
    plain = {
        "workspace": WORKSPACE, "connection": "@", "kind": kind, "id": name, "seen": "event",
        "vendor_time_ms": int(now.timestamp() * 1000), "origin": "console", "received_at": now,
        "body": body,
    }  # fmt: skip
    return OBSERVATION_ADAPTER.validate_python({**plain, **facts})


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    billing = BillingSettings(finalize_after_seconds=0)
    vendor = Vendor("bytime", version="2026-10-28.endive", billing=billing, all_events=True)
    pool = await create_pool(database_url)
    try:
        product = Product(pool)
        await product.open()
        now = vendor.clock.now()
        names = [{"name": "stripe", "kind": "stripe", "mode": "test"}]
        config = {"currency": "usd", "connections": names}
        walk = own("walk", "initial", now, {}, connection="stripe", seen="walk", origin="walk")
        await product.fold([own("config", "workspace", now, config), walk])
        yield Shop(vendor, product)
    finally:
        await pool.close()
        vendor.close()


def seen(found: dict[str, Any]) -> tuple[Any, ...]:
    names = ("mrr", "subscription_status", "payment_status", "state")
    return tuple(found[name] for name in names)


@pytest.mark.parametrize(
    ("chosen", "end"),
    [
        ("create_invoice", (2000, "past_due", "failing", "at_risk")),
        ("pause", (0, "paused", "paid", "at_risk")),
        ("cancel", (0, "canceled", "paid", "churned")),
    ],
)
async def test_a_trial_without_a_card_ends_as_chosen(shop: Shop, chosen: str, end: Any) -> None:
    shop.behaves("missing")
    settings = {"end_behavior": {"missing_payment_method": chosen}}
    shop.subscribe(trial_period_days=7, trial_settings=settings)
    assert seen(await shop.later(1)) == (0, "trialing", "paid", "trial")
    assert seen(await shop.later(7)) == end


@pytest.mark.parametrize(
    ("after", "end"),
    [
        ("past_due", (2000, "past_due", "past_due", "at_risk")),
        ("unpaid", (0, "unpaid", "past_due", "at_risk")),
        ("canceled", (0, "canceled", "past_due", "churned")),
        ("paused", (0, "paused", "past_due", "at_risk")),
    ],
)
async def test_retries_end_as_the_account_says(shop: Shop, after: str, end: Any) -> None:
    shop.dunning(retry_days=[2, 4], after_retries=after)
    shop.subscribe()
    assert seen(await shop.later(1)) == (2000, "active", "paid", "active")
    shop.behaves("fail")
    assert seen(await shop.later(32)) == (2000, "past_due", "failing", "at_risk")
    found = await shop.later(4)
    assert seen(found) == end
    assert found["failed_payment_count"] == 3


async def test_a_pause_after_the_first_failure_ends_with_its_payment(shop: Shop) -> None:
    shop.dunning(pause_after_first_failure=True, resume_when_paid=True, retry_days=[3])
    shop.subscribe()
    shop.behaves("fail")
    assert seen(await shop.later(32)) == (0, "paused", "past_due", "at_risk")
    shop.behaves("ok")
    assert seen(await shop.later(3)) == (2000, "active", "paid", "active")


async def test_each_phase_of_a_schedule_moves_the_mrr(shop: Shop) -> None:
    subscription = shop.subscribe()
    made = shop.post("subscription_schedules", from_subscription=subscription)
    start = made["phases"][0]["start_date"]
    first = {"items": [{"price": shop.small, "quantity": 2}], "end_date": start + 10 * DAY}
    later = {"items": [{"price": shop.large, "quantity": 3}], "end_date": start + 50 * DAY}
    shop.post(f"subscription_schedules/{made['id']}", phases=[first, later], end_behavior="cancel")
    assert (await shop.later(1))["mrr"] == 2000
    assert (await shop.later(10))["mrr"] == 12000
    assert seen(await shop.later(40)) == (0, "canceled", "paid", "churned")


async def test_a_schedule_that_starts_later_counts_from_its_start(shop: Shop) -> None:
    phase = {"items": [{"price": shop.large, "quantity": 1}]}
    start = shop.vendor.ledger.now() + 5 * DAY
    shop.post("subscription_schedules", customer=shop.customer, start_date=start, phases=[phase])
    assert seen(await shop.later(1)) == (0, None, "none", "prospect")
    assert seen(await shop.later(5)) == (4000, "active", "paid", "active")


async def test_a_paused_subscription_counts_again_once_its_invoice_is_paid(shop: Shop) -> None:
    subscription = shop.subscribe()
    await shop.later(1)
    shop.post(f"subscriptions/{subscription}/pause")
    assert seen(await shop.later(40)) == (0, "paused", "paid", "at_risk")
    waiting = shop.post(f"subscriptions/{subscription}/resume")
    assert waiting["status"] == "paused"
    shop.post(f"invoices/{waiting['latest_invoice']}/pay")
    assert seen(await shop.later(0.01)) == (2000, "active", "paid", "active")
