"""The customer whose life the story follows: trial, upgrade, trouble, end."""

from typing import Final

from console.demo.book import BY_KEY
from console.demo.stage import Stage, Step
from console.demo.truth import major_text

COMPANY: Final = "9150"
REFUNDED: Final = 100_000
FINALISED_SECONDS: Final = 7_200
"""Stripe finalises and collects a renewal's invoice an hour after it made it."""


class Hero:
    """Each step is a fact, and what the company must show for it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.customer = ""
        self.subscription = ""

    async def trial(self) -> Step:
        """Customer and subscription are made through Stripe's API."""
        stage = self._stage
        self.customer = await stage.sign_up(COMPANY)
        self.subscription = await stage.subscribe(
            self.customer, BY_KEY["growth_monthly"], 10, trial_period_days="14"
        )
        took = await stage.expect(COMPANY, mrr="0", plan="growth_monthly", state="trial")
        return Step("subscription trialing, 10 x 140.00 a month", COMPANY, took)

    async def first_payment(self) -> Step:
        """Fifteen days pass."""
        await self._stage.world.days(15)
        took = await self._stage.expect(COMPANY, mrr="1400", payment_status="paid", state="active")
        return Step("15 days later: active, invoice paid", COMPANY, took)

    async def upgrade(self) -> Step:
        """The subscription moves to a larger price."""
        stage = self._stage
        await stage.change_item(self.subscription, price=BY_KEY["scale_monthly"].price)
        took = await stage.expect(COMPANY, mrr="4900", plan="scale_monthly", state="active")
        return Step("10 x 490.00 a month", COMPANY, took, await stage.why(self.customer, "mrr"))

    async def card_fails(self) -> Step:
        """The renewal's payment fails; Stripe will try again."""
        world = self._stage.world
        await world.stripe_control(
            f"/customers/{self.customer}/payment_method", {"behaviour": "fail"}
        )
        subscription = await world.stripe_api("GET", f"/v1/subscriptions/{self.subscription}")
        renewal = subscription["items"]["data"][0]["current_period_end"]
        await world.until(renewal + FINALISED_SECONDS)
        took = await self._stage.expect(
            COMPANY, payment_status="failing", state="at_risk", mrr="4900"
        )
        return Step("invoice open, another attempt is planned", COMPANY, took)

    async def recovers(self) -> Step:
        """A new card, and the open invoice is paid."""
        repaired = {"behaviour": "ok", "pay_open": True}
        await self._stage.world.stripe_control(
            f"/customers/{self.customer}/payment_method", repaired
        )
        took = await self._stage.expect(COMPANY, payment_status="paid", state="active", mrr="4900")
        return Step("invoice paid", COMPANY, took)

    async def refund(self) -> Step:
        """Money goes back: what the customer was worth so far falls, its MRR does not."""
        stage, world = self._stage, self._stage.world
        await stage.settled()
        paid = (await world.truth([self.customer])).ltv
        charges = await world.every(f"/v1/charges?customer={self.customer}")
        newest = next(one for one in charges if one["amount_captured"] > REFUNDED)
        form = {"charge": newest["id"], "amount": str(REFUNDED), "reason": "requested_by_customer"}
        await world.stripe_api("POST", "/v1/refunds", form)
        left = (await world.truth([self.customer])).ltv
        took = await stage.expect(COMPANY, ltv=left, mrr="4900")
        fact = f"1000 of {major_text(newest['amount'])} given back: LTV {paid}, now {left}"
        return Step(fact, COMPANY, took, await stage.why(self.customer, "ltv"))

    async def cancels(self) -> Step:
        """The subscription ends at once."""
        await self._stage.world.stripe_api("DELETE", f"/v1/subscriptions/{self.subscription}")
        took = await self._stage.expect(COMPANY, mrr="0", state="churned")
        return Step("subscription canceled", COMPANY, took)
