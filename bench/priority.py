"""Payment failures that arrive while a long backlog waits for HubSpot's limit.

100,000 records wait to be written, as after the first walk of a large book; HubSpot takes its
normal number of requests. Then payment failures are posted to the edge, and each is measured from
its due time to HubSpot's accepted write.

The backlog is inserted into `writeback.effects` by SQL, copied from a row that the product itself
has made: walking 100,000 customers on this machine takes several minutes and measures something
else. From there on everything is the product's: due, read, compared, written, recorded.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from console.reach import connected

from bench.end_to_end import Book, percentile, post
from bench.system import System
from bench.vendors import WORKSPACE, company_id

FIRST = 1_000_000
"""Number of the backlog's first company: apart from the customers'."""
_STATUS = "plumbline_payment_status"
_WAIT_SECONDS = 120.0
_UNDER_WAY = 300
"""Backlog rows that must have been written before the failures come: it is really draining."""

_BACKLOG = """
insert into writeback.effects
select made.* from
    (select e from writeback.effects as e
     where workspace = $1 and connection = 'hubspot' and kind = 'company'
       and state = 'applied' order by vendor_id limit 1) as one,
    generate_series(0, $2::int - 1) as number,
    jsonb_populate_record(one.e, jsonb_build_object(
        'vendor_id', ($3::bigint + number)::text, 'account_id', 'acc_backlog_' || number,
        'state', 'pending', 'attempts', 0, 'next_attempt_at', clock_timestamp(),
        'received_at', clock_timestamp(), 'measured_from', null,
        'applied', '{}'::jsonb, 'applied_hash', null, 'applied_version', null,
        'echoed', '{}'::jsonb, 'replaced', '{}'::jsonb, 'stamp', '{}'::jsonb, 'writes', 0)) as made
"""


@dataclass(frozen=True, slots=True)
class Result:
    """Milliseconds from the failure to the write, and what the backlog did meanwhile."""

    backlog: int
    failures: int
    measured: int
    p50: float
    p99: float
    worst: float
    backlog_left: int
    """Rows still waiting when the last failure was written: with none, nothing was shown."""
    writes_per_second: float
    """HubSpot's accepted writes while the failures were under way."""


async def run_priority(system: System, book: Book, *, backlog: int, failures: int) -> Result:
    """Let `backlog` rows wait, then fail `failures` payments, five a second."""
    await system.vendors.seed_companies(FIRST, backlog)
    already = await system.vendors.write_count()
    async with connected(system.database_url()) as db:
        await db.execute(_BACKLOG, WORKSPACE, backlog, int(company_id(FIRST)), timeout=120)
    await _until_written(system, already + _UNDER_WAY)
    since = await system.vendors.write_count()
    now = int(time.time())
    bodies = [
        book.events.payment_failed(n, f"evt_failed{n}", book.quantities.get(n, 1), now)
        for n in range(failures)
    ]
    began = time.monotonic()
    outcome = await post(system, bodies, 5)
    numbers = {company_id(n): due for n, due in zip(range(failures), outcome.due, strict=True)}
    latencies = await _latencies(system, numbers, since)
    seconds = time.monotonic() - began
    async with connected(system.database_url()) as db:
        left = await db.fetchval("select count(*) from writeback.effects where state = 'pending'")
    written = await system.vendors.write_count() - since
    return Result(
        backlog, failures, len(latencies), percentile(latencies, 50), percentile(latencies, 99),
        round(max(latencies), 1), left, round(written / seconds, 1),
    )  # fmt: skip


async def _until_written(system: System, count: int) -> None:
    async with asyncio.timeout(_WAIT_SECONDS):
        while await system.vendors.write_count() < count:  # noqa: ASYNC110 - HubSpot moves it
            await asyncio.sleep(0.1)


async def _latencies(system: System, due: Mapping[str, float], since: int) -> list[float]:
    """Wait for the write of every failure; those that never came count as the whole wait."""
    deadline = time.monotonic() + _WAIT_SECONDS
    found: dict[str, float] = {}
    while len(found) < len(due) and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        found = _written((await system.vendors.writes(since))["writes"], due)
    return [found.get(company, _WAIT_SECONDS * 1000) for company in due]


def _written(writes: Sequence[Mapping[str, Any]], due: Mapping[str, float]) -> dict[str, float]:
    found: dict[str, float] = {}
    for write in writes:
        company = write["id"]
        if company in due and _STATUS in write["properties"]:
            found.setdefault(company, write["at_ms"] - due[company] * 1000)
    return found
