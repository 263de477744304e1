"""The rows of the bench: what each one runs, prints and must reach."""

import asyncio
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from bench import edge, end_to_end, memory, mrr, priority, replay
from bench.report import Check, show, show_by_process
from bench.system import System, with_system

EDGE_RATIO_MIN: Final = 0.6
EDGE_PER_SECOND_MIN: Final = 3_000
E2E_P99_MS_MAX: Final = 1_000
E2E_BAR_RATE: Final = 500
PRIORITY_P99_MS_MAX: Final = 2_000
SERVICE_MB_MAX: Final = 250
GROWTH_MB_MAX: Final = 12
"""What a service may add between half of the events and all of them, and still be called flat."""
SERVICES: Final = ("ingest-webhooks", "matcher", "writeback", "reconciler")
_EDGE_BYTES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    customers: int = 20_000
    rates: tuple[int, ...] = (100, 300, 500)
    rate_seconds: float = 40.0
    edge_seconds: float = 6.0
    edge_turns: int = 3
    idle_seconds: float = 10.0
    events: int = 100_000
    events_per_second: int = 500
    backlog: int = 100_000
    failures: int = 50
    replay_accounts: int = 20_000
    replay_events: int = 100_000
    mrr_times: int = 2_000


QUICK: Final = Size(
    customers=500, rates=(100, 300), rate_seconds=5.0, edge_seconds=2.0, edge_turns=2,
    idle_seconds=3.0, events=4_000, backlog=5_000, failures=10,
    replay_accounts=1_000, replay_events=4_000, mrr_times=300,
)  # fmt: skip


@dataclass
class Found:
    """Everything measured."""

    checks: list[Check] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def check(self, row: str, what: str, figure: str, bar: str, *, passed: bool) -> None:
        """Hold a figure against its bar."""
        self.checks.append(Check(row, what, figure, bar, passed))


async def run_rows(only: Collection[str], size: Size, folder: Path) -> Found:
    """Run the chosen rows; one deployment serves all that need a whole one."""
    found = Found()
    if "edge" in only:
        await _edge(found, size, folder)
    if "replay" in only:
        await _replay(found, size, folder)
    if "mrr" in only:
        await _mrr(found, size, folder)
    whole = [name for name in ("e2e", "priority", "memory") if name in only]
    if whole:

        async def story(system: System) -> None:
            await system.ready()
            await system.quiet()
            book = await end_to_end.open_book(system, size.customers)
            if "e2e" in whole:
                await _end_to_end(found, size, system, book)
            if "priority" in whole:
                await _priority(found, size, system, book)
            if "memory" in whole:
                await _memory(found, size, system, book)

        await with_system(folder, story, customers=size.customers)
    return found


async def _edge(found: Found, size: Size, folder: Path) -> None:
    async def story(system: System) -> None:
        result = await edge.run_edge(system, seconds=size.edge_seconds, turns=size.edge_turns)
        found.figures["edge"] = asdict(result) | {"ratio": result.ratio}
        show(
            f"Edge: signed events accepted with acks=all ({result.body_bytes:,} bytes each)",
            ("target", "events/s", "p99 ms", "CPU us per event", "refused"),
            [
                (name, round(turn.per_second), turn.p99_ms, turn.cpu_us, turn.refused)
                for name, turn in result.targets.items()
            ],
        )
        stripe = result.targets["stripe"]
        found.check(
            "edge", "of the bare forwarder", f"{result.ratio:.0%}", f">= {EDGE_RATIO_MIN:.0%}",
            passed=result.ratio >= EDGE_RATIO_MIN and not stripe.refused,
        )  # fmt: skip
        found.check(
            "edge", "accepted per second", f"{stripe.per_second:,.0f}",
            f">= {EDGE_PER_SECOND_MIN:,}",
            passed=stripe.per_second >= EDGE_PER_SECOND_MIN,
        )  # fmt: skip

    await with_system(
        folder, story, customers=1, environment={"PLUMBLINE_ROLES": "edge"},
        only=("ingest-webhooks",),
    )  # fmt: skip


async def _replay(found: Found, size: Size, folder: Path) -> None:
    result = await replay.run_replay(
        folder / "replay", accounts=size.replay_accounts, events=size.replay_events
    )
    found.figures["replay"] = result.json()
    passes = {
        "unchanged": result.unchanged, "every one a change": result.changed,
        f"one customer of {replay.LARGE:,} subscriptions": result.large,
    }  # fmt: skip
    show(
        f"Matcher replay over {size.replay_accounts:,} accounts",
        ("observations", "count", "per second", "CPU us each", "PostgreSQL CPU us each", "MB"),
        [(name, *list(done.json().values())[:1], *list(done.json().values())[2:])
         for name, done in passes.items()],
    )  # fmt: skip
    bars = {
        "unchanged": (result.unchanged, replay.UNCHANGED_PER_SECOND_MIN),
        "all change": (result.changed, replay.CHANGED_PER_SECOND_MIN),
    }
    for name, (done, least) in bars.items():
        found.check(
            "replay", f"{name}, per second", f"{done.per_second:,.0f}", f">= {least:,.0f}",
            passed=done.per_second >= least,
        )  # fmt: skip
    found.check(
        "replay", f"CPU per change of a customer with {replay.LARGE:,} subscriptions",
        f"{result.large_ms} ms", f"< {replay.LARGE_MS_MAX} ms",
        passed=result.large_ms < replay.LARGE_MS_MAX,
    )  # fmt: skip


