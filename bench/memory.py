"""Memory and CPU of every process over 100,000 events: what stays flat, and what doesn't.

The events arrive at a steady rate; memory is looked at twenty times. A process is flat when the
second half of the events added no more than its allowance.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.end_to_end import Book, post
from bench.system import System
from bench.usage import Sample

SAMPLES = 20


@dataclass(frozen=True, slots=True)
class Result:
    """Megabytes by process."""

    events: int
    at_half: Mapping[str, float]
    at_end: Mapping[str, float]
    slope_per_10k: Mapping[str, float]
    """MB per 10,000 events over the second half, by least squares."""
    cpu_ms: Mapping[str, float]
    """Per event."""
    open_files: Mapping[str, tuple[int, int]]
    """At the half and at the end."""
    refused: int


@dataclass
class _Seen:
    samples: list[tuple[int, Sample]] = field(default_factory=list)


async def run_memory(system: System, book: Book, *, events: int, per_second: int) -> Result:
    """Post `events` in portions, and wait after each until everything of it has arrived."""
    portion = events // SAMPLES
    before = system.sample()
    seen, refused = _Seen(), 0
    for number in range(1, SAMPLES + 1):
        bodies, _ = book.next_bodies(portion)
        outcome = await post(system, bodies, per_second)
        refused += portion - outcome.statuses.get("200", 0)
        if number in {SAMPLES // 2, SAMPLES}:
            await system.quiet()
        await asyncio.sleep(0.5)
        seen.samples.append((number * portion, system.sample()))
    half, end = seen.samples[SAMPLES // 2 - 1][1], seen.samples[-1][1]
    spent = end.spent_since(before)
    return Result(
        events=portion * SAMPLES,
        at_half=half.rss_mb,
        at_end=end.rss_mb,
        slope_per_10k={name: _slope(seen.samples[SAMPLES // 2 - 1 :], name) for name in end.rss_mb},
        cpu_ms={name: round(s * 1000 / (portion * SAMPLES), 3) for name, s in spent.items()},
        open_files={name: (half.open_files[name], end.open_files[name]) for name in end.open_files},
        refused=refused,
    )


def _slope(samples: list[tuple[int, Sample]], name: str) -> float:
    xs = [done / 10_000 for done, _ in samples]
    ys = [sample.rss_mb[name] for _, sample in samples]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - x_mean) ** 2 for x in xs)
    return round(sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / spread, 2)
