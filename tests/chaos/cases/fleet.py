"""Rows 3, 8, 9, 16 and the stop of everything: several instances, zombies, clocks, SIGTERM."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
from console.up import SERVICES
from plumbline_local.ports import LOOPBACK, keep_ports
from plumbline_runtime import failpoints
from plumbline_simulators.server import serve

from tests.chaos.balancer import Balancer
from tests.chaos.registry import case
from tests.chaos.stage import FaultMissingError, Stage
from tests.chaos.stand_in import (
    BrokenPromiseError,
    StandIn,
    bent,
    holds,
    instead_of,
    one_more,
    refusals,
)

FENCED = b"another process moved it"
TEN_MINUTES = 600.0
INSIDE_TOLERANCE = 200.0
WHOLE_STOP_SECONDS = 30.0


@case("edge-rolling-restart", row="3", settle_seconds=30, everyday=False)
async def rolling_restart(stage: Stage) -> None:
    """Two edges behind a balancer that sends nothing twice are stopped and started in turn.

    No connection is refused, reset or cut off, and vendors hear no 5xx but that of an instance
    that says it leaves.
    """
    host, _, port = stage.edge.removeprefix("http://").rpartition(":")
    await stage.terminate("ingest-webhooks")
    try:
        async with AsyncExitStack() as stack:
            pair = [await stack.enter_async_context(_edge(stage, name)) for name in ("a", "b")]
            client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=30))
            balancer = Balancer(client, [address for _, address in pair])
            await stack.enter_async_context(balancer.looking())
            server = await serve(balancer, host, int(port))
            stack.push_async_callback(server.stop)
            async with stage.traffic():
                for one, address in pair:
                    await asyncio.sleep(0.7)
                    await one.stop()
                    await asyncio.sleep(0.3)
                    one.start_again()
                    await holds(90, "the balancer sees it again", partial(balancer.sees, address))
            await holds(60, "deliveries are taken", _taken(stage))
    finally:
        await stage.start("ingest-webhooks")
    if balancer.broken:
        raise BrokenPromiseError(f"vendors heard {balancer.statuses}: {balancer.broken}")
    if not balancer.passed_over:
        raise FaultMissingError("no delivery came while an instance was stopping or away")


@asynccontextmanager
async def _edge(stage: Stage, instance: str) -> AsyncIterator[tuple[StandIn, str]]:
    port = keep_ports(stage.deployment.home, (f"edge-{instance}",))[f"edge-{instance}"]
    listen = f"{LOOPBACK}:{port}"
    given = {"PLUMBLINE_EDGE_LISTEN": listen, "PLUMBLINE_DRAINING_SECONDS": "1"}
    async with one_more(stage, "ingest-webhooks", instance, **given) as one:
        yield one, f"http://{listen}"


def _taken(stage: Stage) -> Callable[[], Awaitable[bool]]:
    """Whether as many were taken as wait now: in a soak there are always some that wait."""
    vendors = stage.vendors
    known = vendors.accepted() + vendors.waiting()

    async def taken() -> bool:
        return not vendors.waiting() or vendors.accepted() >= known

    return taken


async def _none_waits(stage: Stage) -> bool:
    return not stage.vendors.waiting()


@case("instances-come-and-go", row="8", settle_seconds=60, soak=False, everyday=False)
async def come_and_go(stage: Stage) -> None:
    """Matchers, a writer and an edge are added and removed under load, two at a time."""
    fenced = _fenced(stage)
    plan = [
        ("+matcher-x", "+writeback-x"),
        ("+matcher-y", "-matcher-x"),
        ("+ingest-webhooks-x", "-writeback-x"),
        ("-matcher-y", "-ingest-webhooks-x"),
    ]
    there: dict[str, AsyncExitStack] = {}

    async def take(step: str) -> None:
        slot = step[1:]
        if step[0] == "-":
            await there.pop(slot).aclose()
        else:
            name, _, instance = slot.rpartition("-")
            there[slot] = stack = await rest.enter_async_context(AsyncExitStack())
            await stack.enter_async_context(_further(stage, name, instance))

    async with AsyncExitStack() as rest, stage.traffic(20):
        for steps in plan:
            await asyncio.gather(*map(take, steps))
            await asyncio.sleep(0.5)
    stage.course.fence_rejections = _fenced(stage) - fenced


@asynccontextmanager
async def _further(stage: Stage, name: str, instance: str) -> AsyncIterator[None]:
    if name == "ingest-webhooks":
        async with _edge(stage, instance):
            yield
    else:
        async with one_more(stage, name, instance):
            yield


def _fenced(stage: Stage) -> int:
    return sum(log.read_bytes().count(FENCED) for log in (stage.home / "logs").glob("*.log"))


@case("matcher-zombie", row="9", settle_seconds=60, soak=False, everyday=False)
async def zombie(stage: Stage) -> None:
    """Stopped with a batch in hand beyond its session; another takes over; it wakes and commits."""
    point = "matcher.batch_taken"
    fenced = _fenced(stage)
    patient = {"PLUMBLINE_WATCHDOG_LOOP_DELAY_SECONDS": "60"}
    points = {failpoints.VARIABLE: f"{point}=1@{stage.arms / point}"}
    async with (
        instead_of(stage, "matcher", **patient, **points) as one,
        stage.traffic(),
        one_more(stage, "matcher", "heir"),
    ):
        stage.arm(point, stage.chance.randint(1, 5), block_seconds=1)
        await stage.fired(point)
        stopped = one.process.pid
        os.kill(stopped, signal.SIGSTOP)
        try:
            await holds(
                60, "another matcher takes what the zombie has in hand", await stage.passed()
            )
        finally:
            os.kill(stopped, signal.SIGCONT)
        await holds(60, "the zombie ends", lambda: _ended(one))
        stage.course.fence_rejections = _fenced(stage) - fenced
        if not stage.course.fence_rejections:
            raise BrokenPromiseError("the zombie's commit was not refused")
        await one.ready()


async def _ended(one: StandIn) -> bool:
    return bool(one.ends)


@case("clock-edge", row="16", settle_seconds=30, soak=False, everyday=False)
async def clock_of_the_edge(stage: Stage) -> None:
    """Inside the tolerance signatures hold; ten minutes off they don't, and nothing is lost."""
    clock = stage.home / "clock-edge"
    clock.write_text("0")
    stage.course.clock_ahead_ms = int(TEN_MINUTES * 1000)
    async with instead_of(stage, "ingest-webhooks", **bent(clock=clock)) as one:
        async with stage.traffic():
            await _step(clock, INSIDE_TOLERANCE)
            before = await refusals(one)
            if before:
                raise BrokenPromiseError(f"{before:g} signatures refused inside the tolerance")
            await _step(clock, TEN_MINUTES)
            after = await refusals(one)
            if not after:
                raise BrokenPromiseError("no signature refused ten minutes later")
            await _step(clock, -TEN_MINUTES)
            await _step(clock, 0)
        await holds(60, "deliveries are taken", partial(_none_waits, stage))


