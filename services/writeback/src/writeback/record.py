"""Recording what a round did: each step is one transaction over locked rows."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from plumbline_domain.ownership import FieldConflict
from plumbline_schemas.attention import AttentionKind
from plumbline_schemas.errors import Retryable, VendorError
from plumbline_schemas.ids import AccountId
from plumbline_schemas.outcomes import OutcomeResult, WritebackOutcome

from writeback import queue, settle, store
from writeback.crm import Answered
from writeback.effect_log import Tried, log_effects, report_call, trace_of_effect
from writeback.effects import Effect, RecordId
from writeback.job import Job, Planned
from writeback.metrics import EFFECTS
from writeback.outbox import Subject, close_attention, open_attention, save_outcomes
from writeback.settings import WritebackSettings
from writeback.store import Connection


class Done(NamedTuple):
    """A row that was sent, and its answer."""

    plan: Planned
    answer: Answered


async def record_planned(
    conn: Connection,
    job: Job,
    plans: Sequence[Planned],
    bodied: Callable[[Planned, Effect], Effect],
) -> list[Planned]:
    """Store the exact bodies before they are sent, so a repetition says the same.

    A row that changed since it was planned is left out: it is due again at once.
    """
    async with conn.transaction():
        locked = await store.lock_effects(conn, [plan.effect.id for plan in plans])
        kept = [plan for plan in plans if _current(locked, plan)]
        ready = [plan._replace(effect=bodied(plan, locked[plan.effect.id])) for plan in kept]
        await store.save_effects(conn, [plan.effect for plan in ready])
        await _tell_conflicts(conn, job, ready)
    return ready


def _current(locked: Mapping[RecordId, Effect], plan: Planned) -> bool:
    now = locked.get(plan.effect.id)
    return now is not None and now.revision == plan.effect.revision and now.state == "pending"


async def record_idle(
    conn: Connection,
    job: Job,
    idle: Sequence[Planned],
    missing: Mapping[RecordId, Effect],
    at: datetime,
) -> None:
    """Rows that need no call: nothing differs, a person's edits stand, or the record is gone."""
    if not idle and not missing:
        return
    async with conn.transaction():
        locked = await store.lock_effects(conn, [*(p.effect.id for p in idle), *missing])
        kept = [plan for plan in idle if _current(locked, plan)]
        same = [settle.unchanged(locked[p.effect.id], p.decision, at) for p in kept]
        gone = [
            settle.skipped(locked[record], "the record is not in the CRM", at)
            for record, effect in missing.items()
            if record in locked
            and locked[record].revision == effect.revision
            and locked[record].state == "pending"
        ]
        await store.save_effects(conn, [*same, *gone])
        await _tell_conflicts(conn, job, kept)
        await _tell_queued(conn, kept)
        await _close(conn, [effect for effect in same if effect.state == "applied"])
        for effect in gone:
            await _tell_gone(conn, effect)
        told = [_outcome(effect, "unchanged", at) for effect in same]
        told += [_outcome(effect, "skipped", at, error=effect.last_error) for effect in gone]
        await save_outcomes(conn, told)
    EFFECTS.labels(job.target, "unchanged").inc(len(same))
    EFFECTS.labels(job.target, "skipped").inc(len(gone))
    log_effects([Tried(effect, "unchanged", None) for effect in same], at)
    log_effects([Tried(effect, "skipped", None) for effect in gone], at)


async def record_answers(
    conn: Connection,
    job: Job,
    done: Sequence[Done],
    unsent: Sequence[Planned],
    *,
    at: datetime,
    settings: WritebackSettings,
    failure: VendorError | None,
    wait: float,
) -> None:
    """Record each row's answer, and when the rows without one go out again."""
    async with conn.transaction():
        ids = [plan.effect.id for plan in (*(one.plan for one in done), *unsent)]
        locked = await store.lock_effects(conn, ids)
        taken = [one for one in done if one.answer.status == "ok"]
        failed = [one for one in done if one.answer.status != "ok"]
        after = await _record_taken(conn, job, taken, locked, at)
        after += [_failed(one, locked, at, settings) for one in failed]
        refused = not isinstance(failure, Retryable) or failure.rate_limited
        after += [
            settle.again(locked[plan.effect.id], str(failure), at, wait, refused=refused)
            for plan in unsent
        ]
        await store.save_effects(conn, after)
        await _tell_queued(conn, [one.plan for one in taken])
        await _close(conn, [effect for effect in after if effect.state == "applied"])
        lost = [effect for effect in after if effect.state == "failed"]
        for effect in lost:
            await _tell_failed(conn, effect)
        told = [_written(one, at) for one in taken]
        told += [_outcome(effect, "failed", at, error=effect.last_error) for effect in lost]
        await save_outcomes(conn, told)
    dead = {effect.id for effect in lost}
    tried = [Tried(o.plan.effect, _result(o, dead), o.answer.category) for o in done]
    tried += [Tried(plan.effect, "retried", None) for plan in unsent]
    report_call(job, tried, at, failure)


