"""What goes wrong between the vendors: late, doubled and refused deliveries, a killed service."""

import asyncio

from console.demo.hero import COMPANY, Hero
from console.demo.stage import Stage, Step
from console.demo.world import WrongValue


class Trouble:
    """Each step must leave the hero's company right."""

    def __init__(self, stage: Stage, hero: Hero) -> None:
        self._stage = stage
        self._hero = hero

    async def late(self) -> Step:
        """The trial's own event, two weeks late."""
        await self._unmoved(await self._event("customer.subscription.created", -1), times=1)
        return Step("the event of the trial comes again: no write", COMPANY, None)

    async def duplicate(self) -> Step:
        """The newest event again, five times: nothing may be written."""
        await self._unmoved(await self._event("invoice.paid", 0), times=5)
        return Step("invoice.paid x 5: no write to HubSpot", COMPANY, None)

    async def _event(self, name: str, place: int) -> str:
        found = await self._stage.events(self._hero.customer, name)
        if not found:
            raise WrongValue(f"Stripe lists no event {name} of {self._hero.customer}")
        event: str = found[place]["id"]
        return event

    async def _unmoved(self, event: str, times: int) -> None:
        world = self._stage.world
        await self._stage.settled()
        before, values = world.writes(), world.values(COMPANY)
        await world.stripe_control(f"/events/{event}/redeliver", {"times": times})
        await self._stage.settled()
        if world.writes() != before or world.values(COMPANY) != values:
            raise WrongValue(f"{world.writes() - before} writes to HubSpot, wanted none")

    async def human_edit(self) -> Step:
        """Billing owns the number: it is put back."""
        path = f"/objects/companies/{COMPANY}"
        await self._stage.world.hubspot_control(path, {"properties": {"plumbline_mrr": "1"}})
        took = await self._stage.expect(COMPANY, mrr="4900")
        return Step("MRR 1 typed in HubSpot, put back", COMPANY, took)

    async def too_many_requests(self) -> Step:
        """Two seconds of 429 while the quantity changes."""
        faults = self._stage.world.hubspot.state.faults
        faults.add_json(
            {"id": "busy", "path": "/crm/", "action": {"kind": "status", "status": 429,
             "headers": {"retry-after": "1"}, "body": BUSY}}
        )  # fmt: skip
        await self._stage.change_item(self._hero.subscription, quantity="12")
        await asyncio.sleep(2)
        faults.remove("busy")
        took = await self._stage.expect(COMPANY, mrr="5880")
        return Step("12 x 490.00 while HubSpot is busy for 2 s", COMPANY, took + 2000)

    async def killed(self) -> Step:
        """kill -9, a change while it is gone, and its restart by the process manager."""
        await self._stage.settled()
        await self._stage.deployment.kill("writeback")
        await self._stage.change_item(self._hero.subscription, quantity="8")
        took = await self._stage.expect(COMPANY, mrr="3920")
        return Step("kill -9 of writeback, then 8 x 490.00", COMPANY, took)


BUSY = (
    '{"status":"error","message":"You have reached your ten_secondly_rolling limit.",'
    '"errorType":"RATE_LIMIT","policyName":"TEN_SECONDLY_ROLLING"}'
)
