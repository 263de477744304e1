"""What an answer of the CRM means for an effect: pure, from the locked row to the next one.

`sent` is the effect as it was when the call was planned; `now` is the row as it is locked for
recording. When the revisions differ, something newer arrived meanwhile and stays due.
"""

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from plumbline_domain.ownership import Decision, SameValue

from writeback.crm import PROPERTY_MISSING, Answered
from writeback.effects import HELD_BY_CONFLICT, Effect, SeenRecord
from writeback.plan import PRIORITY_URGENT, idempotency_key

PASSING: Final = frozenset({"RATE_LIMITS", "RATE_LIMIT", PROPERTY_MISSING})
"""Categories of rows that pass by themselves or by our doing: tried again for as long as it takes.
All others are bounded, known ones (CONFLICT) and unknown ones alike, so that none is silent."""


def jitter() -> float:
    """Between 0 and 1; spreads what would else come at once, guards nothing."""
    return random.random()  # noqa: S311


def delay(schedule: Sequence[float], attempts: int) -> float:
    """Seconds before attempt number `attempts` + 1, by the schedule, less up to a half (jitter)."""
    longest = schedule[min(attempts, len(schedule) - 1)]
    return longest * (0.5 + jitter() / 2)


def planned(
    effect: Effect,
    decision: Decision,
    seen: Mapping[str, str | None],
    stamp: Mapping[str, str],
    now: datetime,
) -> Effect:
    """The effect with the body to send.

    A body whose answer is unknown is sent again as it was, under its key, when it still says what
    must be said. Any other body gets a key of its own.
    """
    remembered = effect._replace(
        applied=effect.applied | decision.agreed,
        conflicts=_standing(decision),
        replaced={name: seen.get(name) for name in decision.writes} | effect.replaced,
    )
    if effect.sending is not None:
        unstamped = {k: v for k, v in effect.sending.items() if k not in effect.stamp}
        if unstamped == decision.writes:
            return remembered._replace(sending_since=now)
    numbered = remembered._replace(writes=effect.writes + 1)
    return numbered._replace(
        sending=decision.writes | dict(stamp),
        sending_key=idempotency_key(numbered),
        sending_since=now,
        stamp=dict(stamp),
    )


def _standing(decision: Decision) -> dict[str, str]:
    """Conflicts already told; one that has gone away may be told again when it comes back."""
    return {conflict.property: conflict.observed for conflict in decision.conflicts}


def unchanged(now: Effect, decision: Decision, at: datetime) -> Effect:
    """Nothing to write: the record holds every value, or a person's edits stand."""
    return _done(
        now._replace(
            applied=now.applied | decision.agreed,
            conflicts=_standing(decision),
        ),
        at,
        queued=decision.queued,
    )


def written(
    now: Effect,
    sent: Effect,
    answer: Answered,
    *,
    decision: Decision,
    same: SameValue,
    at: datetime,
    rest: float = 0.0,
) -> Effect:
    """The CRM took the row; it rests for `rest` seconds before it is written again."""
    body = {k: v for k, v in (sent.sending or {}).items() if k not in sent.stamp}
    renditions = {
        name: stored
        for name, value in body.items()
        if (stored := answer.properties.get(name)) is not None and not same(name, stored, value)
    }
    took = now._replace(
        applied=now.applied | decision.agreed | body,
        echoed={k: v for k, v in now.echoed.items() if k not in body} | renditions,
        conflicts={k: v for k, v in now.conflicts.items() if k not in body},
        applied_version=sent.state_version,
        applied_hash=sent.desired_hash,
        rests_until=at + timedelta(seconds=rest),
    )
    if now.revision != sent.revision:
        urgent = now.priority == PRIORITY_URGENT
        return _answered(took, at if urgent else at + timedelta(seconds=rest))
    return _done(took, at, queued=decision.queued)


def _answered(effect: Effect, at: datetime) -> Effect:
    return effect._replace(
        sending=None,
        sending_key=None,
        sending_since=None,
        attempts=0,
        row_failures=0,
        last_error=None,
        next_attempt_at=at,
    )


def _done(effect: Effect, at: datetime, *, queued: bool) -> Effect:
    return _answered(effect, at)._replace(
        state="held" if queued else "applied",
        held_by=HELD_BY_CONFLICT if queued else None,
        doubt=None,
        applied_hash=effect.desired_hash,
        applied_version=effect.state_version,
        measured_from=None,
    )


def again(now: Effect, error: str, at: datetime, wait: float, *, refused: bool) -> Effect:
    """The call failed in a way that passes: same key, same body, later.

    `refused`: the CRM said that it took nothing, so there is no need to look before.
    """
    return now._replace(
        attempts=now.attempts + 1,
        last_error=error,
        sending_since=None if refused else now.sending_since,
        next_attempt_at=at + timedelta(seconds=wait),
    )


def row_failed(
    now: Effect,
    sent: Effect,
    answer: Answered,
    at: datetime,
    *,
    schedule: Sequence[float],
    bound: int,
    wait: float = 0.0,
) -> Effect:
    """The CRM refused this row: for good, or to be tried again, not before `wait` seconds."""
    error = f"{answer.category or 'unknown'}: {answer.error or 'no reason given'}"
    if now.revision != sent.revision:
        return _answered(now, at)._replace(last_error=error)
    if answer.category in PASSING:
        pause = max(wait, delay(schedule, now.attempts))
        return again(now, error, at, pause, refused=True)
    failures = now.row_failures + 1
    if answer.status == "permanent" or failures >= bound:
        return _answered(now, at)._replace(
            state="failed",
            doubt=None,
            last_error=error,
            row_failures=failures,
            attempts=now.attempts + 1,
        )
    waiting = again(now, error, at, delay(schedule, failures - 1), refused=True)
    return waiting._replace(row_failures=failures)


def skipped(now: Effect, reason: str, at: datetime) -> Effect:
    """The record is not there: it is never created (design 1.6)."""
    return _answered(now, at)._replace(state="skipped", held_by=None, doubt=None, last_error=reason)


def overlay(
    known: SeenRecord | None, sent: Effect, answer: Answered, planned_on: SeenRecord
) -> tuple[SeenRecord, bool]:
    """What the record holds after our write, and whether a newer sight overtook the answer."""
    base = known or planned_on
    time_ms = answer.vendor_time_ms
    if time_ms is None:
        time_ms = base.vendor_time_ms
    if base.vendor_time_ms > time_ms:
        return base._replace(seen_at=None), True
    moved = base.properties != planned_on.properties or base.archived != planned_on.archived
    values = {**base.properties, **(sent.sending or {}), **answer.properties}
    fresh = base._replace(properties=values, vendor_time_ms=time_ms)
    if moved and base.vendor_time_ms == time_ms:
        return fresh._replace(seen_at=None), True
    return fresh, False
