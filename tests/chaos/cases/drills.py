"""The weekend drill and the two sandbox drills: what an operator would sleep through."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer
from plumbline_simulators.stripe.simulator import StripeSettings, stripe_simulator

from tests.chaos.registry import case
from tests.chaos.stage import FaultMissingError, Stage
from tests.chaos.vendors import (
    API_KEY,
    OTHER_KEY,
    STRIPE,
    STRIPE_ACCOUNT,
    WORKSPACE,
)

HOUR = 3600
TOLD_SECONDS = 60.0
FIVE_MINUTES = 300.0
LOOKED_AT = 60
QUIET_SECONDS = 8.0
"""How long an account that must not be believed is given to do harm."""


async def within(seconds: float, what: str, holds: Callable[[], Awaitable[bool]]) -> float:
    """Seconds until it holds; a drill that waits in vain failed, with `what` in words."""
    began = time.monotonic()
    while not await holds():
        if time.monotonic() - began > seconds:
            raise DrillFailedError(f"{what}: not within {seconds:g} s")
        await asyncio.sleep(0.25)
    return time.monotonic() - began


class DrillFailedError(FaultMissingError):
    """Something the drill waits for did not come."""


@case("weekend-drill", row="drill", settle_seconds=60.0, soak=False)
async def weekend(stage: Stage) -> None:
    """HubSpot's token is revoked on Friday; on Monday there is a new one."""
    vendors = stage.vendors
    before = (await stage.status())["attention"]
    try:
        async with stage.traffic(20):
            await asyncio.sleep(0.5)
            known = sorted(vendors.hubspot.state.tokens.static)
            await vendors.hubspot_control("/tokens", {"revoke": known})

            async def told() -> bool:
                refusals = [one for one in await stage.attention() if "refused" in one]
                return bool(refusals) and (await stage.status())["attention"] > before

            await within(TOLD_SECONDS, "status and attention say that HubSpot refuses us", told)
            for _ in range(10):
                await vendors.stripe_control("/clock", {"advance_seconds": 6 * HOUR})
                await asyncio.sleep(0.5)
            await within(TOLD_SECONDS, "no partition is blocked", await stage.passed())
        await _new_token(stage)
        await within(FIVE_MINUTES, "everything is written with the new token", stage.quiet)
    except DrillFailedError:
        await _new_token(stage)  # for the next cases
        await restart(stage, "writeback", "ingest-webhooks", "reconciler")
        raise


async def _new_token(stage: Stage) -> None:
    token = f"pat-na1-after-the-weekend-{stage.chance.randrange(10**9)}"
    await stage.vendors.hubspot_control("/tokens", {"add": [token]})
    stage.secret("hubspot-token", token)


@case("sandbox-drill-other-account", row="drill", settle_seconds=60.0, soak=False)
async def other_account(stage: Stage) -> None:
    """The key of another Stripe account is put in: it is refused and moves nothing."""
    settings = StripeSettings(api_keys=(OTHER_KEY,), account_id="acct_1SomebodyElse")
    keys = await subscriptions(stage)
    async with stripe_simulator(settings) as other:
        stage.vendors.switchboard.lines[OTHER_KEY] = (other.base_url, OTHER_KEY)
        stage.secret("stripe-key", OTHER_KEY)
        await restart(stage, "reconciler", "ingest-webhooks")
        try:

            async def refused() -> bool:
                return any("wrong_account" in one for one in await stage.attention())

            await ask_for_reads(stage, keys)
            await within(TOLD_SECONDS, "attention names the wrong account", refused)
            await nothing_moves(stage)
        finally:
            stage.secret("stripe-key", API_KEY)
            del stage.vendors.switchboard.lines[OTHER_KEY]
            await restart(stage, "reconciler", "ingest-webhooks")
            await ask_for_reads(stage, keys)


@case("sandbox-drill-empty-book", row="drill", settle_seconds=120.0, soak=False)
async def empty_book(stage: Stage) -> None:
    """The same account answers that nobody subscribes any more: the brake holds."""
    settings = StripeSettings(api_keys=(API_KEY,), account_id=STRIPE_ACCOUNT)
    vendors = stage.vendors
    stage.course.emptied = True
    keys = await subscriptions(stage)
    async with stripe_simulator(settings) as empty:
        await vendors.seed_without_subscribers(empty)
        line = vendors.switchboard.lines[API_KEY]
        vendors.switchboard.lines[API_KEY] = (empty.base_url, API_KEY)
        try:
            await ask_for_reads(stage, keys)

            async def held() -> bool:
                return any("mass_change" in one for one in await stage.attention())

            await within(TOLD_SECONDS, "attention tells of the mass change", held)
            await nothing_moves(stage, most=20)
        finally:
            vendors.switchboard.lines[API_KEY] = line
    await ask_for_reads(stage, keys)

    async def read_again() -> bool:
        if await stage.sql("select 1 from ingest_webhooks.pending_reads limit 1"):
            return False
        return await stage.log_is_folded()

    await asyncio.sleep(2)  # until the wishes are rows
    await within(90, "the true book is read again", read_again)
    await asyncio.sleep(2)
    await stage.plumbline("plan", "--apply")


async def restart(stage: Stage, *names: str) -> None:
    """As an operator would after a change of secrets."""
    await asyncio.gather(*map(stage.terminate, names))
    for name in names:
        await stage.start(name)


async def nothing_moves(stage: Stage, most: int = 0) -> None:
    """At most so many companies of the book change while nothing true happens."""
    companies = stage.vendors.book.companies()
    before = {one: stage.vendors.shown(one) for one in companies}
    await asyncio.sleep(QUIET_SECONDS)
    moved = [one for one in companies if stage.vendors.shown(one) != before[one]]
    if len(moved) > most:
        raise DrillFailedError(f"{len(moved)} companies changed, at most {most} may: {moved[:5]}")


async def subscriptions(stage: Stage) -> list[str]:
    """Keys of some that are paid for now, the book's first: more than the brake lets change."""
    rows = await stage.vendors.every("/v1/subscriptions?status=active")
    ids = sorted((row["id"] for row in rows), key=lambda name: not name[4:].isdigit())
    return [f"{WORKSPACE}/{STRIPE}/subscription/{name}" for name in ids[:LOOKED_AT]]


async def ask_for_reads(stage: Stage, keys: Iterable[str]) -> None:
    """Have these objects looked at."""
    now = datetime.now(UTC).isoformat()
    producer = AIOKafkaProducer(bootstrap_servers=stage.kafka)
    await producer.start()
    try:
        for key in keys:
            body = f'{{"key":"{key}","reason":"drill","requested_at":"{now}"}}'
            await producer.send("refresh.requests.v1", body.encode(), key=key.encode())
        await producer.flush()
    finally:
        await producer.stop()
