"""`--records N`: the book among N records in PostgreSQL, customers arriving one by one.

Generated companies go through the product's own normalisation and COPY into its key tables, in two
processes. Then every customer of the book is one event: identity's part alone (stored, its
neighbourhood gathered, decided, in one transaction), then the matcher's whole handler, which
founds and links its account as well: until its commit, and until what it changed is published.
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
import uvloop
from matcher.identity_index import PostgresIndex
from matcher.identity_sql import INDEXES, WITHOUT_INDEXES
from plumbline_domain.identity.profile import Party, record_profile
from plumbline_local.pair import EmbeddedPair
from plumbline_local.paths import Cache, Home
from plumbline_runtime.migrations import migrate
from plumbline_runtime.postgres import create_pool

from bench.identity_book import read_book, record_of
from bench.identity_events import RECORDS, WORKSPACE, Events, opened
from bench.identity_world_names import LASTS, NOUNS, PLACES, ROOTS, SUFFIXES, TRADES

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
            record_of(f"gen{n}"),
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
    """Indexes as the migrations make them."""
    await conn.execute("set maintenance_work_mem = '512MB'")
    await conn.execute(INDEXES)
    for table in ("identity_keys", "identity_profiles"):
        await conn.execute(f"vacuum (analyze) matcher.{table}")


async def _built(conn: asyncpg.Connection, url: str, folder: Path, records: int) -> None:
    """Fill and index; print a row for each."""
    book = read_book(folder, record_of)
    await conn.execute(WITHOUT_INDEXES)
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


async def measure(url: str, folder: Path, records: int) -> None:
    """Fill, index, play the customers; print a row for each."""
    await migrate(url)
    pool = await create_pool(url)
    await opened(pool)
    conn = await asyncpg.connect(url)
    try:
        await _built(conn, url, folder, records)
        await conn.execute(RECORDS, WORKSPACE)
        await conn.execute("vacuum (analyze) matcher.objects")
        await Events(pool, folder).play()
        rss = psutil.Process().memory_info().rss >> 20
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(f"RSS {rss} MB, peak {peak} MB", flush=True)
    finally:
        await conn.close()
        await pool.close()


def run(folder: Path, records: int) -> None:
    """The rows for `records`; on DATABASE_URL (an empty database) or an embedded server."""
    gc.set_threshold(*GC_THRESHOLDS)
    with ExitStack() as stack:
        url = os.environ.get("DATABASE_URL")
        if url is None:
            place = stack.enter_context(tempfile.TemporaryDirectory(prefix="identity-bench-"))
            pair = stack.enter_context(EmbeddedPair(Home(Path(place)), Cache.from_environment()))
            url = pair.database_url
        uvloop.run(measure(url, folder, records))  # as the service's process does
        sys.stdout.flush()