async def _step(clock: Path, seconds: float) -> None:
    clock.write_text(str(seconds))
    await asyncio.sleep(1.5)


async def _stepped(stage: Stage, name: str) -> None:
    """Ten minutes ahead, then ten behind, and the host's clock again with the managed one."""
    clock = stage.home / f"clock-{name}"
    clock.write_text("0")
    async with instead_of(stage, name, **bent(clock=clock)), stage.traffic():
        await _step(clock, TEN_MINUTES)
        await _step(clock, -TEN_MINUTES)


@case("clock-writeback", row="16", settle_seconds=30, soak=False, everyday=False)
async def clock_of_writeback(stage: Stage) -> None:
    """Leases and next attempts are the database's matter."""
    fails = {"path": "/batch/update$", "every": 3, "action": {"kind": "status", "status": 500}}
    await stage.vendors.hubspot_control("/faults", fails)
    await _stepped(stage, "writeback")


@case("clock-matcher", row="16", settle_seconds=30, soak=False, everyday=False)
async def clock_of_the_matcher(stage: Stage) -> None:
    """Facts have the vendors' times."""
    await _stepped(stage, "matcher")


@case("clock-reconciler", row="16", settle_seconds=30, soak=False, everyday=False)
async def clock_of_the_reconciler(stage: Stage) -> None:
    """Walks and ticks go by the database and by Stripe."""
    await _stepped(stage, "reconciler")


@case("everything-stopped", row="I8", settle_seconds=60, soak=False, everyday=False)
async def everything_stopped(stage: Stage) -> None:
    """SIGTERM of the whole deployment under load, and a start."""
    async with stage.traffic():
        await asyncio.sleep(1)
        began = time.monotonic()
        await asyncio.gather(*(stage.terminate(name) for name in SERVICES))
        await asyncio.gather(stage.deployment.stop("kafka"), stage.terminate("postgres"))
        took = time.monotonic() - began
        for name in ("kafka", "postgres", *SERVICES):
            await stage.start(name)
        if took > WHOLE_STOP_SECONDS:
            raise BrokenPromiseError(f"the deployment stopped after {took:.1f} s")
        await stage.ready()
