"""Both simulated vendors in this process, and what can be done to them."""

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from plumbline_simulators.hubspot.simulator import HubSpotSimulator, hubspot_simulator
from plumbline_simulators.server import running
from plumbline_simulators.stripe.delivery import DeliverySettings
from plumbline_simulators.stripe.simulator import (
    StripeSettings,
    StripeSimulator,
    Webhook,
    stripe_simulator,
)

from tests.chaos.book import Book
from tests.chaos.switchboard import Switchboard
from tests.chaos.truth import expected

WORKSPACE, STRIPE, HUBSPOT = "chaos", "stripe", "hubspot"
API_KEY, WEBHOOK_SECRET = "sk_test_chaos", "whsec_chaos"
OTHER_KEY, STRIPE_ACCOUNT = "sk_test_other", "acct_1PlumblineChaos"
ACCESS_TOKEN, CLIENT_SECRET = "pat-na1-chaos", "chaos-client-secret"
DELIVERY = DeliverySettings(backoff_seconds=(0.2, 0.4, 0.8, 1.5), max_attempts=1_000)
HUBSPOT_RETRY_SECONDS = 0.5
"""Ten attempts, each later by this: a notification waits 27 s for an edge that is away."""
KEPT_BODY_BYTES = 1 << 20
ANY_NUMBER = httpx.Limits(max_connections=None, max_keepalive_connections=20)
"""A request cancelled as its service was killed may keep its connection: a hundred of them later
nobody would get one."""


@dataclass
class Vendors:
    """Stripe and HubSpot, their book, and a client for both."""

    stripe: StripeSimulator
    hubspot: HubSpotSimulator
    http: httpx.AsyncClient
    book: Book
    switchboard: Switchboard
    stripe_url: str
    """What Plumbline calls; the switchboard passes it on."""

    async def stripe_api(self, method: str, path: str, form: Mapping[str, str] = {}) -> Any:
        """Call Stripe as the company's own billing code would."""
        answer = await self.http.request(
            method, self.stripe.base_url + path,
            data=dict(form) if method == "POST" else None,
            headers={"authorization": f"Bearer {API_KEY}"},
        )  # fmt: skip
        return _body(answer)

    async def stripe_control(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """What only Stripe's own machinery can do; `/faults` takes fault rules."""
        return await self._control(self.stripe.control_url, path, body, method)

    async def hubspot_control(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """What a person in HubSpot does, or faults, limits and tokens."""
        return await self._control(self.hubspot.control_url, path, body, method)

    async def _control(self, base: str, path: str, body: Any, method: str | None) -> Any:
        how = method or ("GET" if body is None else "POST")
        return _body(await self.http.request(how, f"{base}/control{path}", json=body))

    async def heal(self) -> None:
        """No faults any more."""
        self.stripe.state.faults.clear()
        self.hubspot.state.faults.clear()
        self.hubspot.state.row_faults.clear()

    async def seed_without_subscribers(self, other: StripeSimulator) -> None:
        """Give another simulator our customers, and subscriptions that have all ended."""
        seed = self.book.stripe_seed()
        for customer in seed["customers"]:
            for subscription in customer["subscriptions"]:
                subscription["status"] = "canceled"
        path = f"{other.control_url}/control/seed"
        _body(await self.http.post(path, json=seed))

    def waiting(self) -> int:
        """Deliveries not yet taken (or given up) by the edge."""
        counts = self.stripe.state.deliverer.counts()
        return int(counts["pending"]) + self.hubspot.state.webhooks.waiting

    def accepted(self) -> int:
        """Deliveries answered with 2xx so far, by both vendors' count."""
        answers = self.stripe.state.deliverer.statuses
        stripe = sum(number for status, number in answers.items() if 200 <= status < 300)
        return stripe + self.hubspot.state.webhooks.delivered

    def shown(self, company: str) -> dict[str, str]:
        """What HubSpot shows on a company."""
        row = self.hubspot.state.records["companies"].find(company)
        properties = {} if row is None else row["properties"]
        return {name: value or "" for name, value in properties.items()}

    def beside_the_book(self) -> dict[str, str]:
        """Domain of every company that is none of the book's, by id."""
        known = self.book.companies()
        rows = self.hubspot.state.records["companies"].all(archived=False)
        return {
            row["id"]: row["properties"].get("domain") or "" for row in rows
            if row["id"] not in known
        }  # fmt: skip

    async def truth(self) -> dict[str, dict[str, str]]:
        """What the company of every domain must show, from Stripe's objects as they are now."""
        customers: dict[str, list[str]] = defaultdict(list)
        for row in await self.every("/v1/customers"):
            customers[str(row["email"]).rpartition("@")[2].lower()].append(row["id"])
        subscriptions = _by_customer(await self.every("/v1/subscriptions?status=all"))
        invoices = _by_customer(await self.every("/v1/invoices"))
        wanted = {}
        for domain in {*self.book.companies().values(), *customers}:
            ids = customers.get(domain, [])
            wanted[domain] = expected(
                ids,
                [row for one in ids for row in subscriptions[one]],
                [row for one in ids for row in invoices[one]],
            )
        return wanted

    async def every(self, path: str) -> list[Any]:
        """All pages of a list."""
        found: list[Any] = []
        joint = "&" if "?" in path else "?"
        while True:
            after = f"&starting_after={found[-1]['id']}" if found else ""
            page = await self.stripe_api("GET", f"{path}{joint}limit=100{after}")
            found += page["data"]
            if not page["has_more"]:
                return found


@asynccontextmanager
async def open_vendors(edge_url: str, book: Book) -> AsyncIterator[Vendors]:
    """Start both with the book; their webhooks go to the edge."""
    hook = f"{edge_url}/webhooks/{WORKSPACE}/{HUBSPOT}"
    settings = StripeSettings(
        api_keys=(API_KEY,),
        account_id=STRIPE_ACCOUNT,
        webhooks=(Webhook(f"{edge_url}/webhooks/{WORKSPACE}/{STRIPE}", WEBHOOK_SECRET),),
        delivery=DELIVERY,
    )
    tokens = {"access_token": ACCESS_TOKEN, "client_secret": CLIENT_SECRET}
    async with (
        stripe_simulator(settings) as stripe,
        hubspot_simulator(**tokens, webhook_url=hook, public_url=hook) as hubspot,
        httpx.AsyncClient(trust_env=False, timeout=600, limits=ANY_NUMBER) as http,
        running(switchboard := Switchboard(http)) as stripe_url,
    ):
        switchboard.lines[API_KEY] = (stripe.base_url, API_KEY)
        hubspot.state.calls.body_cap = KEPT_BODY_BYTES  # whole batches are compared
        hubspot.state.calls._max_bytes = 64 * KEPT_BODY_BYTES
        vendors = Vendors(stripe, hubspot, http, book, switchboard, stripe_url)
        await vendors.hubspot_control("/webhooks", {"retry_seconds": HUBSPOT_RETRY_SECONDS})
        await vendors.stripe_control("/seed", book.stripe_seed())
        await vendors.hubspot_control("/seed", book.hubspot_seed())
        yield vendors


def _by_customer(rows: list[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        found[row["customer"]].append(row)
    return found


def _body(answer: httpx.Response) -> Any:
    if answer.status_code >= 300:
        path = answer.request.url.path
        raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:300]}")
    return answer.json()


def seeded(*parts: object) -> random.Random:
    """The same numbers for the same parts, in every process."""
    return random.Random("/".join(map(str, parts)))
