"""Recording what a round did: each step is one transaction over locked rows."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from plumbline_schemas.errors import Retryable, VendorError

from writeback import brake, settle, store, tell
from writeback.crm import OBJECT_NOT_FOUND, PROPERTY_MISSING, Answered
from writeback.effect_log import Tried, log_effects, report_call
from writeback.effects import Effect, RecordId
from writeback.job import Job, Planned
from writeback.late import unanswered
from writeback.metrics import EFFECTS
from writeback.outbox import close_record_attention, save_outcomes
from writeback.session import Session
from writeback.settings import WritebackSettings
from writeback.store import Connection


class Done(NamedTuple):
    """A row that was sent, and its answer."""

    plan: Planned
    answer: Answered


async def record_planned(
    session: Session,
    job: Job,
    plans: Sequence[Planned],
    bodied: Callable[[Planned, Effect], Effect],
) -> list[Planned]:
    """Store the exact bodies before they are sent, so a repetition says the same.

    A row that changed since it was planned is left out: it is due again at once.
    """
    async with session.transaction() as conn:
        locked = await store.lock_effects(conn, [plan.effect.id for plan in plans])
        kept = [plan for plan in plans if _current(locked, plan)]
        ready = [plan._replace(effect=bodied(plan, locked[plan.effect.id])) for plan in kept]
        await store.save_effects(conn, [plan.effect for plan in ready], locked)
        await tell.conflicts(conn, job, ready)
    return ready


def _current(locked: Mapping[RecordId, Effect], plan: Planned) -> bool:
    now = locked.get(plan.effect.id)
    return now is not None and now.revision == plan.effect.revision and now.state == "pending"


async def record_idle(
    session: Session,
    job: Job,
    idle: Sequence[Planned],
    missing: Mapping[RecordId, Effect],
    *,
    at: datetime,
    window: timedelta,
) -> None:
    """Rows that need no call: nothing differs, a person's edits stand, or the record is gone."""
    if not idle and not missing:
        return
    async with session.transaction() as conn:
        locked = await store.lock_effects(conn, [*(p.effect.id for p in idle), *missing])
        kept = [plan for plan in idle if _current(locked, plan)]
        same = [
            settle.unchanged(unanswered(locked[p.effect.id], at, window), p.decision, at)
            for p in kept
        ]
        gone = [
            settle.skipped(locked[record], "the record is not in the CRM", at)
            for record, effect in missing.items()
            if record in locked
            and locked[record].revision == effect.revision
            and locked[record].state == "pending"
        ]
        await store.save_effects(conn, [*same, *gone], locked)
        await brake.written(conn, (plan.effect for plan in kept if plan.effect.sending))
        await tell.conflicts(conn, job, kept)
        await tell.queued(conn, kept)
        await close_record_attention(conn, [effect for effect in same if effect.state == "applied"])
        for effect in gone:
            await tell.gone(conn, effect)
        told = [tell.outcome(effect, "unchanged", at) for effect in same]
        told += [tell.outcome(effect, "skipped", at, error=effect.last_error) for effect in gone]
        await save_outcomes(conn, told)
    EFFECTS.labels(job.target, "unchanged").inc(len(same))
    EFFECTS.labels(job.target, "skipped").inc(len(gone))
    log_effects([Tried(effect, "unchanged", None) for effect in same], at)
    log_effects([Tried(effect, "skipped", None) for effect in gone], at)


