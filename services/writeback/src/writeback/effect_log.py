"""One line for every effect that was tried: which record, from which event, with what result.

Nothing of what was written stands in it (engineering 8: no bodies).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import structlog
from plumbline_runtime.tracing import event_trace
from plumbline_schemas.errors import VendorError

from writeback.effects import Effect

log = structlog.get_logger()


def log_effects(
    result: str, effects: Iterable[tuple[Effect, str | None]], at: datetime, **more: Any
) -> None:
    """Tell effects of one call as they were sent, each with the CRM's category of its error."""
    for effect, category in effects:
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
            **more,
        )


def trace_of_effect(effect: Effect) -> str | None:
    """The trace of the newest event behind the desired values; None when time or a walk led."""
    newest = max(effect.provenance.values(), key=_version, default=None)
    if newest is None or not newest.get("event_id"):
        return None
    return event_trace(effect.workspace, str(newest["connection"]), str(newest["event_id"]))


def _version(provenance: Mapping[str, Any]) -> int:
    return int(provenance.get("version") or 0)


def words_of(failure: VendorError | None) -> dict[str, Any]:
    """A failed call as fields of a line."""
    return {} if failure is None else {"error": failure, "status": failure.status}


def _milliseconds(start: datetime | None, at: datetime) -> int | None:
    return None if start is None else max(0, round((at - start).total_seconds() * 1000))
