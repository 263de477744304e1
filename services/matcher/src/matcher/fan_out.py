"""Records that touch many accounts: ticks, configuration, walks, rates, the catalogue.

Folded completely, ordered by account id, before the next record. Each transaction takes a number
of accounts and leaves a cursor (partition, offset, last account); the input position moves with
the last one, so a crash in between repeats nothing and skips nothing (design 6).
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import Any

import asyncpg
from plumbline_domain.account import FOLD_VERSION
from plumbline_runtime.postgres import transaction
from plumbline_schemas.billing import CATALOGUE_KINDS
from plumbline_schemas.ids import AccountId, ExternalKey
from plumbline_schemas.observations import (
    AnyObservation,
    ConfigObservation,
    RatesObservation,
    TickObservation,
    WalkObservation,
)

from matcher.apart import let_go_of_records
from matcher.cause import cause_of
from matcher.decide import OwnObservation, refold_all, take_object, take_own
from matcher.gather import Seeds, gather
from matcher.identity_parties import decided_by
from matcher.lacking import settle
from matcher.loading import read_workspace
from matcher.matching import rematch
from matcher.rate_tables import RateShelf, rates_need, store_table
from matcher.rows import WorkspaceRow
from matcher.snapshot import Snapshot
from matcher.store import apply
from matcher.told import parts_of

_DUE = """
select account_id from (
    select account_id from matcher.accounts where workspace = $1 and due_at <= $3
    union
    select account_id from matcher.accounts
    where workspace = $1 and fold_version < $5 and merged_into is null) due
where account_id > $2 order by account_id limit $4
"""
_DUE_OR_WAITING = """
select account_id from (
    select account_id from matcher.accounts where workspace = $1 and due_at <= $3
    union
    select account_id from matcher.accounts
    where workspace = $1 and merged_into is null and (waiting or fold_version < $5)) due
where account_id > $2 order by account_id limit $4
"""
_ALL = """
select account_id from matcher.accounts
where workspace = $1 and account_id > $2 and merged_into is null
order by account_id limit $3
"""
_WAITING = """
select account_id from matcher.accounts
where workspace = $1 and account_id > $2 and waiting
order by account_id limit $3
"""
_DEPENDANTS = """
select distinct l.account_id
from (select distinct coalesce(parent_key, key) as parent_key from matcher.objects
      where needs <> '{}' and needs @> array[$4::text]) o
cross join lateral (
    select account_id from matcher.links
    where workspace = $1 and key = o.parent_key and closed_version is null offset 0) l
where l.account_id > $2 order by l.account_id limit $3
"""

_DEPENDED_ON = """
select wanted.key from unnest($1::text[]) as wanted (key)
cross join lateral (
    select 1 from matcher.objects
    where needs <> '{}' and needs @> array[wanted.key] limit 1) found
