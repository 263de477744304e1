"""`make histories N=10000 SEED=1`: histories of a simulated account, delivered in any order,
against the truth; exit 1 on any difference."""

import argparse
import asyncio
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import asyncpg
from plumbline_local.pair import EmbeddedPair
from plumbline_local.paths import Cache, Home
from plumbline_local.testing import with_database
from plumbline_runtime.migrations import migrate

from tests.histories.block import SIZE, Outcome
from tests.histories.run import play_part, report


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="make histories", description=__doc__)
    parser.add_argument("-n", type=int, default=1000, help="histories")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--block", type=int, help="only the block that holds this history")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    firsts = range(0, given.n, SIZE)
    if given.block is not None:
        firsts = range(given.block // SIZE * SIZE, given.block // SIZE * SIZE + 1)
    parts = min(given.processes, len(firsts))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="plumbline-histories-") as folder:
        home = Home(Path(folder).resolve() / "home")
        with EmbeddedPair(home, Cache.from_environment(), durable=False) as servers:
            urls = asyncio.run(databases(servers.database_url, parts))
            with ProcessPoolExecutor(parts, mp_context=get_context("spawn")) as pool:
                jobs = [
                    pool.submit(play_part, url, given.seed, list(firsts[part::parts]))
                    for part, url in enumerate(urls)
                ]
                outcome = Outcome()
                for job in jobs:
                    outcome.add(job.result())
    return report(outcome, given.seed, time.monotonic() - began)


async def databases(server: str, number: int) -> list[str]:
    """A migrated database for each process."""
    urls = []
    for place in range(number):
        conn = await asyncpg.connect(server)
        await conn.execute(f"create database histories_{place}")
        await conn.close()
        urls.append(with_database(server, f"histories_{place}"))
        await migrate(urls[-1])
    return urls


if __name__ == "__main__":
    sys.exit(main())
