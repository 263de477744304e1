"""Which job of the clock is which function."""

from collections.abc import Callable

from plumbline_simulators.stripe import renewals, schedules
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.store import DueJob, Record

JOBS: dict[tuple[str, str], Callable[[Ledger, Record], None]] = {
    **renewals.JOBS,
    ("subscription_schedule", schedules.NEXT_JOB): schedules.next_phase,
    ("subscription_schedule", schedules.NOTICE_JOB): schedules.expiring,
}


def run_job(ledger: Ledger, job: DueJob) -> None:
    """One due job, at the clock's present."""
    record = ledger.store.get(job.object_id)
    if record is not None:
        JOBS[record["object"], job.job](ledger, record)
