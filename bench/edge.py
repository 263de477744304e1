"""Signed events the edge accepts with acks=all, beside a bare forwarder, in the same run.

Generator, broker and edge share this machine's cores; nothing else of Plumbline runs. Edge and
forwarder take turns, so that a noisy minute hits both; each figure is the median of its turns.
"""

import asyncio
import statistics
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.end_to_end import percentile
from bench.generator import Job, Outcome, generate
from bench.requests import (
    StripeEvents,
    hubspot_body,
    hubspot_requests,
    keep,
    stripe_requests,
)
from bench.system import System
from bench.usage import sample
from bench.vendors import API_VERSION, CLIENT_SECRET, PORTAL, WEBHOOK_SECRET

CONNECTIONS = 64
BODIES = 3_000
TOPIC = "webhooks.received.v1"
_MOST = 2_000_000


@dataclass(frozen=True, slots=True)
class Turn:
    """One measured stretch of one target."""

    per_second: float
    p99_ms: float
    refused: int
    cpu_us: float
    """Of the server, per event."""


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over the turns of each target."""

    body_bytes: int
    targets: Mapping[str, Turn]
    """`stripe`, `hubspot` (the edge) and `bare` (the forwarder)."""

    @property
    def ratio(self) -> float:
        """Stripe-signed events accepted for each body the bare forwarder forwards."""
        return round(self.targets["stripe"].per_second / self.targets["bare"].per_second, 3)


async def run_edge(system: System, *, seconds: float, turns: int) -> Result:
    """Measure in turns of `seconds`, after one of each to warm up."""
    events = StripeEvents(await system.vendors.subscription(0), API_VERSION)
    bodies = [
        events.quantity_changed(n, f"evt_edge{n}", 1, 2, 1_700_000_000) for n in range(BODIES)
    ]
    stripe = stripe_requests(bodies, system.stripe_hook, WEBHOOK_SECRET)
    hubspot = hubspot_requests(
        [hubspot_body(n, PORTAL) for n in range(BODIES)], system.hubspot_hook, CLIENT_SECRET
    )
    run = system.deployment.current()
    async with _bare(run.kafka.bootstrap_servers) as (pid, address):
        edge = system.edge_url.removeprefix("http://")
        places = {
            "stripe": (edge, system.pids()["ingest-webhooks"], stripe),
            "bare": (address, pid, stripe),
            "hubspot": (edge, system.pids()["ingest-webhooks"], hubspot),
        }
        files = {
            name: keep(found[2], system.folder / f"{name}.pickle") for name, found in places.items()
        }
        await _until_accepting(edge, files["stripe"])
        measured: dict[str, list[Turn]] = {name: [] for name in places}
        for number in range(turns + 1):
            for name, (target, server, _) in places.items():
                turn = await _turn(target, server, files[name], seconds if number else 2.0)
                if number:
                    measured[name].append(turn)
    found = {name: _median(turns) for name, turns in measured.items()}
    return Result(len(bodies[0]), found)


async def _turn(target: str, pid: int, requests: str, seconds: float) -> Turn:
    before = sample({"server": pid})
    outcome = await _load(target, requests, CONNECTIONS, _MOST, seconds)
    spent = sample({"server": pid}).spent_since(before)["server"]
    answered = sum(outcome.statuses.values())
    accepted = outcome.statuses.get("200", 0)
    return Turn(
        per_second=round(accepted / outcome.seconds, 1),
        p99_ms=percentile(outcome.took, 99),
        refused=answered - accepted,
        cpu_us=round(spent * 1e6 / max(answered, 1), 1),
    )


def _median(turns: list[Turn]) -> Turn:
    return Turn(
        per_second=statistics.median(turn.per_second for turn in turns),
        p99_ms=statistics.median(turn.p99_ms for turn in turns),
        refused=sum(turn.refused for turn in turns),
        cpu_us=statistics.median(turn.cpu_us for turn in turns),
    )


async def _load(
    target: str, requests: str, connections: int, count: int, seconds: float
) -> Outcome:
    host, _, port = target.partition(":")
    return await generate(Job(host, int(port), requests, count, connections, None, seconds))


async def _until_accepting(target: str, requests: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                outcome = await _load(target, requests, 1, 1, 5)
            except RuntimeError:
                outcome = None  # nothing listens yet
            if outcome is not None and outcome.statuses == {"200": 1}:
                return
            await asyncio.sleep(0.2)


@asynccontextmanager
async def _bare(bootstrap: str) -> AsyncIterator[tuple[int, str]]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.forwarder", bootstrap, TOPIC,
        stdout=asyncio.subprocess.PIPE, cwd=Path.cwd(),
    )  # fmt: skip
    assert child.stdout is not None
    try:
        async with asyncio.timeout(30):
            address = (await child.stdout.readline()).decode().strip()
        yield child.pid, address
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()
