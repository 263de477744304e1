"""A whole deployment as a user starts it, on simulated vendors, with names of the user's own."""

import asyncio
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from plumbline_local.ports import free_port
from plumbline_simulators.hubspot.simulator import HubSpotSimulator, hubspot_simulator
from plumbline_simulators.stripe.simulator import (
    StripeSettings,
    StripeSimulator,
    Webhook,
    stripe_simulator,
)

PLUMBLINE = Path(sys.executable).parent / "plumbline"
SECRETS = {
    "E2E_KEY": "sk_test_e2e", "E2E_HOOK": "whsec_e2e",
    "E2E_TOKEN": "pat-na1-e2e", "E2E_CLIENT": "e2e-client-secret",
}  # fmt: skip
CONFIG = """
[edge]
listen = "127.0.0.1:1"

[workspace]
id = "acme"
currency = "EUR"

[connections.billing-eu]
kind = "stripe"
mode = "test"
api_key = "env:E2E_KEY"
webhook_secrets = ["env:E2E_HOOK"]
api_base = "{stripe}"

[connections.crm_main]
kind = "hubspot"
access_token = "env:E2E_TOKEN"
client_secret = "env:E2E_CLIENT"
api_base = "{hubspot}"
rate_per_10_seconds = 190

[policies]
first_write = "{first_write}"

[fields.company]
mrr = "billing_mrr"
plan = "billing_plan"
payment_status = "billing_payment"
state = "billing_state"
billing_started_at = "billing_since"
stripe_customer_id = "billing_id"
ambiguous = "billing_ambiguous"
last_synced_at = "billing_synced"
"""


