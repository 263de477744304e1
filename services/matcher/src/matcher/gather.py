"""Load what a run of records can touch: one round trip per table and hop (design 6).

Hops: the objects themselves and their customers; the customers that wait on a changed CRM record;
the CRM records those customers could match; the accounts behind all of them, with every customer
and object of each; the catalogue objects they name.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg
from plumbline_domain.facts import EPOCH
from plumbline_domain.identity.exact import MatchKey, customer_keys, record_keys
from plumbline_schemas.billing import BillingCustomer, Subscription
from plumbline_schemas.crm import CrmRecord
from plumbline_schemas.ids import AccountId, ExternalKey, external_key
from plumbline_schemas.observations import (
    AnyObservation,
    CompanyObservation,
    DecisionObservation,
)

from matcher.loading import (
    load_accounts,
    load_decisions,
    load_kept,
    load_objects,
    owned_keys,
    read_links,
    record_holders,
    waiting_customers,
)
from matcher.needs import catalogue_needs
from matcher.shares import stale_shares
from matcher.snapshot import Snapshot
from matcher.stored import body_of, instant


@dataclass(slots=True)
class Seeds:
    """Where a run of records starts to pull."""

    objects: set[ExternalKey] = field(default_factory=set)
    customers: set[ExternalKey] = field(default_factory=set)
    records: set[ExternalKey] = field(default_factory=set)
    lost: set[ExternalKey] = field(default_factory=set)
    accounts: set[AccountId] = field(default_factory=set)
    customer_keys: set[MatchKey] = field(default_factory=set)
    record_keys: set[MatchKey] = field(default_factory=set)
    catalogue: set[ExternalKey] = field(default_factory=set)
    decisions: set[ExternalKey] = field(default_factory=set)
    newest: datetime = EPOCH
    """No fold of the run looks at a later instant than this, or than the newest stored."""


def seeds_of(observations: Iterable[AnyObservation]) -> Seeds:
    """What the records themselves name."""
    seeds = Seeds()
    for observation in observations:
        key, body = observation.key, observation.body
        if isinstance(observation, DecisionObservation):
            seeds.decisions.add(key)
            continue
        seeds.objects.add(key)
        seeds.newest = max(seeds.newest, instant(observation.vendor_time_ms))
        if observation.parent_key is not None:
            seeds.customers.add(observation.parent_key)
        if observation.kind == "customer":
            seeds.customers.add(key)
            customer = body if isinstance(body, BillingCustomer) else None
            seeds.customer_keys |= customer_keys(observation.id, customer)
        elif isinstance(observation, CompanyObservation):
            _seed_record(seeds, observation)
        if isinstance(body, Subscription | BillingCustomer):
            seeds.catalogue |= catalogue_needs(key, body)
    return seeds


def _sibling(observation: AnyObservation, kind: str, vendor_id: str) -> ExternalKey:
    return external_key(observation.workspace, observation.connection, kind, vendor_id)


def _beside(key: ExternalKey, vendor_id: str) -> ExternalKey:
    workspace, connection, kind, _ = key.split("/", 3)
    return external_key(workspace, connection, kind, vendor_id)


def _seed_record(seeds: Seeds, observation: CompanyObservation) -> None:
    seeds.records.add(observation.key)
    if observation.deleted:
        seeds.lost.add(observation.key)
    body = observation.body
    if body is None:
        return
    seeds.record_keys |= record_keys(observation.id, body)
    for merged in body.merged_ids:
        seeds.records.add(_sibling(observation, observation.kind, merged))


async def gather(conn: asyncpg.Connection, snapshot: Snapshot, seeds: Seeds) -> None:
    """Complete the snapshot so that all the records the seeds come from can be decided in it."""
    name = snapshot.workspace.workspace
    _seed_stored_records(snapshot, seeds)
    customers = seeds.customers | _stored_parents(snapshot, seeds)
    await _load_links(conn, snapshot, customers | seeds.records)
    await _load_accounts_links(conn, snapshot, seeds.accounts)
    if not _moves_records(seeds):
        customers -= _matched(snapshot, customers)
    waiting_for = set(seeds.record_keys)
    if seeds.records:
        owned = await owned_keys(conn, name, seeds.records)
        waiting_for = waiting_for.union(*owned.values())
    waiting = await waiting_customers(conn, name, waiting_for)
    await _load_links(conn, snapshot, waiting)
    await _gather_matches(conn, snapshot, customers | waiting, seeds)
    customers |= seeds.customers | _stored_parents(snapshot, seeds) | waiting
    await _gather_accounts(conn, snapshot, customers, seeds)
    await load_decisions(conn, snapshot, seeds.decisions)


def _stored_parents(snapshot: Snapshot, seeds: Seeds) -> set[ExternalKey]:
    """Customers that objects are known to hang on, whatever an observation of them says now."""
    rows = (snapshot.objects.get(key) for key in seeds.objects)
    return {row.parent_key for row in rows if row is not None and row.parent_key is not None}


def _seed_stored_records(snapshot: Snapshot, seeds: Seeds) -> None:
    """What is held of a CRM record may stand again: a late sight revives a deleted one as it was.

    The match keys of a living one are stored.
    """
    for key in sorted(seeds.records & seeds.objects):
        row = snapshot.objects.get(key)
        if row is None or (body := body_of(row, CrmRecord)) is None:
            continue
        seeds.records |= {_beside(key, merged) for merged in body.merged_ids}
        if row.deleted:
            seeds.record_keys |= record_keys(key.split("/", 3)[3], body)


async def _gather_matches(
    conn: asyncpg.Connection, snapshot: Snapshot, customers: set[ExternalKey], seeds: Seeds
) -> None:
    """Everything that decides the matches of these customers' accounts.

    An account is matched by all its customers. Where records go, an account that is found by one
    customer may lose its record within the run, so those found are pursued to the end.
    """
    owners: set[ExternalKey] = set()
    fresh = _with_siblings(snapshot, customers | _losing(snapshot, seeds))
    while fresh or not owners:
        asked = (fresh | seeds.records | (seeds.objects & seeds.customers)) - owners
        owned = await owned_keys(conn, snapshot.workspace.workspace, asked)
        for owner in asked:
            snapshot.load_keys_of(owner, owned.get(owner, frozenset()))
        owners |= asked
        before = set(seeds.records)
        await _gather_candidates(conn, snapshot, fresh, seeds)
        await _load_links(conn, snapshot, seeds.records - before)
        if not asked:
            return
        fresh = _with_siblings(snapshot, _losing(snapshot, seeds)) - owners


def _losing(snapshot: Snapshot, seeds: Seeds) -> set[ExternalKey]:
    """Customers whose account may lose its record in this run, or is folded for itself."""
    records = seeds.records if seeds.lost else set()
    links = (snapshot.link(key) for key in records)
    accounts = seeds.accounts | {link.account_id for link in links if link is not None}
    return {key for account in accounts for key in snapshot.customers_of(account)}


def _with_siblings(snapshot: Snapshot, customers: set[ExternalKey]) -> set[ExternalKey]:
    """These customers and all others of their accounts."""
    links = (snapshot.link(key) for key in customers)
    accounts = {link.account_id for link in links if link is not None}
    return customers | {key for account in accounts for key in snapshot.customers_of(account)}


def _moves_records(seeds: Seeds) -> bool:
    """Whether an account may lose its CRM record in this run, and need another one."""
    return bool(seeds.records or seeds.record_keys or seeds.lost or seeds.accounts)


def _matched(snapshot: Snapshot, customers: set[ExternalKey]) -> set[ExternalKey]:
    """Customers whose account has a CRM record: nothing is sought for them."""
    links = ((key, snapshot.link(key)) for key in customers)
    return {key for key, link in links if link and snapshot.records_of(link.account_id)}


async def _load_links(conn: asyncpg.Connection, snapshot: Snapshot, keys: set[ExternalKey]) -> None:
    """Load the links of the accounts behind external keys."""
    unseen = {key for key in keys if snapshot.link(key) is None}
    direct = await read_links(conn, snapshot.workspace.workspace, keys=unseen)
    await _load_accounts_links(conn, snapshot, {link.account_id for link in direct})


async def _load_accounts_links(
    conn: asyncpg.Connection, snapshot: Snapshot, accounts: set[AccountId]
) -> None:
    for link in await read_links(conn, snapshot.workspace.workspace, accounts=accounts):
        snapshot.load_link(link)


async def _gather_candidates(
    conn: asyncpg.Connection, snapshot: Snapshot, customers: set[ExternalKey], seeds: Seeds
) -> None:
    """CRM records that any of the customers could match."""
    sought = set(seeds.customer_keys)
    for customer in customers:
        sought |= snapshot.keys_of(customer)
    if not snapshot.workspace.personal_domains:
        sought = {key for key in sought if key.kind != "personal_domain"}
    name = snapshot.workspace.workspace
    for match_key, owner in await record_holders(conn, name, sought):
        snapshot.load_key("crm", match_key, owner)
        seeds.records.add(owner)


async def _gather_accounts(
    conn: asyncpg.Connection, snapshot: Snapshot, customers: set[ExternalKey], seeds: Seeds
) -> None:
    """The accounts behind customers and records, whole; their links are loaded."""
    links = (snapshot.link(key) for key in customers | seeds.records)
    accounts = seeds.accounts | {link.account_id for link in links if link is not None}
    for account in accounts:
        customers |= set(snapshot.customers_of(account))
    await load_accounts(conn, snapshot, accounts)
    await load_objects(conn, snapshot, (seeds.objects | customers) - snapshot.objects.keys())
    await load_kept(conn, snapshot, customers - snapshot.complete)
    snapshot.complete |= customers
    needed = seeds.catalogue.union(
        *(book.needs for book in snapshot.books.values()),
        *(row.needs for row in map(snapshot.objects.get, customers) if row is not None),
    )
    await load_objects(conn, snapshot, needed - snapshot.objects.keys())
    stale = stale_shares(snapshot, customers, seeds.newest)
    await load_objects(conn, snapshot, stale - snapshot.objects.keys())
