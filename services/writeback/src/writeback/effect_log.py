"""What a call came to: counted, measured, and one line for every effect that was tried.

A line says which record, from which event, with what result; nothing of what was written stands in
it (engineering 8: no bodies).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import structlog
from plumbline_runtime.tracing import event_trace
from plumbline_schemas.errors import VendorError

from writeback.effects import Effect
from writeback.job import Job
from writeback.metrics import EFFECTS, STRIPE_TO_CRM

log = structlog.get_logger()


class Tried(NamedTuple):
    """An effect as it was sent, and what became of it."""

    effect: Effect
    result: str
    """written, unchanged, skipped, failed or retried."""
    category: str | None
    """The CRM's word for the row's error."""


def report_call(
    job: Job, tried: Sequence[Tried], at: datetime, failure: VendorError | None
) -> None:
    """Count and tell one write call; `failure` stopped it, `at` is when it was answered."""
    counts = Counter(one.result for one in tried)
    for result, count in counts.items():
        EFFECTS.labels(job.target, result).inc(count)
    for one in tried:
        start = one.effect.measured_from
        if one.result == "written" and start is not None:
            STRIPE_TO_CRM.observe(max(0.0, (at - start).total_seconds()))
    words = {} if failure is None else {"error": failure, "status": failure.status}
    log.info(
        "effects_sent",
        target=job.target,
        kind=job.kind,
        written=counts["written"],
        failed=counts["failed"],
        retried=counts["retried"],
        **words,
    )
    log_effects(tried, at)


def log_effects(tried: Iterable[Tried], at: datetime) -> None:
    """Tell each effect."""
    for effect, result, category in tried:
        log.info(
            "effect_tried",
            result=result,
            workspace=effect.workspace,
            connection=effect.connection,
            record=effect.id.key,
            account=effect.account_id,
            account_version=effect.state_version,
            attempt=effect.attempts + 1,
            duration_ms=_milliseconds(effect.sending_since, at),
            e2e_ms=_milliseconds(effect.measured_from, at),
            category=category,
            trace_id=trace_of_effect(effect),
        )


def trace_of_effect(effect: Effect) -> str | None:
    """The trace of the newest event behind the desired values; None when time or a walk led."""
    newest = max(effect.provenance.values(), key=_version, default=None)
    if newest is None or not newest.get("event_id"):
        return None
    return event_trace(effect.workspace, str(newest["connection"]), str(newest["event_id"]))


def _version(provenance: Mapping[str, Any]) -> int:
    return int(provenance.get("version") or 0)


def _milliseconds(start: datetime | None, at: datetime) -> int | None:
    return None if start is None else max(0, round((at - start).total_seconds() * 1000))
