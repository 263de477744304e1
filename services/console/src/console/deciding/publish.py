"""Decisions into the log, and waiting until the matcher has folded them."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from plumbline_schemas.decisions import decision_key, subject_of
from plumbline_schemas.ids import OWN, ExternalKey, external_key, split_key
from plumbline_schemas.internal import Decision
from plumbline_schemas.observations import DecisionObservation
from plumbline_schemas.review_outputs import StandingDecision

from console.deciding.run import Desk, Refused
from console.deciding.standing import revisions, short_id, standing, told
from console.publishing import publish

_LOOK_SECONDS: Final = 0.05

Revisions = Mapping[ExternalKey, int]


def workspace_of(decision: Decision) -> str:
    """Whose decision it is; raises Refused for one that names nothing."""
    named = decision.customer or decision.record
    if named is None:
        raise Refused(f"{decision.action} names no customer and no record")
    return split_key(named).workspace


async def put(
    desk: Desk, decisions: Sequence[Decision], now: datetime
) -> tuple[Revisions, list[StandingDecision]]:
    """Append decisions to the log.

    Returns the revisions to wait for, and what stood on the same subjects before. A clock that was
    set back does not make an earlier decision win: the revision is above every folded one.
    """
    keys = {decision_key(workspace_of(one), one): one for one in decisions}
    before = await revisions(desk.db, keys)
    made: dict[ExternalKey, int] = {}
    observations = []
    for key, decision in keys.items():
        made[key] = max(int(now.timestamp() * 1000), before.get(key, -1) + 1)
        observations.append(
            DecisionObservation(
                workspace=workspace_of(decision),
                connection=OWN,
                id=subject_of(decision),
                vendor_time_ms=made[key],
                seen="event",
                origin="console",
                received_at=now,
                body=decision,
            )
        )
    named = [key for one in decisions for key in (one.customer, one.record) if key is not None]
    replaced = [
        one
        for one in await standing(desk.db, keys=named)
        if external_key(one.workspace, OWN, "decision", one.subject) in made and not one.withdrawn
    ]
    await publish(desk.kafka, observations)
    return made, replaced


async def folded(desk: Desk, made: Revisions, seconds: float) -> bool:
    """Wait until the matcher has taken all of them; False when it has not in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = await revisions(desk.db, made)
        if all(found.get(key, -1) >= revision for key, revision in made.items()):
            return True
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_LOOK_SECONDS)


def as_told(decisions: Sequence[Decision]) -> list[StandingDecision]:
    """Decisions just made, as they are shown."""
    found = []
    for decision in decisions:
        key = decision_key(workspace_of(decision), decision)
        found.append(told(short_id(key)[:8], key, decision))
    return found
