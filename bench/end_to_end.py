"""From a change in Stripe to the changed value in HubSpot, under a steady load.

Both vendors are simulated in this process; Kafka, PostgreSQL and every service are processes of
their own on the same machine. A change is measured from the moment Stripe makes it (just before it
is posted to the edge) to the moment HubSpot accepts the value that belongs to it.
"""

import asyncio
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import psutil
from console.demo.main import deploy
from console.demo.settle import all_quiet
from console.demo.truth import major_text
from console.demo.world import World, open_world
from console.up import until_ready
from plumbline_local.deployment import Deployment
from plumbline_local.paths import Home
from plumbline_local.ports import keep_ports

UNIT_AMOUNT = 5_000
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Load:
    """How much, how fast, over how many customers."""

    customers: int
    per_second: int
    changes: int


@dataclass(frozen=True, slots=True)
class Result:
    """Milliseconds, and how many final values were not what Stripe says."""

    load: Load
    measured: int
    p50: float
    p99: float
    worst: float
    wrong: int
    first_walk_seconds: float
    memory_mb: Mapping[str, float]
    cpu_seconds: Mapping[str, float]

    def json(self) -> dict[str, object]:
        """For the file beside the table."""
        return {
            "customers": self.load.customers, "per_second": self.load.per_second,
            "changes": self.load.changes, "measured": self.measured, "p50_ms": self.p50,
            "p99_ms": self.p99, "max_ms": self.worst, "wrong": self.wrong,
            "first_walk_seconds": self.first_walk_seconds, "memory_mb": dict(self.memory_mb),
            "cpu_seconds": dict(self.cpu_seconds),
        }  # fmt: skip


async def run_end_to_end(folder: Path, load: Load) -> Result:
    """One deployment in `folder`, one load, one result."""
    home = Home(folder)
    shutil.rmtree(folder, ignore_errors=True)
    home.ensure()
    os.environ["PLUMBLINE_HOME"] = str(home.root)
    listen = f"127.0.0.1:{keep_ports(home, ('edge',))['edge']}"
    results: list[Result] = []
    async with open_world(f"http://{listen}", *_seeds(load.customers)) as world:
        deployment = deploy(home, world, listen)

        async def story() -> None:
            results.append(await _measure(world, deployment, load))
            deployment.request_stop()

        await deployment.run(story)
    return results[0]


async def _measure(world: World, deployment: Deployment, load: Load) -> Result:
    began = time.monotonic()
    if not await until_ready(deployment, 300):
        raise RuntimeError(f"not ready; see {deployment.home.logs}")
    await _quiet(world, deployment)
    walked = time.monotonic() - began
    since = world.writes()
    cpu = _cpu(deployment)
    order = {
        "subscriptions": load.customers, "changes": load.changes,
        "per_second": load.per_second, "field": "quantity", "log": True,
    }  # fmt: skip
    done = await world.stripe_control("/touch", order)
    await _quiet(world, deployment)
    latencies = _latencies(done["log"], await world.hubspot_control(f"/writes?since={since}"))
    spent = {name: seconds - cpu.get(name, 0.0) for name, seconds in _cpu(deployment).items()}
    return Result(
        load=load,
        measured=len(latencies),
        p50=_percentile(latencies, 50),
        p99=_percentile(latencies, 99),
        worst=max(latencies),
        wrong=_wrong(world, done["truth"]),
        first_walk_seconds=round(walked, 1),
        memory_mb=_memory(deployment),
        cpu_seconds={name: round(seconds, 1) for name, seconds in spent.items()},
    )


async def _quiet(world: World, deployment: Deployment) -> None:
    async with asyncio.timeout(600):
        while not await all_quiet(world, deployment):  # noqa: ASYNC110 - other processes move it
            await asyncio.sleep(0.25)


def _latencies(changes: Sequence[Mapping[str, Any]], answer: Mapping[str, Any]) -> list[float]:
    """Each change against the first write of its own value.

    A value overtaken by the next one of the same customer is written with that one: left out.
    """
    wanted: dict[tuple[str, str], float] = {}
    for change in changes:
        company = _company(change["customer"])
        wanted[company, _mrr(change["quantity"])] = float(change["at"])
    found = []
    for write in answer["writes"]:
        value = write["properties"].get("plumbline_mrr")
        began = wanted.pop((write["id"], value), None)
        if began is not None:
            found.append(write["at_ms"] - began * 1000)
    return found


def _wrong(world: World, truth: Mapping[str, Mapping[str, Any]]) -> int:
    count = 0
    for subscription in truth.values():
        total = _mrr(subscription["items"][0]["quantity"])
        shown = world.values(_company(subscription["customer"]))
        count += shown.get("plumbline_mrr") != total
    return count


def _mrr(quantity: int) -> str:
    return major_text(Fraction(quantity * UNIT_AMOUNT))


def _company(customer: str) -> str:
    return str(100_000 + int(customer.removeprefix("cus_load")))


def _seeds(number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    now = int(time.time())
    price = {
        "id": "price_load", "product": "prod_load", "lookup_key": "load_monthly",
        "currency": "usd", "unit_amount": UNIT_AMOUNT,
        "recurring": {"interval": "month", "interval_count": 1},
    }  # fmt: skip
    people = [
        {
            "id": f"cus_load{n}", "name": f"Load {n}", "email": f"billing@load{n}.example",
            "created": now - 9 * DAY,
            "subscriptions": [
                {"id": f"sub_load{n}", "price": "price_load", "quantity": 1,
                 "created": now - 9 * DAY}
            ],
        }
        for n in range(number)
    ]  # fmt: skip
    companies = [
        {"id": str(100_000 + n), "properties": {"name": f"Load {n}", "domain": f"load{n}.example"}}
        for n in range(number)
    ]
    products = [{"id": "prod_load", "name": "Load"}]
    return {"products": products, "prices": [price], "customers": people}, {"companies": companies}


def _percentile(values: Sequence[float], percent: int) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)], 1)


def _processes(deployment: Deployment) -> dict[str, psutil.Process]:
    run = deployment.current()
    pids = {service.name: service.pid for service in run.services}
    pids |= {"kafka": run.kafka.pid, "postgres": run.postgres.pid}
    return {name: psutil.Process(pid) for name, pid in pids.items() if pid is not None}


def _memory(deployment: Deployment) -> dict[str, float]:
    found = _processes(deployment)
    return {name: round(one.memory_info().rss / 1e6, 1) for name, one in found.items()}


def _cpu(deployment: Deployment) -> dict[str, float]:
    spent = {}
    for name, one in _processes(deployment).items():
        family = [one, *one.children(recursive=True)]
        spent[name] = sum(p.cpu_times().user + p.cpu_times().system for p in family)
    return spent
