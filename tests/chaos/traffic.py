"""What customers and people do while something fails: mostly changed quantities."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.book import PRICES
from tests.chaos.vendors import Vendors


@dataclass
class Traffic:
    """`per_second` actions, chosen by `chance`; remembers who has a subscription now."""

    vendors: Vendors
    chance: random.Random
    per_second: float = 30.0
    done: int = 0
    _live: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    _gone: list[str] = field(default_factory=list)

    async def load(self) -> None:
        """Learn the book as it is."""
        self._live, taken = {}, set()
        for row in await self.vendors.every("/v1/subscriptions?status=active"):
            (item,) = row["items"]["data"]
            self._live[row["customer"]] = (row["id"], item["id"], item["quantity"])
        people = await self.vendors.every("/v1/customers")
        self._gone = [row["id"] for row in people if row["id"] not in self._live]
        taken = {row["email"].rpartition("@")[2] for row in people}
        book = self.vendors.book
        self._spare = [
            domain for domain in book.companies().values() if domain not in taken
        ]  # fmt: skip

    async def run(self) -> None:
        """Act until cancelled."""
        await self.load()
        began = time.monotonic()
        while True:
            ahead = began + self.done / self.per_second - time.monotonic()
            await asyncio.sleep(max(ahead, 0))
            await self.act()
            self.done += 1

    async def until_loaded(self) -> None:
        """Wait until it acts."""
        while not self.done:
            await asyncio.sleep(0.01)

    def one_company(self) -> tuple[str, Callable[[], Awaitable[None]]]:
        """A company with one paying customer that is left alone from now on, but for the change
        that is returned with it.
        """
        customer = self.chance.choice([one for one in sorted(self._live) if one[4:].isdigit()])
        name, item, quantity = self._live.pop(customer)
        company = self.vendors.book.company(int(customer[4:]))

        async def change() -> None:
            nonlocal quantity
            quantity = quantity % 40 + 1
            form = {"items[0][id]": item, "items[0][quantity]": str(quantity)}
            await self.vendors.stripe_api("POST", f"/v1/subscriptions/{name}", form)

        return company, change

    async def sign_up(self, name: str, email: str) -> None:
        """A customer with a name comes and subscribes; then it acts like the others."""
        form = {"name": name, "email": email}
        made = await self.vendors.stripe_api("POST", "/v1/customers", form)
        await self._subscribe(made["id"])

    async def act(self) -> None:
        """One thing that happens."""
        dice = self.chance.random()
        if dice < 0.03 and len(self._live) > 20:
            await self._cancel()
        elif dice < 0.06 and self._gone:
            await self._subscribe(self._gone.pop(self.chance.randrange(len(self._gone))))
        elif dice < 0.065 and self._spare:
            email = f"billing@{self._spare.pop()}"
            made = await self.vendors.stripe_api("POST", "/v1/customers", {"email": email})
            await self._subscribe(made["id"])
        elif dice < 0.10:
            await self._rename()
        else:
            await self._change()

    def _someone(self) -> str:
        return self.chance.choice(sorted(self._live))

    async def _change(self) -> None:
        customer = self._someone()
        name, item, quantity = self._live[customer]
        quantity = quantity % 40 + 1
        self._live[customer] = (name, item, quantity)
        form = {
            "items[0][id]": item, "items[0][quantity]": str(quantity),
            "proration_behavior": "none",
        }  # fmt: skip
        await self.vendors.stripe_api("POST", f"/v1/subscriptions/{name}", form)

    async def _cancel(self) -> None:
        customer = self._someone()
        name, _, _ = self._live.pop(customer)
        await self.vendors.stripe_api("DELETE", f"/v1/subscriptions/{name}")
        self._gone.append(customer)

    async def _subscribe(self, customer: str) -> None:
        price = self.chance.choice(PRICES)
        form = {"customer": customer, "items[0][price]": f"price_{price.id}"}
        made: Any = await self.vendors.stripe_api("POST", "/v1/subscriptions", form)
        (item,) = made["items"]["data"]
        self._live[customer] = (made["id"], item["id"], item["quantity"])

    async def _rename(self) -> None:
        """A person in HubSpot renames a company: a notification, hence a read."""
        company = self.chance.choice(sorted(self.vendors.book.companies()))
        body = {"properties": {"name": f"Company {company} {self.chance.randrange(1000)}"}}
        await self.vendors.hubspot_control(f"/companies/{company}", body)
