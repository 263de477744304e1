"""Customers beside the hero, each with one thing that makes an MRR hard to get right."""

from typing import Final

from console.demo.book import BY_KEY, EURO
from console.demo.stage import Stage, Step

YEARLY: Final = "9151"
EUROPEAN: Final = "9152"
THRIFTY: Final = "9153"
COUPON: Final = "HELLO25"


class Others:
    """Annual plan, another currency, a coupon, a pause."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.european = ""
        self.thrifty = ""
        self._subscription = ""

    async def annual(self) -> Step:
        """A yearly price is a twelfth of it a month."""
        customer = await self._stage.sign_up(YEARLY)
        await self._stage.subscribe(customer, BY_KEY["growth_yearly"], 3)
        took = await self._stage.expect(YEARLY, mrr="375", plan="growth_yearly", state="active")
        return Step("3 x 1,500.00 a year", YEARLY, took, await self._stage.why(customer, "mrr"))

    async def euro(self) -> Step:
        """Reported in the workspace's currency, at the rate of the table."""
        stage = self._stage
        self.european = await stage.sign_up(EUROPEAN)
        await stage.subscribe(self.european, EURO, 3)
        took = await stage.expect(EUROPEAN, mrr="429", plan=EURO.lookup_key, state="active")
        why = await stage.why(self.european, "mrr")
        return Step("3 x 130.00 EUR a month; the book is in USD", EUROPEAN, took, why)

    async def coupon(self) -> Step:
        """A discount counts for as long as it lasts."""
        stage, world = self._stage, self._stage.world
        terms = {"percent_off": "25", "duration": "repeating", "duration_in_months": "1"}
        await world.stripe_api("POST", "/v1/coupons", {"id": COUPON, **terms})
        self.thrifty = await stage.sign_up(THRIFTY)
        self._subscription = await stage.subscribe(
            self.thrifty, BY_KEY["growth_monthly"], 5, **{"discounts[0][coupon]": COUPON}
        )
        took = await stage.expect(THRIFTY, mrr="525", state="active")
        why = await stage.why(self.thrifty, "mrr")
        return Step("5 x 140.00 a month, 25 % off for one month", THRIFTY, took, why)

    async def coupon_ends(self) -> Step:
        """Nobody does anything but wait."""
        stage, world = self._stage, self._stage.world
        path = f"/v1/subscriptions/{self._subscription}?expand[]=discounts"
        [discount] = (await world.stripe_api("GET", path))["discounts"]
        await world.until(discount["end"] + 1)
        took = await stage.expect(THRIFTY, mrr="700", discount="", state="active")
        why = await stage.why(self.thrifty, "mrr")
        return Step("the month is over: 5 x 140.00 a month", THRIFTY, took, why)

    async def pauses(self) -> Step:
        """Collection is paused: nothing is owed, so nothing counts."""
        form = {"pause_collection[behavior]": "void"}
        await self._stage.world.stripe_api("POST", f"/v1/subscriptions/{self._subscription}", form)
        took = await self._stage.expect(THRIFTY, mrr="0")
        why = await self._stage.why(self.thrifty, "mrr")
        return Step("pause_collection: invoices are voided", THRIFTY, took, why)

    async def resumes(self) -> Step:
        """Collection goes on."""
        form = {"pause_collection": ""}
        await self._stage.world.stripe_api("POST", f"/v1/subscriptions/{self._subscription}", form)
        took = await self._stage.expect(THRIFTY, mrr="700", state="active")
        return Step("pause_collection taken away", THRIFTY, took)
