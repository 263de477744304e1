"""Who belongs to whom: what Plumbline asks, what a person answers, a company that comes late."""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from plumbline_local.run import database_url
from plumbline_schemas.review_outputs import ReviewItem

from console.demo.book import HALCYON, HALCYON_DE, ZEPHYR
from console.demo.stage import Stage, Step
from console.demo.world import WrongValue
from console.reach import connected
from console.review.items import open_items
from console.review.shared import with_evidence
from console.review.show import ASKS, evidence_lines

ASKED: Final = {"review_match": HALCYON, "ambiguous_match": "cus_0147"}
"""The questions that the book leaves open, and a customer that each is about."""
WITHIN_SECONDS: Final = 2.0


class Matching:
    """The review queue of the demo's book, and what becomes of it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.left: ReviewItem | None = None
        """The question that is left for whoever watches."""

    async def asked(self) -> list[ReviewItem]:
        """Every open question."""
        run = self._stage.deployment.current()
        async with connected(database_url(run)) as db:
            return await with_evidence(db, await open_items(db, datetime.now(UTC)))

    def as_wanted(self, items: list[ReviewItem]) -> bool:
        """Whether exactly those questions are open that the book leaves open."""
        told = {one.kind: {key.rpartition("/")[2] for key in _about(one)} for one in items}
        return told.keys() == ASKED.keys() and all(
            customer in told[kind] for kind, customer in ASKED.items()
        )

    def in_words(self, item: ReviewItem) -> list[str]:
        """A question as `plumbline review list` has it."""
        return [f"{item.id}  {ASKS[item.kind]}  {item.summary}", *evidence_lines(item)]

    async def answered(self) -> Step:
        """`plumbline review decide`, as a person types it."""
        items = await self.asked()
        [item] = [one for one in items if one.kind == "review_match"]
        self.left = next((one for one in items if one is not item), None)
        began = time.time()
        told = await self._command("review", "decide", item.id, "--link", HALCYON_DE, "--json")
        self._stage.world.homes[HALCYON] = HALCYON_DE
        await self._stage.expect(HALCYON_DE, mrr="980", plan="scale_monthly", state="active")
        shown = await self._first_shown(HALCYON_DE)
        decided = datetime.fromisoformat(told["decisions"][0]["decided_at"]).timestamp()
        took = (shown - decided) * 1000
        if shown - decided > WITHIN_SECONDS:
            raise WrongValue(f"HubSpot had it {took:.0f} ms after the decision, wanted 2000")
        fact = (
            f"plumbline review decide {item.id} --link {HALCYON_DE} "
            f"({(shown - began) * 1000:.0f} ms with the command's own start)"
        )
        return Step(fact, HALCYON_DE, took)

    async def _first_shown(self, company: str) -> float:
        """When HubSpot first took our customer id for a company, by its own clock (UTC seconds)."""
        rows = (await self._stage.world.hubspot_control("/writes?since=0"))["writes"]
        name = "plumbline_stripe_customer_id"
        times = [row["at_ms"] for row in rows if row["id"] == company and name in row["moved"]]
        return float(min(times)) / 1000

    async def _command(self, *words: str) -> Any:
        """Run `plumbline` as a person does; what it printed as JSON."""
        plumbline = Path(sys.executable).parent / "plumbline"
        process = await asyncio.create_subprocess_exec(
            plumbline, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await process.communicate()
        if process.returncode != 0:
            raise WrongValue(f"plumbline {' '.join(words)}: {err.decode(errors='replace')[:300]}")
        return json.loads(out)

    async def late_company(self) -> Step:
        """Zephyr Robotics has paid for a while; only now someone makes its company."""
        properties = {"name": "Zephyr Robotics", "domain": "zephyrrobotics.example"}
        made = await self._stage.world.hubspot_control(
            "/objects/companies", {"properties": properties}
        )
        self._stage.world.homes[ZEPHYR] = made["id"]
        took = await self._stage.expect(made["id"], mrr="490", plan="scale_monthly")
        return Step("company created in HubSpot, customer since long in Stripe", made["id"], took)


def _about(item: ReviewItem) -> list[str]:
    return [key for key in (item.customer, *item.customers) if key]
