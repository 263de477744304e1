"""From a change in Stripe to the changed value in HubSpot, under a steady load.

The generator posts events as Stripe would, each at its due time; a change is measured from that
time to the moment the simulated HubSpot accepts the value that belongs to it. Every process runs on
this machine, the vendors too.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from console.demo.truth import major_text

from bench.generator import Job, Outcome, generate
from bench.requests import StripeEvents, keep, stripe_requests
from bench.system import System
from bench.usage import Sample
from bench.vendors import API_VERSION, UNIT_AMOUNT, WEBHOOK_SECRET, company_id

CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Result:
    """Milliseconds; how many final values were not what Stripe says; CPU per event."""

    customers: int
    per_second: int
    events: int
    measured: int
    p50: float
    p99: float
    worst: float
    wrong: int
    refused: int
    cpu_ms: Mapping[str, float]
    """Per event and process, until the last one has arrived: a backlog is worked off, too."""
    cores: float
    """Cores used by everything together while events came."""
    carried: float
    """Changes a second that reached HubSpot, from the first one's due time to the last write."""


@dataclass
class Book:
    """What the bench has told the edge so far: the truth HubSpot must show."""

    customers: int
    events: StripeEvents
    quantities: dict[int, int] = field(default_factory=dict)
    made: int = 0
    """Events made; customers take turns, so that none has two changes within one second."""

    def next_bodies(self, count: int) -> tuple[list[bytes], list[tuple[int, int]]]:
        """Bodies of the next changes, and (customer, new quantity) of each."""
        bodies, changes = [], []
        now = int(time.time())
        for _ in range(count):
            number = self.made % self.customers
            self.made += 1
            old = self.quantities.get(number, 1)
            new = self.quantities[number] = old + 1
            event = f"evt_load{self.made}"
            bodies.append(self.events.quantity_changed(number, event, old, new, now))
            changes.append((number, new))
        return bodies, changes


async def open_book(system: System, customers: int) -> Book:
    """Start the changes of a freshly seeded book."""
    return Book(customers, StripeEvents(await system.vendors.subscription(0), API_VERSION))


async def run_rate(system: System, book: Book, *, per_second: int, seconds: float) -> Result:
    """One rate for `seconds`, measured; returns when everything has settled."""
    bodies, changes = book.next_bodies(round(per_second * seconds))
    since = await system.vendors.write_count()
    before = system.sample()
    outcome = await post(system, bodies, per_second)
    loaded = system.sample()
    await system.quiet()
    after = system.sample()
    writes = (await system.vendors.writes(since))["writes"]
    latencies = _latencies(changes, outcome.due, writes)
    took = max(write["at_ms"] for write in writes) / 1000 - min(outcome.due)
    return Result(
        customers=book.customers, per_second=per_second, events=len(changes),
        measured=len(latencies), p50=percentile(latencies, 50), p99=percentile(latencies, 99),
        worst=round(max(latencies), 1), wrong=await _wrong(system, dict(changes)),
        refused=len(changes) - outcome.statuses.get("200", 0),
        cpu_ms=cpu_per_event(before, after, outcome, len(changes)),
        cores=_cores(before, loaded, outcome),
        carried=round(len(changes) / took, 1),
    )  # fmt: skip


async def post(system: System, bodies: Sequence[bytes], per_second: float | None) -> Outcome:
    """Sign the bodies and post them to the edge, as Stripe would."""
    requests = stripe_requests(bodies, system.stripe_hook, WEBHOOK_SECRET)
    place = keep(requests, system.folder / "requests.pickle")
    host, _, port = system.edge_url.removeprefix("http://").partition(":")
    return await generate(Job(host, int(port), place, len(requests), CONNECTIONS, per_second))


def cpu_per_event(before: Sample, after: Sample, outcome: Outcome, events: int) -> dict[str, float]:
    """Milliseconds of CPU per event, by process."""
    spent = after.spent_since(before) | {"generator": outcome.cpu_seconds}
    return {name: round(seconds * 1000 / events, 3) for name, seconds in spent.items()}


def percentile(values: Sequence[float], percent: float) -> float:
    """Of the sorted values, the one that `percent` of them don't exceed."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))], 1)


def _cores(before: Sample, after: Sample, outcome: Outcome) -> float:
    spent = sum(after.spent_since(before).values()) + outcome.cpu_seconds
    return round(spent / (after.at - before.at), 2)


def _latencies(
    changes: Sequence[tuple[int, int]], due: Sequence[float], writes: Sequence[Mapping[str, Any]]
) -> list[float]:
    """Each change against the first write of its own value.

    A value overtaken by the next one of the same customer is written with that one: left out.
    """
    wanted = {
        (company_id(number), _mrr(quantity)): at
        for (number, quantity), at in zip(changes, due, strict=True)
    }
    found = []
    for write in writes:
        began = wanted.pop((write["id"], write["properties"].get("plumbline_mrr")), None)
        if began is not None:
            found.append(write["at_ms"] - began * 1000)
    return found


async def _wrong(system: System, last: Mapping[int, int]) -> int:
    """Of the customers changed, those whose company doesn't show the last quantity."""
    count = 0
    for number, quantity in last.items():
        shown = (await system.vendors.company(number))["properties"]
        count += shown.get("plumbline_mrr") != _mrr(quantity)
    return count


def _mrr(quantity: int) -> str:
    return major_text(Fraction(quantity * UNIT_AMOUNT))
