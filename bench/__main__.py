"""`make bench`: prints tables, writes `bench/out/bench.json`; exit 1 when a bar is missed.

`ARGS="--only edge,e2e"` chooses rows, `ARGS=--quick` measures little of everything in about a
minute (for CI: the same code and bars, but no figures to quote).
"""

import argparse
import asyncio
import dataclasses
import json
import sys
import tempfile
from pathlib import Path

from bench.machine import machine
from bench.report import CONSOLE, show_checks
from bench.rows import QUICK, Found, Size, run_rows

OUT = Path(__file__).parent / "out" / "bench.json"
ROWS = ("edge", "replay", "mrr", "e2e", "memory", "priority")


def main() -> int:
    """Measure and print."""
    options = _parser().parse_args()
    size = QUICK if options.quick else Size()
    if options.customers:
        size = dataclasses.replace(size, customers=options.customers)
    if options.rates:
        size = dataclasses.replace(size, rates=options.rates)
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as folder:
        found = asyncio.run(run_rows(options.only, size, Path(folder)))
    return _report(found, size)


def _report(found: Found, size: Size) -> int:
    show_checks(found.checks)
    where = machine()
    CONSOLE.print(
        f"machine: {where['cores']} cores, {where['processor']}, {where['memory_gib']} GiB; "
        f"load average at the end {where['load_average']:.1f}"
    )
    OUT.parent.mkdir(exist_ok=True)
    figures = {
        "machine": where,
        "size": dataclasses.asdict(size),
        "bars": [dataclasses.asdict(check) for check in found.checks],
        **found.figures,
    }
    OUT.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    CONSOLE.print(f"figures in {OUT}")
    return 0 if all(check.passed for check in found.checks) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", type=_rows, default=ROWS, help=f"some of {','.join(ROWS)}")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--customers", type=int, help="accounts of the whole deployment")
    parser.add_argument("--rates", type=_rates, help="events/s of e2e, as 100,300,500")
    return parser


def _rows(text: str) -> tuple[str, ...]:
    chosen = tuple(text.split(","))
    if unknown := set(chosen) - set(ROWS):
        raise argparse.ArgumentTypeError(f"unknown rows {sorted(unknown)}; known: {ROWS}")
    return chosen


def _rates(text: str) -> tuple[int, ...]:
    return tuple(int(rate) for rate in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
