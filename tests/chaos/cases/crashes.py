"""Rows 1, 2, 6, 7: kill -9 at a named step, under traffic, once per run at a random hit."""

import asyncio

from tests.chaos.registry import case
from tests.chaos.stage import Stage

AFTERWARDS_SECONDS = 0.8
"""Traffic that meets the gap."""


async def crash(stage: Stage, point: str, most_hits: int) -> None:
    """Traffic, the exit at one of the next hits, and traffic that goes on meanwhile."""
    async with stage.traffic():
        await asyncio.sleep(0.3)
        stage.arm(point, stage.chance.randint(1, most_hits))
        await stage.fired(point)
        await asyncio.sleep(AFTERWARDS_SECONDS)


@case("edge-after-ack", row="1")
async def edge_after_ack(stage: Stage) -> None:
    """Kafka has the event, the vendor never hears so and sends it again."""
    await crash(stage, "edge.after_ack", 30)


@case("edge-before-ack", row="2")
async def edge_before_ack(stage: Stage) -> None:
    """Neither Kafka nor the vendor knows: the vendor sends it again."""
    await crash(stage, "edge.before_ack", 30)


@case("observe-after-publish", row="1")
async def observe_after_publish(stage: Stage) -> None:
    """Observations are in the log, the position still points before them."""
    await crash(stage, "observe.after_publish", 20)


@case("reader-after-publish", row="1")
async def reader_after_publish(stage: Stage) -> None:
    """What was seen is in the log, the read is still wanted."""
    await crash(stage, "reader.after_publish", 2)


@case("matcher-before-commit", row="6")
async def matcher_before_commit(stage: Stage) -> None:
    """A transaction's work is done and goes with the process."""
    await crash(stage, "matcher.before_commit", 20)


@case("matcher-after-commit", row="6")
async def matcher_after_commit(stage: Stage) -> None:
    """The ledger has it, no topic does."""
    await crash(stage, "matcher.after_commit", 20)


@case("matcher-after-publish", row="6")
async def matcher_after_publish(stage: Stage) -> None:
    """States and events are out, nothing says so."""
    await crash(stage, "matcher.after_publish", 20)


@case("matcher-before-published-up-to", row="6")
async def matcher_before_published_up_to(stage: Stage) -> None:
    """Everything is out; `published_up_to` does not know."""
    await crash(stage, "matcher.before_published_up_to", 20)


@case("writeback-after-claim", row="7")
async def writeback_after_claim(stage: Stage) -> None:
    """Bodies are stored, none was sent."""
    await crash(stage, "writeback.after_claim", 8)


@case("writeback-during-call", row="7")
async def writeback_during_call(stage: Stage) -> None:
    """HubSpot has the request and carries it out after the sender is gone."""
    slow = {
        "path": "/batch/update$", "every": 1,
        "action": {"kind": "delay", "delay_seconds": 0.15},
    }  # fmt: skip
    await stage.vendors.hubspot_control("/faults", slow)
    await crash(stage, "writeback.during_call", 4)


@case("writeback-after-answer", row="7")
async def writeback_after_answer(stage: Stage) -> None:
    """HubSpot said 200, the rows still say pending."""
    await crash(stage, "writeback.after_answer", 8)
