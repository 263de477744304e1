"""Writes that may be carried out later than the next one: looked for until none can be (design 7).

A call that timed out or was cut may reach the CRM after a newer value was written, and overwrite
it; its notification comes from our own app and is skipped like any other echo. So an effect
remembers every body without an answer, and while one of them says other than what is wanted now,
its record is read again: three times within the window, the last time at its end. No answer
missing, or no newer value: no read.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog
from plumbline_domain.ownership import SameValue

from writeback import store
from writeback.crm import Sight
from writeback.effects import Effect
from writeback.gate import WorkspaceFacts
from writeback.job import Job
from writeback.metrics import LATE_LOOKS
from writeback.session import Session
from writeback.sights import recheck, sighted

log = structlog.get_logger()

_LOOKS: Final = (1 / 12, 1 / 4, 1.0)
"""Parts of the window after which the record is looked at; the last look is the one that counts,
those before it mend sooner."""
_MOST: Final = 16
"""Values remembered of a property, the newest: as many bodies in a row without any answer."""


class Reader(Protocol):
    """Who reads records within the connection's budget."""

    @property
    def window(self) -> timedelta:
        """How long a call without an answer may still be carried out."""

    async def read(self, job: Job, ids: list[str]) -> tuple[dict[str, Sight], list[str]]:
        """Sights by id, and ids that are not there; raises VendorError."""


def unanswered(effect: Effect, at: datetime, window: timedelta) -> Effect:
    """The effect, told that the call before this one ended without an answer, if it did."""
    if effect.sending is None or effect.sending_since is None:
        return effect
    late: dict[str, list[str]] = {name: list(values) for name, values in effect.late.items()}
    for name, value in effect.sending.items():
        if name not in effect.stamp:
            others = [known for known in late.get(name, ()) if known != value]
            late[name] = [*others, value][-_MOST:]
    until = at + window
    return effect._replace(late=late, late_until=until, look_at=_next_look(until, at, window))


def _next_look(until: datetime, at: datetime, window: timedelta) -> datetime | None:
    looks = (until - window * (1 - part) for part in _LOOKS)
    return next((look for look in looks if look > at), None)


def uncertain(effect: Effect, same: SameValue) -> bool:
    """Whether a body without an answer says other than what is wanted now."""
    return any(
        name in effect.desired and not same(name, value, effect.desired[name])
        for name, values in effect.late.items()
        for value in values
    )


def looked(effect: Effect, at: datetime, window: timedelta) -> Effect:
    """The effect after a look that began at `at`; after the last one nothing can come any more."""
    if effect.late_until is None or at >= effect.late_until:
        return effect._replace(late={}, late_until=None, look_at=None)
    return effect._replace(look_at=_next_look(effect.late_until, at, window))


async def look_back(
    session: Session, reader: Reader, job: Job, facts: WorkspaceFacts, effects: Sequence[Effect]
) -> None:
    """Read those of the records that are uncertain and have what differs written again.

    Raises VendorError, after which the same are due to be looked at again.
    """
    began = session.now()
    ids = [one.vendor_id for one in effects if uncertain(one, job.same)]
    async with session.turn() as conn:
        before = await store.seen(conn, [one.id for one in effects])
    found, _ = await reader.read(job, ids) if ids and job.mapping else ({}, [])
    async with session.transaction() as conn:
        locked = await store.lock_effects(conn, [one.id for one in effects])
        read = [one for one in locked.values() if one.vendor_id in ids]
        known = await store.seen(conn, [one.id for one in read])
        sights = {
            one.id: sighted(
                known.get(one.id),
                one.id,
                found.get(one.vendor_id),
                began,
                before=before.get(one.id),
            )
            for one in (read if job.mapping else ())
        }
        await store.save_seen(conn, sights.values())
        after = {
            one.id: recheck(one, sights[one.id], facts, began)
            if one.id in sights and one.state in {"applied", "held"}
            else one
            for one in locked.values()
        }
        await store.save_effects(
            conn, [looked(one, began, reader.window) for one in after.values()], locked
        )
    _tell(job, len(ids), [one for key, one in locked.items() if after[key] != one])


def _tell(job: Job, read: int, wrong: Sequence[Effect]) -> None:
    LATE_LOOKS.labels(job.target, "different").inc(len(wrong))
    LATE_LOOKS.labels(job.target, "equal").inc(read - len(wrong))
    for one in wrong:
        words: Mapping[str, str] = {"record": one.id.key, "account": one.account_id}
        log.warning("late_write_found", target=job.target, **words)