async def record_answers(
    session: Session,
    job: Job,
    done: Sequence[Done],
    unsent: Sequence[Planned],
    *,
    at: datetime,
    settings: WritebackSettings,
    failure: VendorError | None,
    wait: float,
    look: float = 0.0,
) -> None:
    """Record each row's answer, and when the rows without one go out again.

    `look`: seconds before missing properties are looked for.
    """
    async with session.transaction() as conn:
        ids = [plan.effect.id for plan in (*(one.plan for one in done), *unsent)]
        locked = await store.lock_effects(conn, ids)
        taken = [one for one in done if one.answer.status == "ok"]
        failed = [one for one in done if one.answer.status != "ok"]
        after = await _record_taken(conn, job, taken, locked, at=at, rest=settings.rest)
        after += [_failed(one, locked, at, settings, look) for one in await _believed(conn, failed)]
        refused = not isinstance(failure, Retryable) or failure.rate_limited
        after += [
            settle.again(locked[plan.effect.id], str(failure), at, wait, refused=refused)
            for plan in unsent
        ]
        await store.save_effects(conn, after, locked)
        await brake.written(conn, (one.plan.effect for one in taken))
        await tell.queued(conn, [one.plan for one in taken])
        await close_record_attention(
            conn, [effect for effect in after if effect.state == "applied"]
        )
        lost = await _tell(conn, taken, after, at)
    dead = {effect.id for effect in lost}
    tried = [Tried(o.plan.effect, _result(o, dead), o.answer.category) for o in done]
    tried += [Tried(plan.effect, "retried", None) for plan in unsent]
    report_call(job, tried, at, failure)


async def _believed(conn: Connection, failed: Sequence[Done]) -> list[Done]:
    """The failures, with those to be tried again whose record went and may be back by now.

    News of a record that came during the call may be that of its return: it says nothing to a
    pending effect, and would not come again.
    """
    gone = [one.plan for one in failed if one.answer.category == OBJECT_NOT_FOUND]
    known = await store.seen(conn, [plan.effect.id for plan in gone]) if gone else {}
    news = {plan.effect.id for plan in gone if known.get(plan.effect.id) != plan.seen}
    await store.save_seen(conn, [known[one]._replace(seen_at=None) for one in known if one in news])
    return [
        one._replace(answer=one.answer._replace(status="retry"))
        if one.plan.effect.id in news
        else one
        for one in failed
    ]


def _result(one: Done, dead: Collection[RecordId]) -> str:
    if one.answer.status == "ok":
        return "written"
    return "failed" if one.plan.effect.id in dead else "retried"


async def _tell(
    conn: Connection, taken: Sequence[Done], after: Sequence[Effect], at: datetime
) -> list[Effect]:
    """Publish what became of the rows; returns those that failed for good."""
    lost = [effect for effect in after if effect.state == "failed"]
    for effect in lost:
        await tell.failed(conn, effect)
    told = [tell.written(one.plan.effect, at) for one in taken]
    told += [tell.outcome(effect, "failed", at, error=effect.last_error) for effect in lost]
    await save_outcomes(conn, told)
    return lost


def _failed(
    one: Done,
    locked: Mapping[RecordId, Effect],
    at: datetime,
    settings: WritebackSettings,
    look: float,
) -> Effect:
    sent = one.plan.effect
    return settle.row_failed(
        locked[sent.id],
        sent,
        one.answer,
        at,
        schedule=settings.schedule,
        bound=settings.row_attempts,
        wait=look if one.answer.category == PROPERTY_MISSING else 0.0,
    )


async def _record_taken(
    conn: Connection,
    job: Job,
    taken: Sequence[Done],
    locked: Mapping[RecordId, Effect],
    *,
    at: datetime,
    rest: float,
) -> list[Effect]:
    known = await store.seen(conn, [one.plan.effect.id for one in taken])
    after = []
    sights = []
    for plan, answer in taken:
        sent = plan.effect
        now = locked[sent.id]
        sight, overtaken = settle.overlay(known.get(sent.id), sent, answer, plan.seen)
        effect = settle.written(
            now, sent, answer, decision=plan.decision, same=job.same, at=at, rest=rest
        )
        if overtaken and effect.state in {"applied", "held"} and now.state == "pending":
            effect = effect._replace(state="pending", held_by=None, revision=now.revision + 1)
        after.append(effect)
        sights.append(sight)
    await store.save_seen(conn, sights)
    return after
