"""Both simulated vendors as processes of their own, so that their cost is told apart."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from plumbline_simulators.stripe.versions import DEFAULT_VERSION

API_KEY = "sk_test_bench"
WEBHOOK_SECRET = "whsec_bench"
ACCESS_TOKEN = "pat-na1-bench"
CLIENT_SECRET = "bench-client-secret"
WORKSPACE = "bench"
PORTAL = 4242
UNIT_AMOUNT = 5_000
API_VERSION = DEFAULT_VERSION
DAY = 86_400
_START_SECONDS = 20.0
_SEED_ROWS = 2_000


@dataclass(frozen=True)
class Vendors:
    """Addresses, processes, and a client for their control APIs."""

    stripe_url: str
    stripe_control: str
    hubspot_url: str
    hubspot_control: str
    pids: Mapping[str, int]
    http: httpx.AsyncClient

    async def seed(self, customers: int) -> None:
        """`customers` paying customers and the company of each, by domain."""
        first: dict[str, Any] = {
            "products": [{"id": "prod_load", "name": "Load"}], "prices": [_price()],
        }  # fmt: skip
        for start in range(0, customers, _SEED_ROWS):
            numbers = range(start, min(start + _SEED_ROWS, customers))
            stripe = {**first, "customers": [_customer(number) for number in numbers]}
            await self._post(f"{self.stripe_control}/control/seed", stripe)
            first = {}
        await self.seed_companies(0, customers)

    async def seed_companies(self, first: int, count: int) -> None:
        """Companies without a customer; HubSpot tells nobody of them."""
        for start in range(first, first + count, _SEED_ROWS):
            numbers = range(start, min(start + _SEED_ROWS, first + count))
            hubspot = {"companies": [_company(number) for number in numbers]}
            await self._post(f"{self.hubspot_control}/control/seed", hubspot)

    async def subscription(self, number: int) -> Any:
        """The subscription of a customer as Stripe's API shows it."""
        answer = await self.http.get(
            f"{self.stripe_url}/v1/subscriptions/sub_load{number}",
            headers={"authorization": f"Bearer {API_KEY}"},
        )
        return answer.raise_for_status().json()

    async def writes(self, since: int) -> Any:
        """Accepted writes after the first `since`: `count` and `writes`."""
        url = f"{self.hubspot_control}/control/writes?since={since}"
        return (await self.http.get(url)).raise_for_status().json()

    async def write_count(self) -> int:
        """How many writes HubSpot has accepted."""
        return int((await self.writes(1 << 40))["count"])

    async def company(self, number: int) -> Any:
        """A company as HubSpot holds it."""
        url = f"{self.hubspot_control}/control/companies/{company_id(number)}"
        return (await self.http.get(url)).raise_for_status().json()

    async def notifications(self) -> Any:
        """`delivered`, `waiting` and `given_up` notifications."""
        url = f"{self.hubspot_control}/control/webhooks"
        return (await self.http.get(url)).raise_for_status().json()

    async def set_limits(self, per_10_seconds: int) -> None:
        """How many requests HubSpot takes."""
        body = {"per_10_seconds": per_10_seconds}
        await self._post(f"{self.hubspot_control}/control/limits", body)

    async def _post(self, url: str, body: Any) -> None:
        answer = await self.http.post(url, json=body)
        if answer.status_code >= 300:
            raise RuntimeError(f"{url}: {answer.status_code} {answer.text[:300]}")


def company_id(number: int) -> str:
    """HubSpot's id of customer `number`'s company."""
    return str(100_000 + number)


@asynccontextmanager
async def open_vendors(edge_url: str) -> AsyncIterator[Vendors]:
    """Start both; HubSpot's notifications go to the edge, Stripe's events come from the load."""
    hook = f"{edge_url}/webhooks/{WORKSPACE}/hubspot"
    stripe = ("--api-key", API_KEY)
    hubspot = (
        "--access-token", ACCESS_TOKEN, "--client-secret", CLIENT_SECRET,
        "--portal-id", str(PORTAL), "--webhook-url", hook, "--public-url", hook,
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(_simulator("stripe", stripe))
        other = await stack.enter_async_context(_simulator("hubspot", hubspot))
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=600))
        yield Vendors(
            one.api, one.control, other.api, other.control,
            {"stripe (simulated)": one.pid, "hubspot (simulated)": other.pid}, http,
        )  # fmt: skip


@dataclass(frozen=True)
class _Simulator:
    pid: int
    api: str
    control: str


@asynccontextmanager
async def _simulator(vendor: str, arguments: tuple[str, ...]) -> AsyncIterator[_Simulator]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"plumbline_simulators.{vendor}", *arguments,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    try:
        async with asyncio.timeout(_START_SECONDS):
            line = (await child.stdout.readline()).decode()
        urls = [part.removeprefix("api=").removeprefix("control=") for part in line.split()]
        api, control = [url for url in urls if url.startswith("http://")]
        yield _Simulator(child.pid, api, control)
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


def _price() -> dict[str, Any]:
    return {
        "id": "price_load", "product": "prod_load", "lookup_key": "load_monthly",
        "currency": "usd", "unit_amount": UNIT_AMOUNT,
        "recurring": {"interval": "month", "interval_count": 1},
    }  # fmt: skip


def _customer(number: int) -> dict[str, Any]:
    created = int(time.time()) - 9 * DAY
    subscription = {
        "id": f"sub_load{number}", "price": "price_load", "quantity": 1, "created": created,
    }  # fmt: skip
    return {
        "id": f"cus_load{number}", "name": f"Load {number}",
        "email": f"billing@load{number}.example", "created": created,
        "subscriptions": [subscription],
    }  # fmt: skip


def _company(number: int) -> dict[str, Any]:
    properties = {"name": f"Load {number}", "domain": f"load{number}.example"}
    return {"id": company_id(number), "properties": properties}