"""


def fans_out(observation: AnyObservation, catalogue: Collection[ExternalKey]) -> bool:
    """Whether a record is folded apart; `catalogue` holds the catalogue objects in use."""
    if isinstance(observation, OwnObservation):
        return True
    return observation.kind in CATALOGUE_KINDS and observation.key in catalogue


async def catalogue_with_dependants(
    pool: asyncpg.Pool, keys: Collection[ExternalKey]
) -> set[ExternalKey]:
    """Which of the catalogue objects some stored subscription depends on.

    Their keys name the workspace, so the index of `needs` alone finds them.
    """

    async def look_up(conn: asyncpg.Connection) -> set[ExternalKey]:
        rows = await conn.fetch(_DEPENDED_ON, list(keys))
        return {ExternalKey(row["key"]) for row in rows}

    return await transaction(pool, look_up)


class FanOut:
    """Folds one such record, `accounts` of them a transaction."""

    def __init__(self, *, silent: bool, accounts: int, rates: RateShelf) -> None:
        self._rates = rates
        self._silent = silent
        self._accounts = accounts

    async def step(
        self,
        conn: asyncpg.Connection,
        *,
        place: dict[str, int],
        observation: AnyObservation,
        advance: Callable[[asyncpg.Connection], Awaitable[None]],
    ) -> bool:
        """One transaction; True when it was the last one of this record."""
        was = await read_workspace(conn, observation.workspace)
        after = _resume(was, place)
        workspace = replace(was)
        relevant = True
        if after is None and isinstance(observation, OwnObservation):
            relevant = take_own(workspace, observation)
            if relevant and isinstance(observation, RatesObservation):
                await store_table(conn, observation)
        rates = await self._rates.rates(conn, workspace)
        accounts = await self._select(conn, workspace, observation, after) if relevant else []
        rematches = _rematches(observation, workspace)
        seeds = Seeds(accounts=set(accounts), rematch=rematches)
        if not isinstance(observation, OwnObservation):
            seeds.objects |= {observation.key, *(part.key for part in parts_of(observation))}
        while True:
            snapshot = Snapshot(replace(workspace), rates)
            found = await self._decide(
                conn, snapshot, seeds, observation, first=after is None, relevant=relevant
            )
            if not snapshot.lacks:
                break
            seeds.take_missing(snapshot)
        finished = not found or len(accounts) < self._accounts
        if finished and relevant and rematches:
            snapshot.workspace.decided_basis = decided_by(snapshot.workspace)
        snapshot.workspace.cursor = None if finished else {**place, "after": accounts[-1]}
        await settle(conn, snapshot)
        await apply(conn, snapshot, was=was, silent=self._silent)
        if finished:
            await advance(conn)
        return finished

    async def _decide(
        self,
        conn: asyncpg.Connection,
        snapshot: Snapshot,
        seeds: Seeds,
        observation: AnyObservation,
        *,
        first: bool,
        relevant: bool,
    ) -> bool:
        """Fold the accounts of one transaction; in the `first` a catalogue object is stored.

        False when the record turns out to be no news.
        """
        accounts = sorted(seeds.accounts)
        if not isinstance(observation, OwnObservation):
            snapshot.catalogue_moved.add(observation.key)
        await gather(conn, snapshot, seeds)
        if first and not isinstance(observation, OwnObservation):
            relevant = take_object(snapshot, observation, cause_of(observation))
        if relevant:
            self._fold(snapshot, observation, accounts)
        return relevant

    def _fold(
        self, snapshot: Snapshot, observation: AnyObservation, accounts: list[AccountId]
    ) -> None:
        cause = cause_of(observation)
        for account in accounts:
            if snapshot.accounts[account].merged_into is not None:
                continue
            snapshot.next_record()
            touched = {account}
            if _rematches(observation, snapshot.workspace):
                touched |= let_go_of_records(snapshot, account)
                touched |= rematch(snapshot, account)
            refold_all(snapshot, touched, cause)

    async def _select(
        self,
        conn: asyncpg.Connection,
        workspace: WorkspaceRow,
        observation: AnyObservation,
        after: str | None,
    ) -> list[AccountId]:
        query, more = self._query(workspace, observation)
        rows = await conn.fetch(query, workspace.workspace, after or "", *more)
        return [AccountId(row["account_id"]) for row in rows]

    def _query(self, workspace: WorkspaceRow, observation: AnyObservation) -> tuple[str, list[Any]]:
        if isinstance(observation, TickObservation):
            query = _DUE_OR_WAITING if _rematches(observation, workspace) else _DUE
            return query, [workspace.now, self._accounts, FOLD_VERSION]
        if isinstance(observation, ConfigObservation):
            return _ALL, [self._accounts]
        if isinstance(observation, WalkObservation):
            return _WAITING, [self._accounts if workspace.whole_book else 0]
        if isinstance(observation, RatesObservation):
            return _DEPENDANTS, [self._accounts, rates_need(workspace.workspace)]
        return _DEPENDANTS, [self._accounts, observation.key]


def _rematches(observation: AnyObservation, workspace: WorkspaceRow) -> bool:
    """Whether accounts without a CRM record are decided again.

    After an upgrade of the rules of identity the first tick does that, as with all other rules.
    """
    if isinstance(observation, TickObservation):
        return workspace.decided_basis != decided_by(workspace)
    return isinstance(observation, WalkObservation | ConfigObservation)


def _resume(workspace: WorkspaceRow, place: dict[str, int]) -> str | None:
    """The last account an interrupted fold of this very record reached."""
    cursor = workspace.cursor
    if cursor is None or any(cursor.get(name) != value for name, value in place.items()):
        return None
    return str(cursor["after"])
