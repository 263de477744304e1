"""The demo's world: both simulated vendors in this process, and what can be done to them."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx
from plumbline_simulators.hubspot.simulator import HubSpotSimulator, hubspot_simulator
from plumbline_simulators.stripe.simulator import (
    StripeSettings,
    StripeSimulator,
    Webhook,
    stripe_simulator,
)

from console.demo.truth import Expected, expected

API_KEY = "sk_test_demo"
WEBHOOK_SECRET = "whsec_demo"  # noqa: S105 - opens nothing but the simulator
ACCESS_TOKEN = "pat-na1-demo"  # noqa: S105 - as above
CLIENT_SECRET = "demo-client-secret"  # noqa: S105 - as above
WORKSPACE = "demo"
DAY = 86_400


class Objects(NamedTuple):
    """One customer's."""

    subscriptions: list[Any]
    invoices: list[Any]
    charges: list[Any]


class WrongValue(AssertionError):  # noqa: N818 - reads as the sentence it prints
    """HubSpot did not show what Stripe says, in time."""


@dataclass
class World:
    """Both vendors, and a clock between a fact and its value."""

    stripe: StripeSimulator
    hubspot: HubSpotSimulator
    http: httpx.AsyncClient
    homes: dict[str, str] = field(default_factory=dict)
    """Company of each customer that belongs to one, as the book and the story have it."""

    async def stripe_api(self, method: str, path: str, form: Mapping[str, str] = {}) -> Any:
        """Call Stripe's API as the company's own billing code would."""
        answer = await self.http.request(
            method,
            self.stripe.base_url + path,
            data=dict(form) if method == "POST" else None,
            headers={"authorization": f"Bearer {API_KEY}"},
        )
        return _body(answer)

    async def stripe_control(self, path: str, body: Any = None) -> Any:
        """Do what only Stripe's own machinery can: time, cards, redelivery."""
        url = f"{self.stripe.control_url}/control{path}"
        answer = await self.http.request("GET" if body is None else "POST", url, json=body)
        return _body(answer)

    async def hubspot_control(self, path: str, body: Any = None) -> Any:
        """Do what a person in HubSpot does, or set its limits."""
        url = f"{self.hubspot.control_url}/control{path}"
        answer = await self.http.request("GET" if body is None else "POST", url, json=body)
        return _body(answer)

    async def days(self, number: float) -> None:
        """Let Stripe's time pass, with all the billing in between."""
        await self.stripe_control("/clock", {"advance_seconds": number * DAY})

    def values(self, company: str) -> dict[str, str]:
        """What HubSpot shows on a company; empty where nothing is written."""
        row = self.hubspot.state.records["companies"].find(company)
        properties = {} if row is None else row["properties"]
        return {name: value or "" for name, value in properties.items()}

    def writes(self) -> int:
        """How many writes HubSpot has accepted."""
        return self.hubspot.state.write_count

    async def shows(self, company: str, wanted: Mapping[str, str], seconds: float) -> float:
        """Wait until HubSpot shows these values; the time it took in milliseconds."""
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            shown = self.values(company)
            if all(shown.get(name, "") == value for name, value in wanted.items()):
                return (time.perf_counter() - began) * 1000
            await asyncio.sleep(0.005)
        shown = self.values(company)
        wrong = {
            name: shown.get(name, "") for name in wanted if shown.get(name, "") != wanted[name]
        }
        raise WrongValue(f"company {company}: wanted {dict(wanted)}, HubSpot shows {wrong}")

    async def until(self, epoch: int) -> None:
        """The same, up to an instant (epoch seconds) that is ahead."""
        now = (await self.stripe_control("/clock"))["epoch"]
        await self.stripe_control("/clock", {"advance_seconds": max(epoch - now, 0)})

    async def truth(self, customer_ids: Sequence[str]) -> Expected:
        """What a company of these customers must show, from Stripe's objects."""
        found: list[Objects] = []
        for customer in customer_ids:
            found += (await self.objects(f"customer={customer}")).values()
        return expected_of(customer_ids, found)

    async def objects(self, condition: str = "") -> dict[str, Objects]:
        """What Stripe lists of customers, by customer; of all without a condition."""
        found: defaultdict[str, Objects] = defaultdict(lambda: Objects([], [], []))
        paths = (
            "/v1/subscriptions?status=all&expand[]=data.discounts.source.coupon&",
            "/v1/invoices?",
            "/v1/charges?",
        )
        for place, path in enumerate(paths):
            for row in await self.every(path + condition):
                found[row["customer"]][place].append(row)
        return found

    async def every(self, path: str) -> list[Any]:
        """Every page of a list."""
        rows: list[Any] = []
        cursor = ""
        while True:
            page = await self.stripe_api("GET", f"{path}&limit=100{cursor}")
            rows += page["data"]
            if not page["has_more"]:
                return rows
            cursor = f"&starting_after={rows[-1]['id']}"


def expected_of(customer_ids: Sequence[str], found: Sequence[Objects]) -> Expected:
    """A company's values from the objects of its customers."""
    together = (
        [row for one in found for row in one.subscriptions],
        [row for one in found for row in one.invoices],
        [row for one in found for row in one.charges],
    )
    return expected(customer_ids, *together)


@asynccontextmanager
async def open_world(
    edge_url: str, stripe_book: Mapping[str, Any], hubspot_book: Mapping[str, Any]
) -> AsyncIterator[World]:
    """Start both simulators with these seeds and aim their webhooks at the edge."""
    stripe_hook = Webhook(f"{edge_url}/webhooks/{WORKSPACE}/stripe", WEBHOOK_SECRET)
    hubspot_hook = f"{edge_url}/webhooks/{WORKSPACE}/hubspot"
    settings = StripeSettings(api_keys=(API_KEY,), webhooks=(stripe_hook,))
    async with (
        stripe_simulator(settings) as stripe,
        hubspot_simulator(
            access_token=ACCESS_TOKEN,
            client_secret=CLIENT_SECRET,
            webhook_url=hubspot_hook,
            public_url=hubspot_hook,
        ) as hubspot,
        httpx.AsyncClient(trust_env=False, timeout=600) as http,
    ):
        world = World(stripe, hubspot, http)
        await world.stripe_control("/seed", stripe_book)
        await world.hubspot_control("/seed", hubspot_book)
        yield world


def _body(answer: httpx.Response) -> Any:
    if answer.status_code >= 300:
        raise RuntimeError(f"{answer.request.url.path}: {answer.status_code} {answer.text[:300]}")
    return answer.json()
