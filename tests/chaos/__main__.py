"""`make chaos N=20 [CASE=name]`: every case N times in a row, invariants printed, exit 1 on any
violation."""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.chaos.registry import Case, load_cases
from tests.chaos.run import Outcome, play
from tests.chaos.stage import Stage, open_stage


def main() -> int:
    """Parse, run, print."""
    cases = load_cases()
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("-n", type=int, default=1, help="runs of each case")
    parser.add_argument("--case", action="append", choices=sorted(cases), help="only this one")
    parser.add_argument("--first", type=int, default=1, help="number (seed) of the first run")
    parser.add_argument(
        "--keep", type=Path, help="run in this folder, emptied before and left after"
    )
    parser.add_argument(
        "--shard", type=shard, default=(1, 1), metavar="K/M", help="every M-th case, from the K-th"
    )
    parser.add_argument("--without-i6", action="store_true", help="no redelivery, no rebuild")
    given = parser.parse_args()
    chosen = [cases[name] for name in given.case] if given.case else list(cases.values())
    part, parts = given.shard
    chosen = chosen[part - 1 :: parts]
    if not chosen:
        parser.error(f"no case is left for shard {part} of {parts}")
    last = "not judged" if given.without_i6 else "judged once for each, with its last run"
    print(f"{len(chosen)} cases; I6 is {last}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="plumbline-chaos-") as folder:
        place = given.keep or Path(folder)
        shutil.rmtree(place / "home", ignore_errors=True)
        outcomes = asyncio.run(
            run_all(place, chosen, given.n, given.first, replay=not given.without_i6)
        )
    return report(outcomes, time.monotonic() - began)


def shard(text: str) -> tuple[int, int]:
    """`1/2` is the first of two; raises ValueError, which argparse tells."""
    part, parts = (int(number) for number in text.split("/"))
    if not 1 <= part <= parts:
        raise ValueError(text)
    return part, parts


async def run_all(
    folder: Path, cases: list[Case], times: int, first: int = 1, *, replay: bool = True
) -> list[Outcome]:
    """All runs on one deployment; with `replay` the last run of a case is replayed (I6)."""
    outcomes = []
    async with open_stage(folder) as stage:
        for case in cases:
            for number in range(first, first + times):
                again = replay and number == first + times - 1
                outcome = await play(stage, case, number, replay=again)
                outcomes.append(outcome)
                tell(outcome)
        if replay:
            outcomes.append(await replay_everything(stage))
            tell(outcomes[-1])
    return outcomes


async def replay_everything(stage: Stage) -> Outcome:
    """Redelivery from offset 0 and a rebuild, as a run of its own."""

    async def nothing(_: Stage) -> None:
        stage.course.replay = await stage.replay()

    whole = Case("replay-from-offset-0", "I6", nothing, 60.0, soak=False)
    outcome = await play(stage, whole, 1)
    return replace(outcome, replay_seconds=outcome.seconds)


def tell(outcome: Outcome) -> None:
    """One run: a line, every invariant's figures, every violation."""
    verdict = "ok" if not outcome.violations else f"{len(outcome.violations)} VIOLATIONS"
    print(f"{outcome.case} #{outcome.number}: {verdict} in {outcome.seconds:.1f} s", flush=True)
    for finding in outcome.findings:
        print(f"    {finding.name}  {finding.figures}")
    for violation in outcome.violations:
        print(f"    !! {violation}", flush=True)


def report(outcomes: list[Outcome], seconds: float) -> int:
    """The table; 1 when anything was violated."""
    width = max(len(outcome.case) for outcome in outcomes)
    print(f"\n{'case':<{width}}  runs  violations  seconds  of these I6")
    for name in dict.fromkeys(outcome.case for outcome in outcomes):
        runs = [outcome for outcome in outcomes if outcome.case == name]
        wrong = sum(len(outcome.violations) for outcome in runs)
        spent = sum(outcome.seconds for outcome in runs)
        again = sum(outcome.replay_seconds for outcome in runs)
        print(f"{name:<{width}}  {len(runs):>4}  {wrong:>10}  {spent:>7.1f}  {again:>11.1f}")
    wrong = sum(len(outcome.violations) for outcome in outcomes)
    print(f"\n{len(outcomes)} runs, {wrong} violations, {seconds:.0f} s in all")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