def _result(one: Done, dead: Collection[RecordId]) -> str:
    if one.answer.status == "ok":
        return "written"
    return "failed" if one.plan.effect.id in dead else "retried"


def _failed(
    one: Done, locked: Mapping[RecordId, Effect], at: datetime, settings: WritebackSettings
) -> Effect:
    sent = one.plan.effect
    return settle.row_failed(
        locked[sent.id],
        sent,
        one.answer,
        at,
        schedule=settings.schedule,
        bound=settings.row_attempts,
    )


async def _record_taken(
    conn: Connection,
    job: Job,
    taken: Sequence[Done],
    locked: Mapping[RecordId, Effect],
    at: datetime,
) -> list[Effect]:
    known = await store.seen(conn, [one.plan.effect.id for one in taken])
    after = []
    sights = []
    for plan, answer in taken:
        sent = plan.effect
        now = locked[sent.id]
        sight, overtaken = settle.overlay(known.get(sent.id), sent, answer, plan.seen)
        effect = settle.written(now, sent, answer, decision=plan.decision, same=job.same, at=at)
        if overtaken and effect.state in {"applied", "held"} and now.state == "pending":
            effect = effect._replace(state="pending", held_by=None, revision=now.revision + 1)
        after.append(effect)
        sights.append(sight)
    await store.save_seen(conn, sights)
    return after


async def _tell_conflicts(conn: Connection, job: Job, plans: Sequence[Planned]) -> None:
    """Log each conflict once, when it is first acted upon."""
    news = [(plan.effect, conflict) for plan in plans for conflict in plan.decision.news]
    if not news:
        return
    rows: list[tuple[str, ...]] = [(*effect.id, *conflict) for effect, conflict in news]
    await queue.save_conflicts(conn, rows)
    at = max(plan.effect.sending_since or plan.effect.next_attempt_at for plan in plans)
    await save_outcomes(conn, [_conflict_outcome(effect, one, at) for effect, one in news])
    EFFECTS.labels(job.target, "conflict").inc(len(news))


def _conflict_outcome(effect: Effect, conflict: FieldConflict, at: datetime) -> WritebackOutcome:
    wanted = {conflict.property: conflict.desired}
    error = f"{conflict.property} was changed in the CRM; by policy it is {conflict.resolution}"
    return _outcome(effect, "conflict", at, properties=wanted, error=error)


async def _tell_queued(conn: Connection, plans: Sequence[Planned]) -> None:
    for plan in plans:
        queued = [one for one in plan.decision.conflicts if one.resolution == "queued"]
        if queued:
            names = ", ".join(one.property for one in queued)
            await open_attention(
                conn,
                _subject(plan.effect, "conflict"),
                f"{plan.effect.id.key}: {names} was changed in the CRM and waits for a decision",
                {
                    "account": plan.effect.account_id,
                    "properties": {
                        one.property: {"observed": one.observed, "desired": one.desired}
                        for one in queued
                    },
                },
            )


async def _tell_gone(conn: Connection, effect: Effect) -> None:
    if effect.closed:
        await _close(conn, [effect])
        return
    await open_attention(
        conn,
        _subject(effect, "failed_effect"),
        f"{effect.id.key} is linked but not in the CRM: archived, deleted or merged",
        {"account": effect.account_id, "state": "skipped"},
    )


async def _tell_failed(conn: Connection, effect: Effect) -> None:
    await open_attention(
        conn,
        _subject(effect, "failed_effect"),
        f"{effect.id.key} can't be written: {effect.last_error}",
        {"account": effect.account_id, "error": effect.last_error, "state": "failed"},
    )


async def _close(conn: Connection, effects: Sequence[Effect]) -> None:
    subjects = [_subject(effect, "failed_effect") for effect in effects]
    subjects += [_subject(effect, "conflict") for effect in effects]
    await close_attention(conn, subjects)


def _subject(effect: Effect, kind: AttentionKind) -> Subject:
    return Subject(effect.workspace, kind, effect.id.key)


def _written(one: Done, at: datetime) -> WritebackOutcome:
    sent = one.plan.effect
    return _outcome(sent, "written", at, properties=sent.sending or {})


def _outcome(
    effect: Effect,
    result: OutcomeResult,
    at: datetime,
    *,
    properties: Mapping[str, str] | None = None,
    error: str | None = None,
) -> WritebackOutcome:
    start = effect.measured_from if result == "written" else None
    latency = None if start is None else max(0, round((at - start).total_seconds() * 1000))
    return WritebackOutcome(
        workspace=effect.workspace,
        connection=effect.connection,
        record=effect.id.key,
        account=AccountId(effect.account_id),
        version=effect.state_version,
        result=result,
        properties=dict(properties or {}),
        idempotency_key=effect.sending_key or "",
        attempts=effect.attempts + (1 if result == "written" else 0),
        error=error,
        received_at=effect.received_at,
        written_at=at,
        latency_ms=latency,
        trace_id=trace_of_effect(effect),
    )
