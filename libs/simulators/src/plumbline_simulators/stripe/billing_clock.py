"""Runs the billing jobs as the simulated clock moves, by itself or pushed."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from plumbline_simulators.stripe.eventlog import Cause
from plumbline_simulators.stripe.jobs import run_job
from plumbline_simulators.stripe.ledger import Ledger

TICK_SECONDS = 0.2
JOBS_PER_TURN = 20  # then other tasks get the event loop


class BillingClock:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = asyncio.Lock()

    async def advance(self, target: datetime) -> dict[str, Any]:
        """Run every job due up to `target` at its own instant, then stand at `target`."""
        async with self._lock:
            before = self._ledger.ids.issued("evt")
            jobs = await self._run_until(target)
            if target > self._ledger.clock.now():
                self._ledger.clock.advance_to(target)
            self._ledger.events.purge(self._ledger.now())
        events = self._ledger.ids.issued("evt") - before
        return {"jobs": dict(jobs), "events": events}

    async def run(self) -> None:
        """For a running clock: do what has become due, until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            async with self._lock:
                await self._run_until(self._ledger.clock.now())

    async def _run_until(self, target: datetime) -> Counter[str]:
        done: Counter[str] = Counter()
        until = int(target.timestamp())
        ledger = self._ledger
        while True:
            job = None
            with ledger.caused_by(Cause()):
                job = ledger.store.take_job(until)
                if job is not None:
                    due = datetime.fromtimestamp(job.at, UTC)
                    if due > ledger.clock.now():
                        ledger.clock.advance_to(due)
                    run_job(ledger, job)
            if job is None:
                return done
            done[job.job] += 1
            if done.total() % JOBS_PER_TURN == 0:
                await asyncio.sleep(0)
