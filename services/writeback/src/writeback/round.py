"""One round of a sender: look where needed, decide, write one batch, record every row."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import structlog
from plumbline_domain.ownership import Decision, decide
from plumbline_runtime import failpoints
from plumbline_schemas.errors import Permanent, Retryable, VendorError
from plumbline_schemas.fields import LAST_SYNCED

from writeback import settle, store
from writeback.crm import PROPERTY_MISSING, Answered, BatchRefused, Sight, UpdateRow
from writeback.effects import Effect, RecordId, SeenRecord
from writeback.gate import WorkspaceFacts
from writeback.job import Job, Planned
from writeback.late import look_back, unanswered
from writeback.metrics import CALL_SECONDS
from writeback.plan import encode_field
from writeback.queue import Due
from writeback.record import Done, record_answers, record_idle, record_planned
from writeback.session import Session
from writeback.settings import WritebackSettings
from writeback.sights import sighted
from writeback.turns import Throttle, Turns

log = structlog.get_logger()

_TRACE_CHARACTERS = 32


class Crm(Protocol):
    """The CRM of one connection."""

    async def read_many(
        self, kind: str, ids: Sequence[str], properties: Sequence[str]
    ) -> tuple[dict[str, Sight], list[str]]:
        """Sights by id, and ids not found."""

    async def read_one(self, kind: str, vendor_id: str, properties: Sequence[str]) -> Sight | None:
        """One record, None when it is not there."""

    async def update(self, kind: str, rows: Sequence[UpdateRow]) -> list[Answered]:
        """Write rows by id."""


class Properties(Protocol):
    """Who makes sure of the properties."""

    def doubt(self, kind: str) -> float:
        """A property is missing: have it looked for; returns the seconds until that may be."""


class _Looked(NamedTuple):
    """What the records of a round hold."""

    sights: dict[RecordId, SeenRecord]
    missing: dict[RecordId, Effect]
    """Effects whose record is not there."""
    unclear: frozenset[RecordId]
    """Records of which other news came during the look: they are due again at once."""


class Rounds:
    """Carries out due effects of one connection, one vendor batch at a time."""

    def __init__(
        self, crm: Crm, budget: Throttle, properties: Properties, settings: WritebackSettings
    ) -> None:
        self._properties = properties
        self._crm = crm
        self._settings = settings
        self._turns = Turns(budget, settings.patience)
        self.granted = self._turns.granted
        self.window = timedelta(seconds=settings.late_window)

    @property
    def throttled(self) -> bool:
        """Whether rounds wait for the budget: one more would only hold rows that may still change.

        Two, so that one is ready when the other is granted its call.
        """
        return self._turns.waiting > 1

    async def carry_out(self, session: Session, job: Job, due: Sequence[Due]) -> VendorError | None:
        """Bring the rows as far as the vendor lets us; returns what stopped the batch, if anything.

        Raises VendorError when looking failed: nothing was tried then.
        """
        try:
            looked = await self._look(session, job, due)
        except Retryable as error:
            await self._turns.tell(error)
            raise
        if looked is None:
            return None
        sights, missing, unclear = looked
        plans = [
            Planned(one.effect, seen, self._decide(job, one.effect, seen))
            for one in due
            if one.effect.id not in missing
            and one.effect.id not in unclear
            and (seen := sights.get(one.effect.id, one.seen)) is not None
        ]
        idle = [plan for plan in plans if not plan.decision.writes]
        at = session.now()
        await record_idle(session, job, idle, missing, at=at, window=self.window)
        todo = [plan for plan in plans if plan.decision.writes]
        return await self._write(session, job, todo) if todo else None

    async def look_back(
        self, session: Session, job: Job, facts: WorkspaceFacts, effects: Sequence[Effect]
    ) -> None:
        """Look for writes that came late; raises VendorError."""
        await look_back(session, self, job, facts, effects)

    def _decide(self, job: Job, effect: Effect, seen: SeenRecord) -> Decision:
        mapped = set(job.mapping.values())
        desired = {name: value for name, value in effect.desired.items() if name in mapped}
        return decide(
            desired,
            seen.properties,
            effect.memory,
            policy=job.policy,
            same=job.same,
            excluded=job.blocked,
        )

    async def _look(self, session: Session, job: Job, due: Sequence[Due]) -> _Looked | None:
        """Read stale records.

        None when there is no call to be had for long, and when a property turns out to be missing:
        it has to be made before values are compared.
        """
        stale = {one.effect.vendor_id: one.effect for one in due if one.stale}
        before = {one.effect.id: one.seen for one in due}
        gone = {
            one.effect.id: one.effect
            for one in due
            if not one.stale and one.seen is not None and one.seen.archived
        }
        if not stale or not job.mapping:
            return _Looked({}, gone, frozenset())
        began = session.now()
        if not await self._turns.may_begin("read", urgent=job.urgent):
            return None
        found, unseen = await self._read(job, list(stale))
        lacking = frozenset().union(*(sight.lacking for sight in found.values()))
        if lacking - job.blocked and self._properties.doubt(job.kind) == 0:
            return None
        async with session.transaction() as conn:
            known = await store.seen(conn, [effect.id for effect in stale.values()])
            sights = {
                effect.id: sighted(
                    known.get(effect.id), effect.id, found.get(one), began, before=before[effect.id]
                )
                for one, effect in stale.items()
            }
            await store.save_seen(conn, sights.values())
        unclear = frozenset(one for one, sight in sights.items() if sight.seen_at is None)
        gone |= {e.id: e for one in unseen if (e := stale[one]).id not in unclear}
        return _Looked(sights, gone, unclear)

    async def read(self, job: Job, ids: list[str]) -> tuple[dict[str, Sight], list[str]]:
        """Sights by id, and ids that are not there, each confirmed; raises VendorError."""
        await self._turns.take("read", urgent=job.urgent)
        return await self._read(job, ids)

    async def _read(self, job: Job, ids: list[str]) -> tuple[dict[str, Sight], list[str]]:
        clock = time.perf_counter()
        try:
            found, unseen = await self._crm.read_many(job.kind, ids, job.properties)
        except BatchRefused:
            found, unseen = {}, ids  # some id is none the vendor could have: ask one by one
        CALL_SECONDS.labels(job.target, "read").observe(time.perf_counter() - clock)
        gone = []
        for one in unseen:
            await self._turns.take("read", urgent=job.urgent)
            sight = await self._read_one(job, one)
            if sight is None:
                gone.append(one)
            else:
                found[one] = sight
        return found, gone

    async def _read_one(self, job: Job, vendor_id: str) -> Sight | None:
        try:
            return await self._crm.read_one(job.kind, vendor_id, job.properties)
        except Permanent as error:
            log.warning("record_unreadable", record=f"{job.kind}/{vendor_id}", error=error)
            return None

    async def _write(
        self, session: Session, job: Job, todo: Sequence[Planned]
    ) -> VendorError | None:
        if not await self._turns.may_begin("write", urgent=job.urgent):
            return None
        at = session.now()
        planned = await record_planned(
            session,
            job,
            todo,
            lambda plan, now: settle.planned(
                unanswered(now, at, self.window),
                plan.decision,
                plan.seen.properties,
                _stamp(job, now, at),
                at,
            )._replace(next_attempt_at=at + timedelta(seconds=self._settings.lease)),
        )
        if not planned:
            return None
        failpoints.hit("writeback.after_claim")
        by_id = {plan.effect.vendor_id: plan for plan in planned}
        clock = time.perf_counter()
        answers, failure = await self._send(job, list(by_id.values()))
        failpoints.hit("writeback.after_answer")
        CALL_SECONDS.labels(job.target, "update").observe(time.perf_counter() - clock)
        done = [Done(by_id[answer.id], answer) for answer in answers]
        answered = {answer.id for answer in answers}
        unsent = [plan for one, plan in by_id.items() if one not in answered]
        wait = await self._wait(unsent, failure)
        lost = any(answer.category == PROPERTY_MISSING for answer in answers)
        await record_answers(
            session,
            job,
            done,
            unsent,
            at=session.now(),
            settings=self._settings,
            failure=failure,
            wait=wait,
            look=self._properties.doubt(job.kind) if lost else 0.0,
        )
        return failure

    async def _send(
        self, job: Job, plans: list[Planned]
    ) -> tuple[list[Answered], VendorError | None]:
        """Send a batch; one that is refused as a whole is halved down to the guilty rows."""
        rows = [_row(plan.effect) for plan in plans]
        try:
            called = self._crm.update(job.kind, rows)
            return await failpoints.during("writeback.during_call", called), None
        except BatchRefused as error:
            if error.category == PROPERTY_MISSING:  # no row's own fault: none is guilty
                return [
                    Answered(row.id, "retry", {}, None, str(error), error.category) for row in rows
                ], None
            if len(plans) == 1:
                word = error.category or "VALIDATION_ERROR"
                return [Answered(rows[0].id, "permanent", {}, None, str(error), word)], None
        except VendorError as error:
            return [], error
        middle = len(plans) // 2
        answers: list[Answered] = []
        for half in (plans[:middle], plans[middle:]):
            await self._turns.take("write", urgent=job.urgent)
            told, failure = await self._send(job, half)
            answers += told
            if failure is not None:
                return answers, failure
        return answers, None

    async def _wait(self, unsent: Sequence[Planned], failure: VendorError | None) -> float:
        """Seconds before rows without an answer go out again."""
        if not isinstance(failure, Retryable):
            return 0.0
        await self._turns.tell(failure)
        attempts = max((plan.effect.attempts for plan in unsent), default=0)
        waits = settle.delay(self._settings.schedule, attempts)
        return max(failure.retry_after or 0.0, waits)


def _row(effect: Effect) -> UpdateRow:
    assert effect.sending is not None
    assert effect.sending_key is not None
    return UpdateRow(effect.vendor_id, effect.sending, effect.sending_key[:_TRACE_CHARACTERS])


def _stamp(job: Job, effect: Effect, at: datetime) -> dict[str, str]:
    name = job.mapping.get(LAST_SYNCED)
    if name is None or name in job.blocked:
        return {}
    return {name: "" if effect.closed else encode_field(LAST_SYNCED, at)}
