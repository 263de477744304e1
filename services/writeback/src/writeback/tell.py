"""What is told of effects: outcomes for downstream, attention for people."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from plumbline_domain.ownership import FieldConflict
from plumbline_runtime.attention import Item, open_attention
from plumbline_schemas.attention import AttentionKind
from plumbline_schemas.ids import AccountId
from plumbline_schemas.outcomes import OutcomeResult, WritebackOutcome

from writeback import queue
from writeback.effect_log import trace_of_effect
from writeback.effects import Effect
from writeback.job import Job, Planned
from writeback.metrics import EFFECTS
from writeback.outbox import close_record_attention, save_outcomes
from writeback.store import Connection


async def conflicts(conn: Connection, job: Job, plans: Sequence[Planned]) -> None:
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
    return outcome(effect, "conflict", at, properties=wanted, error=error)


async def queued(conn: Connection, plans: Sequence[Planned]) -> None:
    """Open an item for each record on which a person must decide."""
    for plan in plans:
        standing = [one for one in plan.decision.conflicts if one.resolution == "queued"]
        if standing:
            names = ", ".join(one.property for one in standing)
            await open_attention(
                conn,
                **_item(plan.effect, "conflict")._asdict(),
                summary=f"{plan.effect.id.key}: {names} was changed in the CRM "
                "and waits for a decision",
                details={
                    "account": plan.effect.account_id,
                    "properties": {
                        one.property: {"observed": one.observed, "desired": one.desired}
                        for one in standing
                    },
                },
            )


async def gone(conn: Connection, effect: Effect) -> None:
    """Open an item for a record that is linked but not there; nobody misses a former link's."""
    if effect.closed:
        await close_record_attention(conn, [effect])
        return
    await open_attention(
        conn,
        **_item(effect, "failed_effect")._asdict(),
        summary=f"{effect.id.key} is linked but not in the CRM: archived, deleted or merged",
        details={"account": effect.account_id, "state": "skipped"},
    )


async def failed(conn: Connection, effect: Effect) -> None:
    """Open an item for a record that the CRM refuses."""
    await open_attention(
        conn,
        **_item(effect, "failed_effect")._asdict(),
        summary=f"{effect.id.key} can't be written: {effect.last_error}",
        details={"account": effect.account_id, "error": effect.last_error, "state": "failed"},
    )


def _item(effect: Effect, kind: AttentionKind) -> Item:
    return Item(effect.workspace, kind, effect.id.key)


def written(sent: Effect, at: datetime) -> WritebackOutcome:
    """The body was taken."""
    return outcome(sent, "written", at, properties=sent.sending or {})


def outcome(
    effect: Effect,
    result: OutcomeResult,
    at: datetime,
    *,
    properties: Mapping[str, str] | None = None,
    error: str | None = None,
) -> WritebackOutcome:
    """What became of an effect."""
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
