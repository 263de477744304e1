"""Row 1 for what the reconciler tells the log of itself: walks of the vendors' books, and rates."""

import asyncio

from aiokafka import TopicPartition

from tests.chaos.cases.crashes import AFTERWARDS_SECONDS
from tests.chaos.gather import LOG, read_topics
from tests.chaos.registry import case
from tests.chaos.stage import Stage
from tests.chaos.stand_in import BrokenPromiseError, holds

PATIENCE_SECONDS = 60.0
PAGES = 3
"""Of one walk at least: one of customers, two of companies."""


@case("walker-after-publish", row="1", settle_seconds=40, everyday=False)
async def walker_after_publish(stage: Stage) -> None:
    """A page of the vendor's book is in the log, the walk's position still points before it.

    The books are walked once more, as after an upgrade that asks more of every kind of object.
    """
    async with stage.traffic():
        await stage.terminate("reconciler")
        await stage.sql("update reconciler.walks set asked = '{}' where scope = 'initial'")
        stage.arm("walker.after_publish", stage.chance.randint(1, PAGES))
        await stage.start("reconciler")
        await stage.fired("walker.after_publish")
        await asyncio.sleep(AFTERWARDS_SECONDS)
    await holds(PATIENCE_SECONDS, "the books are walked to their end", lambda: _walked(stage))


async def _walked(stage: Stage) -> bool:
    asked = "select 1 from reconciler.walks where scope = 'renewed' or asked = '{}'"
    return not await stage.sql(asked)


@case("rates-after-publish", row="1")
async def rates_after_publish(stage: Stage) -> None:
    """A table of exchange rates is in the log, and nothing says so: it comes again, the same."""
    since = {
        TopicPartition(topic, number): offset
        for group, topic, number, offset in await stage.positions()
        if (group, topic) == ("matcher", LOG)
    }
    async with stage.traffic():
        stage.arm("rates.after_publish")
        stage.rates(f"1.{stage.chance.randrange(10**9):09}")
        await stage.fired("rates.after_publish")
        await holds(PATIENCE_SECONDS, "the rates are published", lambda: _published(stage))
    told = [
        record.value
        for record in (await read_topics(stage.kafka, (LOG,), since))[LOG]
        if b'"kind":"rates"' in (record.value or b"")
    ]
    if len(told) < 2 or len(set(told)) > 1:
        raise BrokenPromiseError(f"the log's tables of rates are not one told twice: {told}")


async def _published(stage: Stage) -> bool:
    return not await stage.sql("select 1 from reconciler.rate_tables where not published")
