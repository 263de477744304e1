"""`make bench`: prints a table and writes `bench/out/bench.json`; exit 1 when a bar is missed."""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.end_to_end import Load, Result, run_end_to_end
from bench.machine import machine

OUT = Path(__file__).parent / "out" / "bench.json"
P99_MS_MAX = 1_000.0


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--customers", type=int, default=5_000)
    parser.add_argument("--per-second", type=int, default=50)
    parser.add_argument("--changes", type=int, default=3_000)
    options = parser.parse_args()
    load = Load(options.customers, options.per_second, options.changes)
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as folder:
        result = asyncio.run(run_end_to_end(Path(folder) / "home", load))
    _print(result)
    OUT.parent.mkdir(exist_ok=True)
    figures = {"machine": machine(), "end_to_end": result.json()}
    OUT.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    good = result.p99 < P99_MS_MAX and result.wrong == 0
    sys.stdout.write(f"figures in {OUT.relative_to(Path.cwd())}\n")
    return 0 if good else 1


def _print(result: Result) -> None:
    console = Console()
    load = result.load
    table = Table(title="Stripe to HubSpot", title_justify="left", header_style="bold")
    for name in ("customers", "changes/s", "changes", "p50 ms", "p99 ms", "max ms", "wrong"):
        table.add_column(name, justify="right")
    table.add_row(
        str(load.customers), str(load.per_second), str(load.changes), f"{result.p50:.0f}",
        f"{result.p99:.0f}", f"{result.worst:.0f}", str(result.wrong),
    )  # fmt: skip
    console.print(table)
    processes = Table(title="Processes", title_justify="left", header_style="bold")
    for name in ("process", "memory MB", "CPU s"):
        processes.add_column(name, justify="left" if name == "process" else "right")
    for name, memory in result.memory_mb.items():
        processes.add_row(name, f"{memory:.0f}", f"{result.cpu_seconds.get(name, 0):.1f}")
    console.print(processes)
    found = machine()
    console.print(
        f"first walk of {load.customers} customers until every value stood in HubSpot: "
        f"{result.first_walk_seconds} s; machine: {found['cores']} cores, {found['processor']}"
    )


if __name__ == "__main__":
    sys.exit(main())
