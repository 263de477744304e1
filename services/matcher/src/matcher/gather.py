"""Load what a run of records can touch: one round trip per table and hop (design 6).

Hops: the objects themselves and their customers; the customers that wait on a changed CRM record;
the CRM records those customers could match; the accounts behind all of them, with every customer
and object of each; the catalogue objects they name.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg
from plumbline_domain.facts import EPOCH
from plumbline_schemas.billing import BillingCustomer, Subscription
from plumbline_schemas.crm import CrmRecord
from plumbline_schemas.ids import AccountId, ExternalKey, account_id, external_key
from plumbline_schemas.observations import (
    AnyObservation,
    CompanyObservation,
    ContactObservation,
    DecisionObservation,
)

from matcher.identity_gather import IdentitySeeds, gather_identity
from matcher.identity_parties import party_of_customer, party_of_record, side_of
from matcher.linked import load_accounts_links, load_links
from matcher.loading import load_accounts, load_decisions, load_kept, load_objects
from matcher.needs import catalogue_needs, tax_ids_key
from matcher.rows import ObjectRow, WorkspaceRow
from matcher.shares import stale_shares
from matcher.snapshot import Snapshot
from matcher.stored import body_of, instant
from matcher.told import tax_ids_in


@dataclass(slots=True)
class Seeds:
    """Where a run of records starts to pull."""

    objects: set[ExternalKey] = field(default_factory=set)
    customers: set[ExternalKey] = field(default_factory=set)
    records: set[ExternalKey] = field(default_factory=set)
    lost: set[ExternalKey] = field(default_factory=set)
    accounts: set[AccountId] = field(default_factory=set)
    adopting: set[AccountId] = field(default_factory=set)
    """Those that records were created for."""
    identity: IdentitySeeds = field(default_factory=IdentitySeeds)
    rematch: bool = False
    """Whether the accounts are decided again."""
    catalogue: set[ExternalKey] = field(default_factory=set)
    decisions: set[ExternalKey] = field(default_factory=set)
    newest: datetime = EPOCH
    """No fold of the run looks at a later instant than this, or than the newest stored."""

    def take_missing(self, snapshot: Snapshot) -> None:
        """Pull as well what decisions turned out to need.

        Raises RuntimeError when all of it had been pulled: deciding again would go round for ever.
        """
        known = len(self.objects) + self.identity.size
        self.objects |= snapshot.unloaded
        self.identity.take_missing(snapshot)
        if len(self.objects) + self.identity.size == known:
            lacking = sorted(snapshot.unloaded | snapshot.unlinked)[:5]
            raise RuntimeError(f"decisions lack what was loaded, such as {lacking}")


def seeds_of(
    observations: Sequence[AnyObservation],
    workspace: WorkspaceRow,
    held: Mapping[ExternalKey, ObjectRow],
) -> Seeds:
    """What the records themselves name; `held` are the objects that are here already."""
    seeds = Seeds()
    told = _tax_ids_told(observations)
    for observation in observations:
        key, body = observation.key, observation.body
        if isinstance(observation, DecisionObservation):
            _seed_decision(seeds, observation)
            continue
        seeds.objects.add(key)
        seeds.newest = max(seeds.newest, instant(observation.vendor_time_ms))
        if observation.parent_key is not None:
            seeds.customers.add(observation.parent_key)
        if observation.kind == "customer":
            seeds.customers.add(key)
            if isinstance(body, BillingCustomer):
                for numbers in {tax_ids_in(held.get(tax_ids_key(key))), *told.get(key, ())}:
                    profile = party_of_customer(key, body, workspace, numbers)
                    seeds.identity.add("customer", profile)
        elif isinstance(observation, CompanyObservation | ContactObservation):
            _seed_record(seeds, observation, workspace)
        if isinstance(body, Subscription | BillingCustomer):
            seeds.catalogue |= catalogue_needs(key, body)
    return seeds


def _tax_ids_told(
    observations: Iterable[AnyObservation],
) -> dict[ExternalKey, set[tuple[str, ...]]]:
    """What reads among the records say of customers' tax ids: later events keep it."""
    found: dict[ExternalKey, set[tuple[str, ...]]] = {}
    for one in observations:
        if isinstance(one.body, BillingCustomer) and one.body.tax_ids is not None:
            found.setdefault(one.key, set()).add(one.body.tax_ids)
    return found


def _seed_decision(seeds: Seeds, observation: DecisionObservation) -> None:
    seeds.decisions.add(observation.key)
    body = observation.body
    named = () if body is None else (body.customer, body.record, body.other)
    for key in (one for one in named if one is not None):
        if side_of(key) == "customer":
            seeds.identity.ruled.add(key)
        else:
            seeds.identity.records.add(key)
            seeds.identity.linked.add(key)


