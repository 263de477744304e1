"""The two consumers: account states, and what the workspace's log says of CRM records."""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Protocol

import asyncpg
from plumbline_runtime.postgres import transaction
from plumbline_runtime.records import Batch, Record
from plumbline_schemas.accounts import AccountState
from plumbline_schemas.ids import split_key
from plumbline_schemas.observations import (
    BILLING_KINDS,
    CompanyObservation,
    ConfigObservation,
    ContactObservation,
    DecisionObservation,
    WalkObservation,
    decode_observation,
)
from plumbline_schemas.topics import Topic
from pydantic import ValidationError

from writeback.handle import (
    OwnObservation,
    StateChange,
    fold_observations,
    fold_states,
)
from writeback.plan import Moment, crm_links
from writeback.session import database_time
from writeback.sights import CrmObservation

_SKIPPED_KINDS = BILLING_KINDS | {"tick"}


class DeadLetterSink(Protocol):
    """The runtime's way out for records that cannot be handled."""

    async def send(
        self,
        record: Record,
        topic: Topic,
        *,
        reason: str,
        error: BaseException | str,
        connection: str = "",
    ) -> None:
        """Store the record, untouched, in the topic's dead-letter topic."""


class _Handler:
    def __init__(
        self,
        pool: asyncpg.Pool,
        dead_letters: DeadLetterSink,
        wake: Callable[[], None],
        *delays: float,
    ) -> None:
        """`delays` in seconds, as `Moment` has them: before a blank, a doubt, a creation."""
        self._pool = pool
        self._dead_letters = dead_letters
        self._wake = wake
        self._delays = tuple(timedelta(seconds=delay) for delay in delays)

    async def _moment(self, conn: asyncpg.Connection) -> Moment:
        now = await database_time(conn)
        return Moment(now, *self._delays)

    async def _bury(self, batch: Batch, dead: Iterable[tuple[Record, Exception]]) -> None:
        for record, error in dead:
            await self._dead_letters.send(record, batch.topic, reason="invalid", error=error)


class AccountsHandler(_Handler):
    """Handles batches of `accounts.state.v1`: only effects change, no vendor is called."""

    async def handle(self, batch: Batch) -> None:
        """Fold the batch's states and move the position in one transaction."""
        changes, dead = decode_states(batch.records)
        await self._bury(batch, dead)

        async def apply(conn: asyncpg.Connection) -> int:
            changed = await fold_states(conn, changes, await self._moment(conn))
            await batch.advance(conn)
            wishing = any(one.state and one.state.wanted_record for one in changes)
            return len(changed) + wishing

        effects = await transaction(self._pool, apply)
        if effects:
            self._wake()
        batch.counts.update(effects=effects, dead_letters=len(dead))


def decode_states(
    records: Sequence[Record],
) -> tuple[list[StateChange], list[tuple[Record, Exception]]]:
    """Decode states and tombstones in log order; what can't be read comes second."""
    changes: list[StateChange] = []
    dead: list[tuple[Record, Exception]] = []
    for record in records:
        try:
            if record.value is None:
                changes.append(StateChange(None, (record.key or b"").decode(), None))
                continue
            state = AccountState.model_validate_json(record.value)
            crm_links(state)
        except (ValidationError, ValueError) as error:
            dead.append((record, error))
        else:
            changes.append(StateChange(state.workspace, state.id, state, record.value))
    return changes, dead


class CrmHandler(_Handler):
    """Handles batches of `observations.v1`: CRM records, walk markers, configuration, decisions."""

    async def handle(self, batch: Batch) -> None:
        """Fold the batch's observations and move the position in one transaction."""
        observations, dead = decode_observations(batch.records)
        await self._bury(batch, dead)

        async def apply(conn: asyncpg.Connection) -> bool:
            due = False
            moment = await self._moment(conn)
            for workspace in sorted({one.workspace for one in observations}):
                records = [
                    one
                    for one in observations
                    if one.workspace == workspace
                    and isinstance(one, CompanyObservation | ContactObservation)
                ]
                own = [
                    one
                    for one in observations
                    if one.workspace == workspace
                    and isinstance(one, ConfigObservation | DecisionObservation | WalkObservation)
                ]
                due |= await fold_observations(conn, workspace, records, own, moment)
            await batch.advance(conn)
            return due

        if await transaction(self._pool, apply):
            self._wake()
        batch.counts.update(crm_records=len(observations), dead_letters=len(dead))


def decode_observations(
    records: Sequence[Record],
) -> tuple[list[CrmObservation | OwnObservation], list[tuple[Record, Exception]]]:
    """Decode what concerns writeback, in log order; what can't be read comes second.

    The key names the kind, so the billing half of the log costs no decoding.
    """
    wanted: list[CrmObservation | OwnObservation] = []
    dead: list[tuple[Record, Exception]] = []
    for record in records:
        if _kind(record) in _SKIPPED_KINDS:
            continue
        try:
            if record.value is None:
                raise ValueError("an observation without a value")
            observation = decode_observation(record.value)
        except (ValidationError, ValueError) as error:
            dead.append((record, error))
            continue
        if isinstance(
            observation,
            CompanyObservation
            | ContactObservation
            | ConfigObservation
            | DecisionObservation
            | WalkObservation,
        ):
            wanted.append(observation)
    return wanted, dead


def _kind(record: Record) -> str | None:
    try:
        return split_key((record.key or b"").decode()).kind
    except ValueError:
        return None
