"""The story: each step is a fact in Stripe (or HubSpot) and what HubSpot must show for it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from plumbline_local.deployment import Deployment

from console.demo.book import BY_KEY
from console.demo.world import World, WrongValue

HERO_COMPANY = "9150"
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Told:
    """One step as it went."""

    title: str
    fact: str
    shown: str
    milliseconds: float | None
    right: bool


class Story:
    """Plays the steps one after the other, and keeps what each showed."""

    def __init__(self, world: World, deployment: Deployment, tell: Callable[[Told], None]) -> None:
        self._world = world
        self._deployment = deployment
        self._tell = tell
        self.hero = ""
        self._subscription = ""
        self.told: list[Told] = []

    async def play(self) -> None:
        """Play every step; a wrong value is told and the story goes on."""
        for title, step in self._steps():
            try:
                fact, company, milliseconds = await step()
                shown = self._shown(company)
                told = Told(title, fact, shown, milliseconds, right=True)
            except WrongValue as wrong:
                told = Told(title, "", str(wrong), None, right=False)
            self.told.append(told)
            self._tell(told)

    def _steps(self) -> list[tuple[str, Callable[[], Awaitable[tuple[str, str, float | None]]]]]:
        return [
            ("A customer signs up for a trial", self.trial),
            ("The trial ends and the first payment arrives", self.first_payment),
            ("The customer upgrades", self.upgrade),
            ("Stripe sends an old event late", self.late),
            ("The card fails at the renewal", self.card_fails),
            ("The card is replaced and the payment recovers", self.recovers),
            ("Stripe sends the same event five times", self.duplicate),
            ("Sales creates a company after its customer", self.late_company),
            ("A person overwrites the MRR in HubSpot", self.human_edit),
            ("HubSpot answers 429 for a while", self.too_many_requests),
            ("writeback is killed and comes back", self.killed),
            ("The customer cancels", self.cancels),
        ]

    def _shown(self, company: str) -> str:
        values = self._world.values(company)
        names = ("mrr", "plan", "payment_status", "state")
        return ", ".join(f"{name} {values.get(f'plumbline_{name}') or '-'}" for name in names)

    async def _expect(
        self, company: str, seconds: float = PATIENCE_SECONDS, **wanted: str
    ) -> float:
        properties = {f"plumbline_{name}": value for name, value in wanted.items()}
        return await self._world.shows(company, properties, seconds)

    async def trial(self) -> tuple[str, str, float]:
        """Customer and subscription are made through Stripe's API."""
        world = self._world
        domain = world.values(HERO_COMPANY)["domain"]
        customer = {"name": world.values(HERO_COMPANY)["name"], "email": f"finance@{domain}"}
        self.hero = (await world.stripe_api("POST", "/v1/customers", customer))["id"]
        await world.stripe_control(f"/customers/{self.hero}/payment_method", {"behaviour": "ok"})
        form = {
            "customer": self.hero,
            "items[0][price]": BY_KEY["growth_monthly"].price,
            "items[0][quantity]": "10",
            "trial_period_days": "14",
        }
        made = await world.stripe_api("POST", "/v1/subscriptions", form)
        self._subscription = made["id"]
        took = await self._expect(HERO_COMPANY, mrr="0", plan="growth_monthly", state="trial")
        return "subscription trialing, 10 x 140.00 a month", HERO_COMPANY, took

    async def first_payment(self) -> tuple[str, str, float]:
        """Fifteen days pass."""
        await self._world.days(15)
        took = await self._expect(HERO_COMPANY, mrr="1400", payment_status="paid", state="active")
        return "15 days later: active, invoice paid", HERO_COMPANY, took

    async def upgrade(self) -> tuple[str, str, float]:
        """The subscription moves to a larger price."""
        world = self._world
        current = await world.stripe_api("GET", f"/v1/subscriptions/{self._subscription}")
        form = {
            "items[0][id]": current["items"]["data"][0]["id"],
            "items[0][price]": BY_KEY["scale_monthly"].price,
        }
        await world.stripe_api("POST", f"/v1/subscriptions/{self._subscription}", form)
        took = await self._expect(HERO_COMPANY, mrr="4900", plan="scale_monthly", state="active")
        return "10 x 490.00 a month", HERO_COMPANY, took

    async def card_fails(self) -> tuple[str, str, float]:
        """The renewal's payment fails; Stripe will try again."""
        world = self._world
        await world.stripe_control(f"/customers/{self.hero}/payment_method", {"behaviour": "fail"})
        await world.days(31)
        took = await self._expect(
            HERO_COMPANY, payment_status="failing", state="at_risk", mrr="4900"
        )
        return "invoice open, another attempt is planned", HERO_COMPANY, took

    async def recovers(self) -> tuple[str, str, float]:
        """A new card, and the open invoice is paid."""
        repaired = {"behaviour": "ok", "pay_open": True}
        await self._world.stripe_control(f"/customers/{self.hero}/payment_method", repaired)
        took = await self._expect(HERO_COMPANY, payment_status="paid", state="active", mrr="4900")
        return "invoice paid", HERO_COMPANY, took

    async def duplicate(self) -> tuple[str, str, None]:
        """The newest event again, five times: nothing may be written."""
        event = (await self._events("invoice.paid"))[0]
        await self._unmoved(event["id"], times=5)
        return f"{event['type']} x 5: no write to HubSpot", HERO_COMPANY, None

    async def late(self) -> tuple[str, str, None]:
        """The trial's own event, two weeks late."""
        event = (await self._events("customer.subscription.created"))[-1]
        await self._unmoved(event["id"], times=1)
        return "the event of the trial comes again: no write", HERO_COMPANY, None

    async def _events(self, name: str) -> list[dict[str, Any]]:
        page = await self._world.stripe_api("GET", f"/v1/events?type={name}&limit=100")
        about = [one for one in page["data"] if one["data"]["object"]["customer"] == self.hero]
        if not about:
            raise WrongValue(f"Stripe lists no event {name} of {self.hero}")
        return about

    async def _unmoved(self, event: str, times: int) -> None:
        world = self._world
        await settled(world, self._deployment)
        before, values = world.writes(), world.values(HERO_COMPANY)
        await world.stripe_control(f"/events/{event}/redeliver", {"times": times})
        await settled(world, self._deployment)
        if world.writes() != before or world.values(HERO_COMPANY) != values:
            raise WrongValue(f"{world.writes() - before} writes to HubSpot, wanted none")

    async def late_company(self) -> tuple[str, str, float]:
        """Zephyr Robotics has paid for a while; only now someone makes its company."""
        properties = {"name": "Zephyr Robotics", "domain": "zephyrrobotics.example"}
        made = await self._world.hubspot_control("/objects/companies", {"properties": properties})
        took = await self._expect(made["id"], mrr="490", plan="scale_monthly")
        return "company created in HubSpot, customer since long in Stripe", made["id"], took

    async def human_edit(self) -> tuple[str, str, float]:
        """Billing owns the number: it is put back."""
        path = f"/objects/companies/{HERO_COMPANY}"
        await self._world.hubspot_control(path, {"properties": {"plumbline_mrr": "1"}})
        took = await self._expect(HERO_COMPANY, mrr="4900")
        return "MRR 1 typed in HubSpot, put back", HERO_COMPANY, took

    async def too_many_requests(self) -> tuple[str, str, float]:
        """Two seconds of 429 while the quantity changes."""
        world = self._world
        world.hubspot.state.faults.add_json(
            {"id": "busy", "path": "/crm/", "action": {"kind": "status", "status": 429,
             "headers": {"retry-after": "1"}, "body": BUSY}}
        )  # fmt: skip
        await self._quantity(12)
        await asyncio.sleep(2)
        world.hubspot.state.faults.remove("busy")
        took = await self._expect(HERO_COMPANY, mrr="5880")
        return "12 x 490.00 while HubSpot is busy for 2 s", HERO_COMPANY, took + 2000

    async def killed(self) -> tuple[str, str, float]:
        """kill -9, a change while it is gone, and its restart by the process manager."""
        await settled(self._world, self._deployment)
        await self._deployment.kill("writeback")
        await self._quantity(8)
        took = await self._expect(HERO_COMPANY, mrr="3920")
        return "kill -9 of writeback, then 8 x 490.00", HERO_COMPANY, took

    async def _quantity(self, number: int) -> None:
        world = self._world
        current = await world.stripe_api("GET", f"/v1/subscriptions/{self._subscription}")
        form = {
            "items[0][id]": current["items"]["data"][0]["id"],
            "items[0][quantity]": str(number),
        }
        await world.stripe_api("POST", f"/v1/subscriptions/{self._subscription}", form)

    async def cancels(self) -> tuple[str, str, float]:
        """The subscription ends at once."""
        await self._world.stripe_api("DELETE", f"/v1/subscriptions/{self._subscription}")
        took = await self._expect(HERO_COMPANY, mrr="0", state="churned")
        return "subscription canceled", HERO_COMPANY, took


BUSY = (
    '{"status":"error","message":"You have reached your ten_secondly_rolling limit.",'
    '"errorType":"RATE_LIMIT","policyName":"TEN_SECONDLY_ROLLING"}'
)


async def settled(world: World, deployment: Deployment, seconds: float = 60.0) -> None:
    """Wait until nothing is on its way: not at the vendors, not in Plumbline."""
    from console.demo.settle import all_quiet

    async with asyncio.timeout(seconds):
        while not await all_quiet(world, deployment):  # noqa: ASYNC110 - others move it
            await asyncio.sleep(0.1)