class World:
    """Both vendors, the running command, and what tests ask of them."""

    def __init__(
        self, folder: Path, stripe: StripeSimulator, hubspot: HubSpotSimulator, edge: str
    ) -> None:
        self.folder = folder
        self.stripe = stripe
        self.hubspot = hubspot
        self.edge = edge
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PLUMBLINE_")},
            **SECRETS,
            "PLUMBLINE_HOME": str(folder / "home"),
            "PLUMBLINE_EDGE_LISTEN": edge.removeprefix("http://"),
            "PLUMBLINE_TICK_SECONDS": "1",
        }
        self.http = httpx.AsyncClient(trust_env=False, timeout=30)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> Path:
        return self.folder / "our.toml"

    async def start(self) -> None:
        """`plumbline up` from a folder that has nothing to do with it; ready afterwards."""
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        with (self.folder / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [PLUMBLINE, "up", "--config", self.config],
                cwd=elsewhere, env=self.environment, stdout=log, stderr=log,
            )  # fmt: skip
        await self.until(self.ready, 120)

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait, 30)

    async def ready(self) -> bool:
        try:
            return (await self.http.get(f"{self.edge}/health/ready")).status_code == 200
        except httpx.TransportError:
            return False

    async def until(
        self, holds: Callable[[], Any], seconds: float = 20, found: Callable[[], Any] = str
    ) -> None:
        """Wait until a (maybe asynchronous) condition holds; `found` says what is there instead."""
        deadline = time.monotonic() + seconds
        while True:
            answer = holds()
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer:
                return
            log = (self.folder / "up.log").read_text()[-1000:]
            assert time.monotonic() < deadline, f"{found()}\n{log}"
            await asyncio.sleep(0.05)

    async def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One command, as a user of this home."""
        return await asyncio.to_thread(
            subprocess.run,
            [PLUMBLINE, *arguments],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    async def status(self) -> dict[str, Any]:
        return dict(json.loads((await self.run("status", "--json")).stdout))

    async def settled(self) -> None:
        async def quiet() -> bool:
            counts = (await self.stripe_control("/deliveries?limit=1"))["counts"]
            waiting = counts["pending"] or self.hubspot.state.webhooks.waiting
            return not waiting and bool((await self.status())["settled"])

        await self.until(quiet, 60)

    async def stripe_api(self, method: str, path: str, form: Mapping[str, str] = {}) -> Any:
        headers = {"authorization": "Bearer sk_test_e2e"}
        url, data = self.stripe.base_url + path, dict(form) if method == "POST" else None
        return self._json(await self.http.request(method, url, data=data, headers=headers))

    async def stripe_control(self, path: str, body: Any = None) -> Any:
        url = f"{self.stripe.control_url}/control{path}"
        return self._json(await self.http.request("POST" if body else "GET", url, json=body))

    async def hubspot_control(self, path: str, body: Any = None) -> Any:
        url = f"{self.hubspot.control_url}/control{path}"
        return self._json(await self.http.request("POST" if body else "GET", url, json=body))

    def _json(self, answer: httpx.Response) -> Any:
        assert answer.status_code < 300, answer.text
        return answer.json()

    def shown(self, company: str) -> dict[str, str]:
        """Our properties on a company."""
        row = self.hubspot.state.records["companies"].find(company)
        assert row is not None
        values = row["properties"].items()
        return {k.removeprefix("billing_"): v or "" for k, v in values if k.startswith("billing_")}

    async def shows(self, company: str, **wanted: str) -> None:
        await self.until(
            lambda: all(self.shown(company).get(k, "") == v for k, v in wanted.items()),
            found=lambda: f"wanted {wanted}, shown {self.shown(company)}",
        )

    async def company(self, name: str, domain: str) -> str:
        """A person creates a company in HubSpot."""
        body = {"properties": {"name": name, "domain": domain}}
        return str((await self.hubspot_control("/objects/companies", body))["id"])

    async def customer(self, email: str, price: str | None, **form: str) -> str:
        """A customer signs up in Stripe, maybe with a subscription."""
        made = await self.stripe_api("POST", "/v1/customers", {"email": email, **form})
        if price is not None:
            body = {"customer": made["id"], "items[0][price]": price}
            await self.stripe_api("POST", "/v1/subscriptions", body)
        return str(made["id"])

    async def post(
        self, body: bytes, path: str = "/webhooks/acme/billing-eu", **headers: str
    ) -> int:
        """Post to the edge; signed as Stripe would unless a header says otherwise."""
        now = str(int(time.time()))
        signed = hmac.new(b"whsec_e2e", f"{now}.".encode() + body, hashlib.sha256).hexdigest()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {
            "content-type": "application/json", "stripe-signature": f"t={now},v1={signed}", **given,
        }  # fmt: skip
        return (await self.http.post(self.edge + path, content=body, headers=sent)).status_code


SEED = {
    "products": [{"id": "prod_pro", "name": "Pro"}],
    "prices": [
        {"id": f"price_{name}", "product": "prod_pro", "currency": "eur", "unit_amount": amount,
         "recurring": {"interval": interval}, **({"lookup_key": name} if name != "bare" else {})}
        for name, amount, interval in (
            ("monthly", 4_900, "month"), ("yearly", 100_000, "year"), ("bare", 900, "month"),
        )
    ],
    "customers": [
        {"id": "cus_before", "email": "ap@before.example",
         "subscriptions": [{"price": "price_yearly", "quantity": 1}]},
        {"id": "cus_lonely", "email": "ap@lonely.example",
         "subscriptions": [{"price": "price_monthly", "quantity": 1}]},
        {"id": "cus_person", "email": "someone@gmail.com",
         "subscriptions": [{"price": "price_monthly", "quantity": 1}]},
        {"id": "cus_named", "email": "x@elsewhere.example", "metadata": {"crm_id": "9002"},
         "subscriptions": [{"price": "price_monthly", "quantity": 1}]},
        {"id": "cus_twin", "email": "x@twins.example",
         "subscriptions": [{"price": "price_monthly", "quantity": 1}]},
    ],
}  # fmt: skip
COMPANIES = {
    "9001": "before.example", "9002": "named.example", "9003": "twins.example",
    "9004": "twins.example", "9005": "gmail.com", "9006": "quiet.example",
}  # fmt: skip


@asynccontextmanager
async def open_world(
    folder: Path, *, first_write: str, more: str = "", environment: Mapping[str, str] = {}
) -> AsyncIterator[World]:
    """`more` goes to the end of the file: fields of a company first."""
    edge = f"http://127.0.0.1:{free_port()}"
    hook = f"{edge}/webhooks/acme/crm_main"
    webhook = Webhook(f"{edge}/webhooks/acme/billing-eu", "whsec_e2e")
    settings = StripeSettings(api_keys=("sk_test_e2e",), webhooks=(webhook,))
    tokens = {"access_token": "pat-na1-e2e", "client_secret": "e2e-client-secret"}
    async with (
        stripe_simulator(settings) as stripe,
        hubspot_simulator(**tokens, webhook_url=hook, public_url=hook) as hubspot,
    ):
        world = World(folder, stripe, hubspot, edge)
        await world.stripe_control("/seed", SEED)
        seed = [
            {"id": number, "properties": {"name": f"Company {number}", "domain": domain}}
            for number, domain in COMPANIES.items()
        ]
        await world.hubspot_control("/seed", {"companies": seed})
        text = CONFIG.format(
            stripe=stripe.base_url, hubspot=hubspot.base_url, first_write=first_write
        )
        world.config.write_text(text + more)
        world.environment |= environment
        try:
            await world.start()
            yield world
        finally:
            if world.process is not None and world.process.poll() is None:
                await world.stop()
            await world.http.aclose()


@pytest.fixture(scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One deployment with `first_write = "auto"` for all tests that leave it running."""
    folder = tmp_path_factory.mktemp("auto")
    async with open_world(folder, first_write="auto") as started:
        await started.settled()
        yield started


@pytest.fixture
async def planned(tmp_path: Path) -> AsyncIterator[World]:
    """A deployment that shows its plan before it writes."""
    async with open_world(tmp_path, first_write="plan") as started:
        yield started


@pytest.fixture(scope="session")
def opened() -> Any:
    """`open_world`, for a file that needs a deployment of its own."""
    return open_world
