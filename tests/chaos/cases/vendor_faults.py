"""Rows 14 and 15: what HubSpot does to a writer, under traffic."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from tests.chaos.registry import case
from tests.chaos.stage import FaultMissingError, Stage

WRITES = "/batch/update$"
SLOWER_THAN_THE_TIMEOUT = 3.0
"""Stands for 30 s: longer than PLUMBLINE_WRITEBACK_HTTP_TIMEOUT_SECONDS of the stage."""


FAULTS_MET = 3
MET_SECONDS = 60.0


async def faulty(
    stage: Stage, action: dict[str, Any], *, enough: int = FAULTS_MET, **rule: Any
) -> None:
    """Traffic until calls that write have met a fault `enough` times."""
    given = {"path": WRITES, "action": action, **rule}
    added = (await stage.vendors.hubspot_control("/faults", given))["added"]
    async with stage.traffic():
        faults = stage.vendors.hubspot.state.faults

        def met() -> int:
            return sum(one["fired"] for one in faults.describe() if one["id"] in added)

        try:
            await until(lambda: met() >= enough, MET_SECONDS)
            if not met():
                raise FaultMissingError(f"no write met {action['kind']}")
        finally:
            for name in added:
                faults.remove(name)
        await asyncio.sleep(0.5)


async def until(so: Callable[[], bool], seconds: float) -> None:
    """Wait until it is so, at most `seconds`; a box under load needs more of them."""
    deadline = time.monotonic() + seconds
    while not so() and time.monotonic() < deadline:
        await asyncio.sleep(0.05)


@case("hubspot-cut-after-applied", row="14")
async def cut_after_applied(stage: Stage) -> None:
    """The request was carried out, the connection closed without an answer."""
    await faulty(stage, {"kind": "drop_after"}, every=2)


@case("hubspot-truncated-answer", row="14")
async def truncated_answer(stage: Stage) -> None:
    """Half of the answer, then the end of the connection."""
    await faulty(stage, {"kind": "truncate"}, every=2)


@case("hubspot-cut-before-applied", row="14")
async def cut_before_applied(stage: Stage) -> None:
    """The connection closes and nothing was carried out."""
    await faulty(stage, {"kind": "drop_before"}, every=2)


@case("hubspot-429-retry-after", row="15")
async def told_to_wait(stage: Stage) -> None:
    """429 that says how long."""
    action = {"kind": "status", "status": 429, "headers": {"Retry-After": "1"}}
    await faulty(stage, action, every=3)


@case("hubspot-429", row="15")
async def told_to_slow_down(stage: Stage) -> None:
    """429 that does not say how long."""
    await faulty(stage, {"kind": "status", "status": 429}, every=3)


@case("hubspot-500-burst", row="15", settle_seconds=30)
async def burst_of_errors(stage: Stage) -> None:
    """Everything fails for a while, reads as well."""
    await faulty(stage, {"kind": "status", "status": 500}, path="/crm/")


@case("hubspot-slow-answers", row="15", settle_seconds=30)
async def slow_answers(stage: Stage) -> None:
    """Answers come after the client has given up; the request is carried out then."""
    action = {"kind": "delay", "delay_seconds": SLOWER_THAN_THE_TIMEOUT}
    await faulty(stage, action, every=2)
    await stage.certain(30)


@case("hubspot-423", row="15")
async def locked(stage: Stage) -> None:
    """423: the portal is locked for a moment."""
    await faulty(stage, {"kind": "status", "status": 423}, every=3)


@case("hubspot-400-batch", row="15")
async def refused_batch(stage: Stage) -> None:
    """A batch is refused as a whole and halved down until its rows are taken."""
    body = '{"status":"error","category":"VALIDATION_ERROR","message":"one of these is wrong"}'
    await wait_for_batch(stage, {"kind": "status", "status": 400, "body": body})


@case("hubspot-409", row="15")
async def conflict(stage: Stage) -> None:
    """409 on a whole batch, once."""
    body = '{"status":"error","category":"CONFLICT","message":"somebody else writes"}'
    await wait_for_batch(stage, {"kind": "status", "status": 409, "body": body})


async def wait_for_batch(stage: Stage, action: dict[str, Any]) -> None:
    """Let effects of several records gather, then refuse the batch that holds them once."""
    await stage.vendors.hubspot_control(
        "/faults", {"path": WRITES, "action": {"kind": "status", "status": 500}, "times": 2}
    )
    await faulty(stage, action, enough=1, skip=2, times=1)


@case("hubspot-207", row="15", settle_seconds=30)
async def some_rows_fail(stage: Stage) -> None:
    """Some rows of a batch fail for a reason that passes."""
    ids = sorted(stage.vendors.book.companies())
    fault = {"ids": stage.chance.sample(ids, 30), "category": "INTERNAL_ERROR", "times": 1}
    await stage.vendors.hubspot_control("/row_faults", fault)
    (rows,) = stage.vendors.hubspot.state.row_faults[-1:]

    def failed() -> int:
        return sum(not left for left in rows.left.values())

    async with stage.traffic():
        await until(lambda: failed() >= FAULTS_MET, MET_SECONDS)
        await asyncio.sleep(0.5)
    if not failed():
        raise FaultMissingError("no row of a batch failed")


@case("hubspot-row-refused", row="15", settle_seconds=30)
async def refused_row(stage: Stage) -> None:
    """One row is refused for good: told as failed; the next change of it is written."""
    async with stage.traffic() as traffic:
        await traffic.until_loaded()
        company, change = traffic.one_company()
        fault = {"ids": [company], "category": "VALIDATION_ERROR", "times": 1}
        await stage.vendors.hubspot_control("/row_faults", fault)
        await change()
        (rows,) = stage.vendors.hubspot.state.row_faults[-1:]
        await until(lambda: not rows.left[company], MET_SECONDS)
        if rows.left[company]:
            raise FaultMissingError("the row was not refused")
        await asyncio.sleep(0.3)
        await change()


@case("hubspot-401", row="15", settle_seconds=30)
async def token_refused(stage: Stage) -> None:
    """The token is not accepted for a moment, then it is again."""
    tokens = stage.vendors.hubspot.state.tokens
    known = set(tokens.static)
    async with stage.traffic():
        await asyncio.sleep(0.3)
        tokens.static.clear()
        await asyncio.sleep(2.5)
        tokens.static |= known
        await asyncio.sleep(0.5)


@case("hubspot-record-gone", row="15", settle_seconds=40)
async def record_gone(stage: Stage) -> None:
    """A person deletes a company that is written to, and restores it."""
    async with stage.traffic() as traffic:
        await traffic.until_loaded()
        company, change = traffic.one_company()
        await stage.vendors.hubspot_control(f"/companies/{company}", method="DELETE")
        await change()
        await asyncio.sleep(1.5)
        await change()
        await stage.vendors.hubspot_control(f"/companies/{company}/restore", {})
        await asyncio.sleep(0.5)
