"""What every step of the story stands on: the world, the deployment, and waiting for a value."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from plumbline_local.deployment import Deployment
from plumbline_local.run import database_url

from console import accounts
from console.demo.book import Plan
from console.demo.settle import all_quiet
from console.demo.world import World
from console.reach import connected
from console.working.why import working

PATIENCE_SECONDS: Final = 20.0
HEADING: Final = {"mrr": 2, "ltv": 1}
"""Lines that say whose working it is, under which policy and when."""


class Step(NamedTuple):
    """How a step went: the fact, where its value shows, how long that took, and its working."""

    fact: str
    company: str
    milliseconds: float | None
    why: tuple[str, ...] = ()


Steps = list[tuple[str, Callable[[], Awaitable[Step]]]]


@dataclass(frozen=True)
class Stage:
    """The simulated vendors and the deployment between them."""

    world: World
    deployment: Deployment

    async def expect(self, company: str, seconds: float = PATIENCE_SECONDS, **wanted: str) -> float:
        """Wait for values of our properties; milliseconds. Raises WrongValue."""
        properties = {f"plumbline_{name}": value for name, value in wanted.items()}
        return await self.world.shows(company, properties, seconds)

    async def settled(self, seconds: float = 60.0) -> None:
        """Wait until nothing is on its way: not at the vendors, not in Plumbline."""
        async with asyncio.timeout(seconds):
            while not await all_quiet(self.world, self.deployment):  # noqa: ASYNC110 - others move it
                await asyncio.sleep(0.1)

    async def sign_up(self, company: str) -> str:
        """A customer with a card that works, at a company of the CRM; its id."""
        world = self.world
        domain = world.values(company)["domain"]
        form = {"name": world.values(company)["name"], "email": f"finance@{domain}"}
        made: str = (await world.stripe_api("POST", "/v1/customers", form))["id"]
        await world.stripe_control(f"/customers/{made}/payment_method", {"behaviour": "ok"})
        world.homes[made] = company
        return made

    async def subscribe(self, customer: str, plan: Plan, quantity: int, **more: str) -> str:
        """A subscription as the company's own billing code makes it; its id."""
        form = {
            "customer": customer,
            "items[0][price]": plan.price,
            "items[0][quantity]": str(quantity),
            **more,
        }
        made: str = (await self.world.stripe_api("POST", "/v1/subscriptions", form))["id"]
        return made

    async def change_item(self, subscription: str, **change: str) -> None:
        """Change price or quantity of a subscription's only item."""
        world, path = self.world, f"/v1/subscriptions/{subscription}"
        current = await world.stripe_api("GET", path)
        form = {"items[0][id]": current["items"]["data"][0]["id"]}
        form |= {f"items[0][{name}]": value for name, value in change.items()}
        await world.stripe_api("POST", path, form)

    async def events(self, customer: str, name: str) -> list[dict[str, Any]]:
        """A customer's events of a type, the newest first."""
        page = await self.world.stripe_api("GET", f"/v1/events?type={name}&limit=100")
        return [one for one in page["data"] if one["data"]["object"]["customer"] == customer]

    async def why(self, account: str, field: str) -> tuple[str, ...]:
        """The arithmetic that `plumbline accounts why` prints, without heading and sum."""
        async with connected(database_url(self.deployment.current())) as db:
            state = await accounts.load(db, account)
            lines = await working(db, state, field)
        told = lines[HEADING[field] :]
        return tuple(line for line in told if line and not line.startswith("MRR"))