async def _mrr(found: Found, size: Size, folder: Path) -> None:
    result = await mrr.run_mrr(folder / "mrr", times=size.mrr_times)
    found.figures["mrr"] = asdict(result)
    show(
        "MRR from the bytes of an event, CPU us each",
        ("subscription", "decode and translate", "reckon", "together"),
        [
            (name, spent.decode_and_translate, spent.reckon, spent.together)
            for name, spent in result.shapes.items()
        ],
    )
    together = result.shapes[mrr.BAR_SHAPE].together
    found.check(
        "mrr", f"translate and reckon: {mrr.BAR_SHAPE}", f"{together} us",
        f"<= {mrr.RECKON_US_MAX} us", passed=together <= mrr.RECKON_US_MAX,
    )  # fmt: skip
    found.check(
        "mrr", f"mrr explain of {result.folders} folders", f"{result.explain_seconds} s",
        f"< {mrr.EXPLAIN_SECONDS_MAX} s",
        passed=result.explain_seconds < mrr.EXPLAIN_SECONDS_MAX,
    )  # fmt: skip


async def _end_to_end(found: Found, size: Size, system: System, book: end_to_end.Book) -> None:
    before = system.sample()
    await asyncio.sleep(size.idle_seconds)
    idle = {
        name: round(spent * 100 / size.idle_seconds, 2)
        for name, spent in system.sample().spent_since(before).items()
    }
    results = [
        await end_to_end.run_rate(system, book, per_second=rate, seconds=size.rate_seconds)
        for rate in size.rates
    ]
    found.figures["e2e"] = {
        "idle_percent_of_a_core": idle, "rates": [asdict(result) for result in results],
    }  # fmt: skip
    show(
        f"Stripe to HubSpot over {size.customers:,} accounts",
        (
            "events/s",
            "carried/s",
            "events",
            "measured",
            "p50 ms",
            "p99 ms",
            "max ms",
            "wrong",
            "cores used",
        ),
        [
            (r.per_second, r.carried, r.events, r.measured, r.p50, r.p99, r.worst, r.wrong, r.cores)
            for r in results
        ],
    )
    columns: dict[str, Any] = {"idle, % of a core": idle}
    columns |= {f"ms at {result.per_second}/s": result.cpu_ms for result in results}
    show_by_process("CPU per event", columns)
    for result in results:
        rate = f"{result.per_second}/s"
        found.check("e2e", f"wrong or refused at {rate}", f"{result.wrong + result.refused}", "0",
                    passed=result.wrong == 0 and result.refused == 0)  # fmt: skip
    last = results[-1]
    found.check(
        "e2e", f"p99 at {last.per_second}/s", f"{last.p99:,.0f} ms",
        f"< {E2E_P99_MS_MAX:,} ms at {E2E_BAR_RATE}/s", passed=last.p99 < E2E_P99_MS_MAX,
    )  # fmt: skip


async def _priority(found: Found, size: Size, system: System, book: end_to_end.Book) -> None:
    result = await priority.run_priority(system, book, backlog=size.backlog, failures=size.failures)
    found.figures["priority"] = asdict(result)
    show(
        f"Payment failures under a backlog of {size.backlog:,} rows",
        ("failures", "p50 ms", "p99 ms", "max ms", "backlog left", "writes/s meanwhile"),
        [(result.failures, result.p50, result.p99, result.worst, result.backlog_left,
          result.writes_per_second)],
    )  # fmt: skip
    found.check(
        "priority", "p99 to the CRM's write", f"{result.p99:,.0f} ms",
        f"< {PRIORITY_P99_MS_MAX:,} ms",
        passed=result.p99 < PRIORITY_P99_MS_MAX and result.backlog_left > 0,
    )  # fmt: skip
    await system.quiet()


async def _memory(found: Found, size: Size, system: System, book: end_to_end.Book) -> None:
    result = await memory.run_memory(
        system, book, events=size.events, per_second=size.events_per_second
    )
    found.figures["memory"] = asdict(result)
    show_by_process(
        f"Memory over {result.events:,} events",
        {
            "MB at half": result.at_half, "MB at the end": result.at_end,
            "MB per 10,000 events": result.slope_per_10k, "CPU ms per event": result.cpu_ms,
        },
    )  # fmt: skip
    for name in SERVICES:
        grown = round(result.at_end[name] - result.at_half[name], 1)
        found.check(
            "memory", name, f"{result.at_end[name]:.0f} MB, {grown:+.1f} in the second half",
            f"<= {SERVICE_MB_MAX} MB, flat (+{GROWTH_MB_MAX})",
            passed=result.at_end[name] <= SERVICE_MB_MAX and grown <= GROWTH_MB_MAX,
        )  # fmt: skip
