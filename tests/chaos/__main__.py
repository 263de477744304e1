"""`make chaos N=20 [CASE=name] [JOBS=2]`: every case N times in a row, invariants printed, exit 1
on any violation."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.registry import Case, load_cases
from tests.chaos.run import Outcome
from tests.chaos.shards import Order, play_all


def main() -> int:
    """Parse, run, print."""
    cases = load_cases()
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("-n", type=int, default=1, help="runs of each case")
    parser.add_argument("--case", action="append", choices=sorted(cases), help="only this one")
    parser.add_argument("--jobs", type=int, default=1, help="deployments beside each other")
    parser.add_argument("--first", type=int, default=1, help="number (seed) of the first run")
    parser.add_argument(
        "--keep", type=Path, help="run in this folder, emptied before and left after"
    )
    parser.add_argument("--without-i6", action="store_true", help="no redelivery, no rebuild")
    given = parser.parse_args()
    chosen = [cases[name] for name in given.case] if given.case else list(cases.values())
    jobs = max(1, min(given.jobs, len(chosen)))
    last = "not judged" if given.without_i6 else "judged once for each, with its last run"
    print(f"{len(chosen)} cases on {jobs} deployments; I6 is {last}", flush=True)
    began = time.monotonic()
    order = Order(longest_first(chosen), given.n, given.first, replay=not given.without_i6)
    with tempfile.TemporaryDirectory(prefix="plumbline-chaos-") as folder:
        outcomes, broken = play_all(given.keep or Path(folder), order, jobs, tell)
    return report(outcomes, broken, time.monotonic() - began)


def longest_first(cases: Sequence[Case]) -> list[Case]:
    """Cases by what they may take, so that no deployment is left with a long one at the end."""
    return sorted(cases, key=lambda case: (-case.settle_seconds, case.everyday))


def tell(outcome: Outcome) -> None:
    """One run: a line, every invariant's figures, every violation."""
    verdict = "ok" if not outcome.violations else f"{len(outcome.violations)} VIOLATIONS"
    print(f"{outcome.case} #{outcome.number}: {verdict} in {outcome.seconds:.1f} s", flush=True)
    for finding in outcome.findings:
        print(f"    {finding.name}  {finding.figures}")
    for violation in outcome.violations:
        print(f"    !! {violation}", flush=True)


def report(outcomes: Sequence[Outcome], broken: Sequence[str], seconds: float) -> int:
    """The table; 1 when anything was violated, or a deployment ended before its work did."""
    width = max((len(outcome.case) for outcome in outcomes), default=4)
    print(f"\n{'case':<{width}}  runs  violations  seconds = acting + settling + judging + I6")
    for name in sorted({outcome.case for outcome in outcomes}):
        runs = [outcome for outcome in outcomes if outcome.case == name]
        print(f"{name:<{width}}  {len(runs):>4}  {_violated(runs):>10}  {_spent(runs)}")
    print(f"{'all':<{width}}  {len(outcomes):>4}  {_violated(outcomes):>10}  {_spent(outcomes)}")
    for line in broken:
        print(f"!! {line}")
    wrong = _violated(outcomes) + len(broken)
    print(f"\n{len(outcomes)} runs, {wrong} violations, {seconds:.0f} s in all")
    return 1 if wrong else 0


def _violated(runs: Sequence[Outcome]) -> int:
    return sum(len(outcome.violations) for outcome in runs)


def _spent(runs: Sequence[Outcome]) -> str:
    """Seconds in all and of each phase, under the headings of the table."""
    acting, settling, judging, replay = (
        sum(getattr(run.spent, phase) for run in runs)
        for phase in ("acting", "settling", "judging", "replay")
    )
    total = acting + settling + judging + replay
    return f"{total:>7.1f}   {acting:>6.1f}   {settling:>8.1f}   {judging:>7.1f}   {replay:>5.1f}"


if __name__ == "__main__":
    sys.exit(main())