def catalogue_named(observations: Iterable[AnyObservation]) -> set[ExternalKey]:
    """Catalogue objects that subscriptions and customers among the records name."""
    bodies = ((one.key, one.body) for one in observations)
    return {
        need
        for key, body in bodies
        if isinstance(body, Subscription | BillingCustomer)
        for need in catalogue_needs(key, body)
    }


def _sibling(observation: AnyObservation, kind: str, vendor_id: str) -> ExternalKey:
    return external_key(observation.workspace, observation.connection, kind, vendor_id)


def _beside(key: ExternalKey, vendor_id: str) -> ExternalKey:
    workspace, connection, kind, _ = key.split("/", 3)
    return external_key(workspace, connection, kind, vendor_id)


def _seed_record(
    seeds: Seeds, observation: CompanyObservation | ContactObservation, workspace: WorkspaceRow
) -> None:
    seeds.records.add(observation.key)
    if observation.deleted:
        seeds.lost.add(observation.key)
    body = observation.body
    if body is None:
        return
    if body.account_id is not None:
        seeds.adopting.add(AccountId(body.account_id))
    profile = party_of_record(observation.key, body, workspace)
    if profile is not None:
        seeds.identity.add("record", profile)
    for merged in body.merged_ids:
        seeds.records.add(_sibling(observation, observation.kind, merged))


async def gather(conn: asyncpg.Connection, snapshot: Snapshot, seeds: Seeds) -> None:
    """Complete the snapshot so that all the records the seeds come from can be decided in it."""
    _seed_stored_records(snapshot, seeds)
    customers = seeds.customers | _stored_parents(snapshot, seeds)
    await load_links(conn, snapshot, customers | seeds.records)
    seeds.accounts |= seeds.adopting
    await load_accounts_links(conn, snapshot, seeds.accounts)
    for account in seeds.adopting:
        seeds.identity.decided |= set(snapshot.customers_of(account))
    seeds.identity.decisions |= seeds.decisions
    seeds.identity.records |= seeds.records
    seeds.identity.lost |= seeds.lost
    seeds.identity.decided |= _losing(snapshot, seeds)
    moving = await gather_identity(conn, snapshot, seeds.identity, customers)
    await _gather_accounts(conn, snapshot, customers, moving, seeds)
    await load_decisions(conn, snapshot, seeds.decisions)


def _stored_parents(snapshot: Snapshot, seeds: Seeds) -> set[ExternalKey]:
    """Customers that objects are known to hang on, whatever an observation of them says now."""
    rows = (snapshot.objects.get(key) for key in seeds.objects)
    return {row.parent_key for row in rows if row is not None and row.parent_key is not None}


def _seed_stored_records(snapshot: Snapshot, seeds: Seeds) -> None:
    """What is held of a CRM record may stand again: a late sight revives a deleted one as it was.

    The profile of a living one is stored.
    """
    for key in sorted(seeds.records & seeds.objects):
        row = snapshot.objects.get(key)
        if row is None or (body := body_of(row, CrmRecord)) is None:
            continue
        seeds.records |= {_beside(key, merged) for merged in body.merged_ids}
        if body.account_id is not None:
            seeds.adopting.add(AccountId(body.account_id))
        profile = party_of_record(key, body, snapshot.workspace)
        if row.deleted and profile is not None:
            seeds.identity.add("record", profile)


def _losing(snapshot: Snapshot, seeds: Seeds) -> set[ExternalKey]:
    """Customers whose account may lose its record in this run, or is decided for itself."""
    links = (snapshot.link(key) for key in (seeds.records if seeds.lost else ()))
    accounts = {link.account_id for link in links if link is not None}
    if seeds.rematch:
        accounts |= {one for one in seeds.accounts if not snapshot.records_of(one)}
    return {key for account in accounts for key in snapshot.customers_of(account)}


async def _gather_accounts(
    conn: asyncpg.Connection,
    snapshot: Snapshot,
    customers: set[ExternalKey],
    moving: set[ExternalKey],
    seeds: Seeds,
) -> None:
    """The accounts behind customers and records, whole; their links are loaded."""
    links = (snapshot.link(key) for key in customers | moving | seeds.records)
    accounts = seeds.accounts | {link.account_id for link in links if link is not None}
    for account in accounts:
        customers |= set(snapshot.customers_of(account))
    if seeds.decisions:
        accounts |= {account_id(customer) for customer in customers}
    await load_accounts(conn, snapshot, accounts)
    await load_objects(conn, snapshot, seeds.objects | customers)
    await load_kept(conn, snapshot, customers - snapshot.complete)
    snapshot.complete |= customers
    needed = seeds.catalogue.union(
        *(book.needs for book in snapshot.books.values()),
        *(row.needs for row in map(snapshot.objects.get, customers) if row is not None),
    )
    snapshot.catalogue.needed |= needed
    await load_objects(conn, snapshot, needed)
    stale = stale_shares(snapshot, customers, seeds.newest)
    await load_objects(conn, snapshot, stale)
