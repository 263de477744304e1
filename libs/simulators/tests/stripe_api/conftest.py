"""A Stripe simulator over HTTP, the official client against it, and a webhook receiver."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import stripe
from plumbline_simulators.server import running
from plumbline_simulators.stripe.delivery import DeliverySettings
from plumbline_simulators.stripe.simulator import (
    StripeSettings,
    StripeSimulator,
    stripe_simulator,
)

KEY = "sk_test_contract_suite"
RESTRICTED_KEY = "rk_test_contract_suite"
START = datetime(2026, 1, 15, 12, tzinfo=UTC)
DAY = 86_400
NEWEST = "2026-10-28.endive"


@dataclass
class Rig:
    sim: StripeSimulator
    control: httpx.AsyncClient
    client: stripe.StripeClient

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The SDK is synchronous: a thread of its own, the server in this loop."""
        return await asyncio.to_thread(function, *args, **kwargs)

    def another_client(self, key: str = KEY, **options: Any) -> stripe.StripeClient:
        return stripe.StripeClient(key, base_addresses={"api": self.sim.base_url}, **options)

    async def raw(
        self, path: str, version: str = NEWEST, method: str = "GET", **data: Any
    ) -> dict[str, Any]:
        """A call in an API version of one's own choice."""
        headers = {"Authorization": f"Bearer {KEY}", "Stripe-Version": version}
        async with httpx.AsyncClient(base_url=self.sim.base_url, trust_env=False) as http:
            answer = await http.request(method, path, headers=headers, data=data or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def advance(self, seconds: float) -> dict[str, Any]:
        answer = await self.control.post("/control/clock", json={"advance_seconds": seconds})
        assert answer.status_code == 200, answer.text
        return answer.json()["counts"]

    async def post(self, path: str, data: dict[str, Any], status: int = 200) -> dict[str, Any]:
        answer = await self.control.post(path, json=data)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def reach_renewal(self, subscription: Any, seconds_later: int = 0) -> None:
        """To the end of the subscription's current period, and so much further."""
        now = (await self.control.get("/control/clock")).json()["epoch"]
        end = subscription["items"].data[0].current_period_end
        await self.advance(end - now + seconds_later)

    async def price(self, amount: int = 1000, interval: str = "month", **more: Any) -> Any:
        product = await self.call(self.client.v1.products.create, {"name": "Pro"})
        return await self.call(
            self.client.v1.prices.create,
            {
                "product": product.id,
                "currency": "usd",
                "unit_amount": amount,
                "recurring": {"interval": interval},
                **more,
            },
        )

    async def customer(self, **fields: Any) -> Any:
        fields.setdefault("name", "Acme")
        return await self.call(self.client.v1.customers.create, fields)

    async def subscription(self, customer: Any = None, price: Any = None, **more: Any) -> Any:
        customer = customer or await self.customer()
        price = price or await self.price()
        items = [{"price": price.id, "quantity": 2}]
        return await self.call(
            self.client.v1.subscriptions.create,
            {"customer": customer.id, "items": items, **more},
        )

    async def behaves(self, customer_id: str, behaviour: str, **more: Any) -> dict[str, Any]:
        path = f"/control/customers/{customer_id}/payment_method"
        return await self.post(path, {"behaviour": behaviour, **more})

    async def events_of(self, customer_id: str) -> list[dict[str, Any]]:
        """Events about a customer and what belongs to it, oldest first."""

        def read() -> list[dict[str, Any]]:
            listing = self.client.v1.events.list({"limit": 100})
            return [event.to_dict() for event in listing.auto_paging_iter()][::-1]

        return [
            event
            for event in await asyncio.to_thread(read)
            if customer_id
            in (event["data"]["object"].get("customer"), event["data"]["object"]["id"])
        ]

    async def latest_invoice(self, subscription_id: str) -> Any:
        subscription = await self.call(self.client.v1.subscriptions.retrieve, subscription_id)
        return await self.call(self.client.v1.invoices.retrieve, subscription.latest_invoice)

    async def status_of(self, subscription_id: str) -> str:
        return (await self.call(self.client.v1.subscriptions.retrieve, subscription_id)).status


@dataclass
class Receiver:
    """Takes webhooks; answers the next of `answers`, then 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    received: list[tuple[bytes, str]] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        body = message["body"]
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        headers = dict(scope["headers"])
        self.connections.add(scope["client"])
        self.received.append((body, headers[b"stripe-signature"].decode()))
        status = self.answers.pop(0) if self.answers else 200
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-length", b"2")],
            }
        )
        await send({"type": "http.response.body", "body": b"ok"})

    async def wait_for(self, number: int, seconds: float = 5.0) -> list[dict[str, Any]]:
        """The bodies, once `number` arrived."""
        async with asyncio.timeout(seconds):
            while len(self.received) < number:
                await asyncio.sleep(0.005)
        return [json.loads(body) for body, _ in self.received]


@pytest.fixture(scope="module")
async def rig() -> AsyncIterator[Rig]:
    settings = StripeSettings(
        api_keys=(KEY, RESTRICTED_KEY),
        start=START,
        frozen=True,
        delivery=DeliverySettings(backoff_seconds=(0.05, 0.1), max_attempts=5),
    )
    async with (
        stripe_simulator(settings) as sim,
        httpx.AsyncClient(base_url=sim.control_url, trust_env=False) as control,
    ):
        client = stripe.StripeClient(
            KEY, base_addresses={"api": sim.base_url}, max_network_retries=2
        )
        yield Rig(sim, control, client)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    app = Receiver()
    async with running(app) as url:
        app.url = f"{url}/hooks/stripe"
        yield app
