"""A whole deployment on simulated vendors, as the rows of the bench need it."""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from console.facts import Facts
from console.reach import connected, kafka_client
from console.up import SERVICES, make_deployment, until_ready
from plumbline_local.deployment import Deployment
from plumbline_local.paths import Home, write_private
from plumbline_local.ports import keep_ports
from plumbline_local.run import database_url

from bench.usage import Sample, sample
from bench.vendors import (
    ACCESS_TOKEN,
    API_KEY,
    CLIENT_SECRET,
    WEBHOOK_SECRET,
    WORKSPACE,
    Vendors,
    open_vendors,
)

QUIET_SECONDS = 900.0
READY_SECONDS = 600.0
CONFIG = """# Written by `make bench`.
[edge]
listen = "{listen}"

[workspace]
id = "{workspace}"
currency = "USD"
timezone = "Europe/Berlin"

[connections.stripe]
kind = "stripe"
mode = "test"
api_key = "env:BENCH_STRIPE_API_KEY"
webhook_secrets = ["env:BENCH_STRIPE_WEBHOOK_SECRET"]
api_base = "{stripe}"

[connections.hubspot]
kind = "hubspot"
access_token = "env:BENCH_HUBSPOT_TOKEN"
client_secret = "env:BENCH_HUBSPOT_CLIENT_SECRET"
portal_id = "4242"
api_base = "{hubspot}"
rate_per_10_seconds = 190

[policies]
first_write = "auto"
"""


@dataclass
class System:
    """What runs, and how to look at it."""

    vendors: Vendors
    deployment: Deployment
    edge_url: str
    folder: Path

    @property
    def stripe_hook(self) -> str:
        """Where Stripe posts."""
        return f"{self.edge_url}/webhooks/{WORKSPACE}/stripe"

    @property
    def hubspot_hook(self) -> str:
        """Where HubSpot posts."""
        return f"{self.edge_url}/webhooks/{WORKSPACE}/hubspot"

    def pids(self) -> dict[str, int]:
        """Every process that carries a change, by name."""
        run = self.deployment.current()
        found = {service.name: service.pid for service in run.services}
        found |= {"kafka": run.kafka.pid, "postgres": run.postgres.pid}
        return {name: pid for name, pid in found.items() if pid is not None} | dict(
            self.vendors.pids
        )

    def sample(self) -> Sample:
        """CPU and memory of all of them now."""
        return sample(self.pids())

    def database_url(self) -> str:
        """Of the deployment's own database."""
        return database_url(self.deployment.current())

    async def ready(self) -> None:
        """Wait until an event may be posted; raises RuntimeError."""
        if not await until_ready(self.deployment, READY_SECONDS):
            raise RuntimeError(f"not ready; see {self.deployment.home.logs}")

    async def quiet(self) -> None:
        """Wait until nothing is under way between the vendors; raises TimeoutError."""
        async with asyncio.timeout(QUIET_SECONDS):
            while not await self._is_quiet():  # noqa: ASYNC110 - other processes move it
                await asyncio.sleep(0.5)

    async def _is_quiet(self) -> bool:
        if (await self.vendors.notifications())["waiting"]:
            return False
        run = self.deployment.current()
        async with (
            connected(database_url(run)) as db,
            kafka_client(run.kafka.bootstrap_servers) as kafka,
        ):
            return (await Facts(db, kafka).backlog()).settled


async def with_system(
    folder: Path,
    story: Callable[[System], Awaitable[None]],
    *,
    customers: int,
    environment: Mapping[str, str] | None = None,
    only: Collection[str] = tuple(SERVICES),
) -> None:
    """Bring a fresh deployment up on seeded vendors, play the story, take all of it down."""
    home = Home(folder / "home")
    shutil.rmtree(home.root, ignore_errors=True)
    home.ensure()
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "PLUMBLINE_CONFIG"):
        os.environ.pop(name, None)
    os.environ["PLUMBLINE_HOME"] = str(home.root)
    listen = f"127.0.0.1:{keep_ports(home, ('edge',))['edge']}"
    async with open_vendors(f"http://{listen}") as vendors:
        await vendors.seed(customers)
        deployment = _deployment(home, vendors, listen, environment or {}, only)
        system = System(vendors, deployment, f"http://{listen}", folder)

        async def play() -> None:
            await story(system)
            deployment.request_stop()

        await deployment.run(play)


def _deployment(
    home: Home,
    vendors: Vendors,
    listen: str,
    environment: Mapping[str, str],
    only: Collection[str],
) -> Deployment:
    place = home.root / "bench.toml"
    text = CONFIG.format(
        listen=listen, workspace=WORKSPACE, stripe=vendors.stripe_url, hubspot=vendors.hubspot_url
    )
    write_private(place, text)
    os.environ |= {
        "BENCH_STRIPE_API_KEY": API_KEY,
        "BENCH_STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "BENCH_HUBSPOT_TOKEN": ACCESS_TOKEN,
        "BENCH_HUBSPOT_CLIENT_SECRET": CLIENT_SECRET,
    }
    return make_deployment(place, home, environment, only=only)
