"""Row 7 for records that are made: kill -9 at a named step while newcomers get theirs."""

import asyncio

from tests.chaos.registry import case
from tests.chaos.stage import Stage

AFTERWARDS_SECONDS = 0.8
SYLLABLES = [one + two for one in "bdfgklmnprstvz" for two in "aeiou"]


async def newcomers(stage: Stage, point: str) -> None:
    """Two organisations that HubSpot does not know, one of them with two customers, sign up under
    traffic; who makes their records is killed at `point`.
    """
    async with stage.traffic() as traffic:
        await traffic.until_loaded()
        stage.arm(point)
        one, other = (invented(stage) for _ in range(2))
        for person, name in (("ap", one), ("ann", other), ("bob", other)):
            await traffic.sign_up(f"{name} Works", f"{person}@{name.lower()}.example")
            await asyncio.sleep(stage.chance.uniform(0, 0.4))
        await stage.fired(point)
        await asyncio.sleep(AFTERWARDS_SECONDS)


def invented(stage: Stage) -> str:
    """A name that is like no other."""
    return "".join(stage.chance.choices(SYLLABLES, k=5)).capitalize()


@case("writeback-after-creation-claim", row="7")
async def after_claim(stage: Stage) -> None:
    """It is stored that records are being made, and none was asked for."""
    await newcomers(stage, "writeback.after_creation_claim")


@case("writeback-during-creation", row="7")
async def during_creation(stage: Stage) -> None:
    """HubSpot has the request and makes the records after the sender is gone."""
    slow = {
        "path": "/batch/upsert$", "every": 1,
        "action": {"kind": "delay", "delay_seconds": 0.15},
    }  # fmt: skip
    await stage.vendors.hubspot_control("/faults", slow)
    await newcomers(stage, "writeback.during_creation")


@case("writeback-after-creation", row="7")
async def after_creation(stage: Stage) -> None:
    """HubSpot has made the records, the rows still say that they are out."""
    await newcomers(stage, "writeback.after_creation")
