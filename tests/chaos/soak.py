"""`make soak MINUTES=30 SEED=1 RATE=100`: random faults under steady load, then quiet and verdict.

One seed gives the same faults in the same order. Memory and file descriptors of every process are
sampled; what is printed is the least-squares slope per hour. Faults end most lives within minutes,
while caches fill, so the load goes on for a while without any: that calm is the longest stretch in
which a leak could be told from a beginning.
"""

import argparse
import asyncio
import contextlib
import math
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.chaos.book import Book
from tests.chaos.evidence import Course
from tests.chaos.invariants import Finding, judge, violations
from tests.chaos.registry import Case, load_cases
from tests.chaos.run import settle
from tests.chaos.stage import FaultMissingError, Stage, open_stage
from tests.chaos.stand_in import BrokenPromiseError
from tests.chaos.vendors import seeded

SAMPLE_SECONDS = 5.0
WARM_UP = 0.2
"""Share of a process's life that the slope leaves out, as caches fill."""
CALM = 1 / 3
"""Share of the faults' minutes that the load goes on without any."""
PAUSE_SECONDS = (2.0, 8.0)
"""Between two faults."""
CUSTOMERS = 400


@dataclass
class Samples:
    """(seconds, bytes, descriptors) of each life of each process."""

    lives: dict[tuple[str, int], list[tuple[float, int, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    began: float = field(default_factory=time.monotonic)
    calm_since: float = math.inf
    """Seconds after which no fault was played."""

    async def run(self, stage: Stage) -> None:
        """Sample until cancelled."""
        while True:
            for name, process in stage.processes().items():
                with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    row = (time.monotonic() - self.began, *_size(process))
                    self.lives[name, process.pid].append(row)
            await asyncio.sleep(SAMPLE_SECONDS)

    def calm(self) -> None:
        """No fault from now on."""
        self.calm_since = time.monotonic() - self.began

    def table(self) -> list[str]:
        """Two lines per process: its longest life, and the one that it has in the calm."""
        lines = []
        for name in dict.fromkeys(name for name, _ in self.lives):
            lives = [rows for (one, _), rows in self.lives.items() if one == name]
            longest = max(lives, key=lambda rows: rows[-1][0] - rows[0][0])
            lines.append(f"{name:<16} {len(lives):>3} lives, longest {_told(longest)}")
            last = [row for row in lives[-1] if row[0] >= self.calm_since]
            if last:
                lines.append(f"{'':<16} {'in the calm':>18} {_told(last)}")
        return lines


def _told(rows: Sequence[tuple[float, int, int]]) -> str:
    """How long, how much at the end, and the slopes after the warm-up."""
    warm = rows[int(len(rows) * WARM_UP) :]
    memory = slope([(at, size / 1e6) for at, size, _ in warm]) * 3600
    files = slope([(at, float(count)) for at, _, count in warm]) * 3600
    return (
        f"{rows[-1][0] - rows[0][0]:>6.0f} s: "
        f"{rows[-1][1] / 1e6:>6.1f} MB ({memory:+8.1f} MB/h), "
        f"{rows[-1][2]:>4} files ({files:+7.1f} /h)"
    )


def _size(process: psutil.Process) -> tuple[int, int]:
    """Resident bytes, shared pages of a family counted once, and open files."""
    family = [process, *process.children(recursive=True)]
    files = sum(one.num_fds() for one in family)
    if len(family) == 1:
        return process.memory_info().rss, files
    return sum(one.memory_full_info().pss for one in family), files


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least squares, per unit of x; 0 for fewer than two points."""
    if len(points) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if not spread:
        return 0.0
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


@dataclass
class Soaked:
    """What a soak found."""

    findings: list[Finding]
    played: Counter[str]
    missing: list[str]
    broken: list[str]
    """What the faults' own cases had promised."""
    samples: Samples
    seconds: float
    per_second: float
    """Actions that the customers came to."""

    @property
    def violations(self) -> list[str]:
        """Everything that did not hold."""
        return violations(self.findings) + self.broken


async def soak(
    folder: Path, *, minutes: float, seed: int, rate: float, only: Collection[str] = ()
) -> Soaked:
    """Load with faults at random for `minutes`, then calm; quiet; all invariants over all of it.

    `only`: names of the cases that may be chosen; empty means all that a soak may choose.
    """
    cases = [case for case in _choice() if not only or case.name in only]
    began = time.monotonic()
    async with open_stage(folder, Book(customers=CUSTOMERS)) as stage:
        stage.course = Course(settle_limit=120.0)
        stage.chance = seeded("soak", seed)
        samples = Samples()
        sampling = asyncio.create_task(samples.run(stage))
        positions = await stage.positions()
        played, missing, broken = Counter[str](), list[str](), list[str]()
        async with stage.traffic(rate) as traffic:
            loaded = time.monotonic()
            until = loaded + minutes * 60
            while time.monotonic() < until:
                await asyncio.sleep(stage.chance.uniform(*PAUSE_SECONDS))
                chosen = stage.chance.choice(cases)
                played[chosen.name] += 1
                error = await _break(stage, chosen)
                if error is not None:
                    kept = broken if isinstance(error, BrokenPromiseError) else missing
                    kept.append(f"{chosen.name}: {error}")
            samples.calm()
            await asyncio.sleep(minutes * 60 * CALM)
            per_second = traffic.done / (time.monotonic() - loaded)
        stage.course.settled_seconds = await settle(stage, 120)
        sampling.cancel()
        evidence = await stage.evidence()
        if stage.course.settled_seconds is not None:
            stage.course.replay = await stage.replay(positions)
        found = judge(evidence, stage.course)
    seconds = time.monotonic() - began
    return Soaked(found, played, missing, broken, samples, seconds, per_second)


def _choice() -> list[Case]:
    """The cases a soak may play."""
    return [case for case in load_cases().values() if case.soak]


async def _break(stage: Stage, chosen: Case) -> FaultMissingError | None:
    """Play one case inside the load; a fault that found no chance is told, not counted wrong."""
    try:
        await chosen.play(stage)
    except FaultMissingError as error:
        return error
    finally:
        await stage.vendors.heal()
    return None


def report(done: Soaked) -> int:
    """Print it all; 1 when anything was violated."""
    for name, times in sorted(done.played.items()):
        print(f"{times:>4} x {name}")
    print(f"{done.per_second:.1f} actions a second")
    for line in done.missing:
        print(f"  not met: {line}")
    for finding in done.findings:
        print(f"{finding.name}  {finding.figures}")
    for line in done.samples.table():
        print(line)
    for violation in done.violations:
        print(f"!! {violation}")
    lost = [one for one in done.violations if one.startswith(("I1", "I4"))]
    wrong = [one for one in done.violations if one.startswith("I5")]
    print(f"{len(lost)} lost, {len(wrong)} wrong, {len(done.violations)} violations, "
          f"{done.seconds:.0f} s in all")  # fmt: skip
    return 1 if done.violations else 0


def main() -> int:
    """Parse, soak, print."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=100.0)
    chosen = sorted(case.name for case in _choice())
    parser.add_argument(
        "--case", action="append", choices=chosen, metavar="CASE", help="only this one; repeatable"
    )
    parser.add_argument(
        "--keep", type=Path, help="run in this folder, emptied before and left after"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plumbline-soak-") as folder:
        place = given.keep or Path(folder)
        shutil.rmtree(place / "home", ignore_errors=True)
        done = asyncio.run(
            soak(
                place,
                minutes=given.minutes,
                seed=given.seed,
                rate=given.rate,
                only=given.case or (),
            )
        )
    return report(done)


if __name__ == "__main__":
    sys.exit(main())
