"""Recording what became of creations: each step is one transaction over locked rows."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import structlog
from plumbline_connectors.hubspot.outcomes import RowOutcome
from plumbline_schemas.errors import VendorError
from plumbline_schemas.ids import AccountId, ExternalKey
from plumbline_schemas.outcomes import WritebackOutcome

from writeback import creation_store, settle
from writeback.creations import Creation, properties_of
from writeback.outbox import save_outcomes
from writeback.session import Session
from writeback.settings import WritebackSettings
from writeback.store import Connection

log = structlog.get_logger()

_PATIENCE: Final = 8
"""Looks at a record that was made, after which a person is told that it is not linked."""


class Answer(NamedTuple):
    """A row that was sent, and what the vendor said of it."""

    row: Creation
    outcome: RowOutcome


async def look_again(
    conn: Connection, late: Sequence[Creation], at: datetime, settings: WritebackSettings
) -> None:
    """Have records read again that were made and are not linked yet."""
    keys = [row.record_key for row in late if row.record_key is not None]
    await creation_store.want_looks(conn, keys, "created", at)
    await creation_store.save(conn, [_waiting(row, at, settings) for row in late])


def _waiting(row: Creation, at: datetime, settings: WritebackSettings) -> Creation:
    if row.attempts >= _PATIENCE:
        message = f"record {row.vendor_id} was made for it, and is not linked to it"
        return row._replace(state="failed", since=at, last_error=message)
    pause = timedelta(seconds=settings.create_look * (row.attempts + 1))
    return row._replace(attempts=row.attempts + 1, next_attempt_at=at + pause)


async def postpone(
    session: Session,
    rows: Sequence[Creation],
    error: str,
    settings: WritebackSettings,
    *,
    looks: Collection[ExternalKey] = (),
    bounded: bool = True,
) -> None:
    """Try again later; records that were found are read, so that the matcher decides.

    A `bounded` reason is a person's after as many tries as a row has: the record was read, and the
    matcher neither linked it nor took the wish back.
    """
    if not rows:
        return
    at = session.now()
    async with session.transaction() as conn:
        locked = await creation_store.lock(conn, [(r.workspace, r.account_id) for r in rows])
        await creation_store.want_looks(conn, list(looks), "before_creation", at)
        due = [row for row in locked.values() if row.state in {"pending", "sending"}]
        after = [_tried(row, error, at, settings) for row in due]
        if not bounded:
            pairs = zip(after, due, strict=True)
            after = [new._replace(state=old.state, since=old.since) for new, old in pairs]
        await creation_store.save(conn, after)


def _tried(
    row: Creation, error: str, at: datetime, settings: WritebackSettings, wait: float = 0.0
) -> Creation:
    pause = max(wait, settle.delay(settings.schedule, row.attempts))
    failed = row.attempts + 1 >= settings.row_attempts
    return row._replace(
        state="failed" if failed else row.state,
        since=at if failed else row.since,
        attempts=row.attempts + 1,
        next_attempt_at=at + timedelta(seconds=pause),
        last_error=error,
    )


async def record(
    session: Session,
    claimed: Sequence[Creation],
    answers: Sequence[Answer],
    failure: VendorError | None,
    settings: WritebackSettings,
) -> None:
    """Record each row's answer; one without stays out, and is looked for before it goes again."""
    taken = [a for a in answers if a.outcome.status == "ok" and a.outcome.record is not None]
    made = [row._replace(vendor_id=str((told.record or {})["id"])) for row, told in taken]
    await record_made(session, made, settings)
    refused = {a.row.account_id: a.outcome for a in answers if a not in taken}
    answered = {a.row.account_id for a in answers}
    at = session.now()
    wait = getattr(failure, "retry_after", None) or 0.0
    async with session.transaction() as conn:
        locked = await creation_store.lock(conn, [(r.workspace, r.account_id) for r in claimed])
        out = [row for row in locked.values() if row.state == "sending"]
        after = [
            _refused(row, refused[row.account_id], at, settings)
            for row in out
            if row.account_id in refused
        ]
        after += [
            _tried(row, str(failure), at, settings, wait)._replace(state="sending")
            for row in out
            if row.account_id not in answered
        ]
        await creation_store.save(conn, after)


def _refused(
    row: Creation, outcome: RowOutcome, at: datetime, settings: WritebackSettings
) -> Creation:
    """The vendor did not take it: not made, so it goes back in line, or is given up."""
    error = outcome.error or "the CRM refused it"
    tried = _tried(row._replace(state="pending", since=at), error, at, settings)
    return tried._replace(state="failed") if outcome.status == "permanent" else tried


async def record_made(
    session: Session, rows: Sequence[Creation], settings: WritebackSettings
) -> None:
    """Records are there: note them, and have them read, so that the matcher links them."""
    if not rows:
        return
    at = session.now()
    async with session.transaction() as conn:
        locked = await creation_store.lock(conn, [(r.workspace, r.account_id) for r in rows])
        after = [
            now._replace(
                vendor_id=row.vendor_id,
                state="created" if now.wanted else "done",
                since=at,
                attempts=0,
                next_attempt_at=at + timedelta(seconds=settings.create_look),
                last_error=None,
            )
            for row in rows
            if (now := locked.get((row.workspace, row.account_id))) is not None
            and now.state != "done"
        ]
        await creation_store.save(conn, after)
        keys = [row.record_key for row in after if row.record_key is not None]
        await creation_store.want_looks(conn, keys, "created", at)
        await save_outcomes(conn, [_outcome(row, at) for row in after])
    for row in after:
        log.info("record_created", record=row.record_key, account=row.account_id)


def _outcome(row: Creation, at: datetime) -> WritebackOutcome:
    return WritebackOutcome(
        workspace=row.workspace,
        connection=row.connection,
        record=row.record_key or ExternalKey(row.subject),
        account=AccountId(row.account_id),
        version=row.state_version,
        result="created",
        properties=properties_of(row),
        idempotency_key=row.account_id,
        attempts=row.attempts + 1,
        received_at=row.received_at,
        written_at=at,
    )
