"""`--records N`: the book among N records in PostgreSQL, customers arriving one by one.

Generated companies go through the product's own normalisation and COPY into its key tables, in two
processes; then every customer of the book is one event: stored, its neighbourhood gathered,
decided.
"""

import asyncio
import gc
import itertools
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path

import asyncpg
import psutil
from matcher.identity_index import PostgresIndex
from matcher.identity_sql import INDEXES, TABLES
from plumbline_domain.identity.decide import decide
from plumbline_domain.identity.profile import Party, customer_profile, record_profile
from plumbline_domain.identity.weights import shipped
from plumbline_local.pair import EmbeddedPair
from plumbline_local.paths import Cache, Home

from bench.identity_book import read_book
from bench.identity_world_names import LASTS, NOUNS, PLACES, ROOTS, SUFFIXES, TRADES

WORKSPACE = "bench"
PROCESSES = 2
GC_THRESHOLDS = (50_000, 20, 50)
_FIRST = tuple(a + b for a in ROOTS for b in SUFFIXES)
_SECOND = tuple(itertools.chain(LASTS, NOUNS, (a + b for a in ROOTS for b in ROOTS)))
_COUNTRIES = tuple(PLACES)


def generated(numbers: range) -> Iterator[Party]:
    """Companies no two of which are alike; `numbers` are theirs."""
    for n in numbers:
        first = _FIRST[n % len(_FIRST)].capitalize()
        second = _SECOND[n // len(_FIRST) % len(_SECOND)].capitalize()
        trade = TRADES[n % 19 % len(TRADES)]
        country = _COUNTRIES[n % len(_COUNTRIES)]
        forms, towns, ending = PLACES[country]
        domain = f"{first}{second}{n % 19 or ''}.{ending}".lower()
        yield Party(
            f"gen{n}",
            name=f"{first} {second} {trade} {forms.split()[0]}",
            emails=(f"{LASTS[n % len(LASTS)].lower()}{n % 97}@{domain}",),
            domains=(domain,),
            city=towns.split()[0],
            country=country,
        )


async def _fill(url: str, numbers: range) -> None:
    conn = await asyncpg.connect(url)
    try:
        await conn.execute("set synchronous_commit = off")
        index = PostgresIndex(conn, WORKSPACE)
        await index.fill("record", map(record_profile, generated(numbers)))
    finally:
        await conn.close()


def fill(url: str, numbers: range) -> None:
    """Fill one share of the index; runs in a process of its own."""
    gc.set_threshold(*GC_THRESHOLDS)
    asyncio.run(_fill(url, numbers))


async def _indexed(conn: asyncpg.Connection) -> None:
    await conn.execute("set maintenance_work_mem = '512MB'")
    await conn.execute(INDEXES)
    for table in ("identity_keys", "identity_profiles"):
        await conn.execute(f"vacuum (analyze) matcher.{table}")


async def _events(conn: asyncpg.Connection, folder: Path) -> list[tuple[float, float]]:
    """(wall, CPU) seconds of each customer's event."""
    index, taken = PostgresIndex(conn, WORKSPACE), []
    for party in read_book(folder).customers:
        began, spent = time.perf_counter(), time.process_time()
        async with conn.transaction():
            profile = customer_profile(party)
            await index.put("customer", [profile])
            decide(profile, await index.gather([profile]), shipped())
        taken.append((time.perf_counter() - began, time.process_time() - spent))
    return taken


async def measure(url: str, folder: Path, records: int) -> None:
    """Fill, index, play the customers; print a row for each."""
    conn = await asyncpg.connect(url)
    await conn.execute("create schema if not exists matcher")
    await conn.execute(TABLES)
    book = read_book(folder)
    began = time.perf_counter()
    await PostgresIndex(conn, WORKSPACE).fill("record", map(record_profile, book.records))
    more = max(0, records - len(book.records))
    size = -(-more // PROCESSES)
    shares = [range(n * size, min(more, (n + 1) * size)) for n in range(PROCESSES)]
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as workers:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(workers, fill, url, s) for s in shares))
    filled = time.perf_counter()
    await _indexed(conn)
    ended = time.perf_counter()
    keys = await conn.fetchval("select count(*) from matcher.identity_keys")
    held = await conn.fetchval("select pg_total_relation_size('matcher.identity_keys')")
    print(f"records {len(book.records) + more}, keys {keys}, key table {held >> 20} MB", flush=True)
    print(
        f"index   {ended - began:.0f} s (filled {filled - began:.0f}, indexed {ended - filled:.0f})"
    )
    taken = await _events(conn, folder)
    for name, seconds in zip(("wall", "CPU"), zip(*taken, strict=True), strict=True):
        ranked = sorted(seconds)
        cuts = (f"p{at} {1000 * ranked[len(ranked) * at // 100]:.2f} ms" for at in (50, 95, 99))
        print(f"event {name} {', '.join(cuts)}")
    rss = psutil.Process().memory_info().rss >> 20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"RSS {rss} MB, peak {peak} MB", flush=True)
    await conn.close()


def run(folder: Path, records: int) -> None:
    """The rows for `records`; on DATABASE_URL (an empty database) or an embedded server."""
    gc.set_threshold(*GC_THRESHOLDS)
    with ExitStack() as stack:
        url = os.environ.get("DATABASE_URL")
        if url is None:
            place = stack.enter_context(tempfile.TemporaryDirectory(prefix="identity-bench-"))
            pair = stack.enter_context(EmbeddedPair(Home(Path(place)), Cache.from_environment()))
            url = pair.database_url
        asyncio.run(measure(url, folder, records))
        sys.stdout.flush()
