"""Load what a run of records can touch: one round trip per table and hop (design 6).

Hops: the objects themselves and their customers; the customers that wait on a changed CRM record;
the CRM records those customers could match; the accounts behind all of them, with every customer
and object of each; the catalogue objects they name.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import asyncpg
from plumbline_domain.identity import MatchKey, customer_keys, record_keys
from plumbline_domain.order import Glance, Held, fold, rules_for
from plumbline_schemas.billing import BillingCustomer
from plumbline_schemas.ids import AccountId, ExternalKey, external_key
from plumbline_schemas.observations import (
    AnyObservation,
    CompanyObservation,
    DecisionObservation,
    SubscriptionObservation,
)

from matcher.loading import (
    load_accounts,
    load_decisions,
    load_objects,
    owned_keys,
    read_links,
    record_holders,
    waiting_customers,
)
from matcher.snapshot import Snapshot, kind_of
from matcher.stored import glance_of


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


def seeds_of(observations: Iterable[AnyObservation]) -> Seeds:
    """What the records themselves name."""
    seeds = Seeds()
    for observation in observations:
        key, body = observation.key, observation.body
        if isinstance(observation, DecisionObservation):
            seeds.decisions.add(key)
            continue
        seeds.objects.add(key)
        if observation.parent_key is not None:
            seeds.customers.add(observation.parent_key)
        if observation.kind == "customer":
            seeds.customers.add(key)
            customer = body if isinstance(body, BillingCustomer) else None
            seeds.customer_keys |= customer_keys(observation.id, customer)
        elif isinstance(observation, CompanyObservation):
            _seed_record(seeds, observation)
        elif isinstance(observation, SubscriptionObservation) and observation.body is not None:
            for item in observation.body.items:
                names = {"price": item.price.price_id, "product": item.price.product}
                for kind, name in names.items():
                    if name:
                        seeds.catalogue.add(_sibling(observation, kind, name))
    return seeds


def _sibling(observation: AnyObservation, kind: str, vendor_id: str) -> ExternalKey:
    return external_key(observation.workspace, observation.connection, kind, vendor_id)


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


class News(NamedTuple):
    """An observation that changes what is held of its object."""

    observation: AnyObservation
    glance: Glance | None
    """None for a decision, which has no object."""


async def news_among(
    conn: asyncpg.Connection, snapshot: Snapshot, observations: Iterable[AnyObservation]
) -> list[News]:
    """Leave out repeated and older observations before anything else is loaded for them."""
    glanced = [(one, glance_of(one)) for one in observations]
    keys = {one.key for one, _ in glanced if not isinstance(one, DecisionObservation)}
    await load_objects(conn, snapshot, keys=keys, parents=set())
    held: dict[ExternalKey, Held] = {key: row.held for key, row in snapshot.objects.items()}
    found = []
    for observation, glance in glanced:
        if isinstance(observation, DecisionObservation):
            found.append(News(observation, None))
            continue
        folded = fold(held.get(observation.key), glance, rules_for(observation.kind))
        if folded.changed:
            held[observation.key] = folded.held
            found.append(News(observation, glance))
    return found


async def gather(conn: asyncpg.Connection, snapshot: Snapshot, seeds: Seeds) -> None:
    """Complete the snapshot so that all the records the seeds come from can be decided in it."""
    name = snapshot.workspace.workspace
    customers = set(seeds.customers)
    lost = await read_links(conn, name, keys=seeds.lost) if seeds.lost else []
    behind = seeds.accounts | {link.account_id for link in lost}
    if behind:
        links = await read_links(conn, name, accounts=behind)
        customers |= {link.key for link in links if kind_of(link.key) == "customer"}
    known = await _load_links(conn, snapshot, customers | seeds.records)
    unmatched = customers - (set() if _moves_records(seeds) else _matched(snapshot, customers))
    owners = unmatched | seeds.records | {key for key in seeds.objects if key in customers}
    owned = await owned_keys(conn, name, owners)
    waiting_for = set(seeds.record_keys)
    for record in seeds.records:
        waiting_for |= owned.get(record, frozenset())
    waiting = await waiting_customers(conn, name, waiting_for)
    owned |= await owned_keys(conn, name, waiting - owned.keys())
    for owner in owners | waiting:
        snapshot.load_keys_of(owner, frozenset(owned.get(owner, ())))
    customers |= waiting
    await _gather_candidates(conn, snapshot, unmatched | waiting, seeds)
    known |= await _load_links(conn, snapshot, (customers | seeds.records) - known)
    await _gather_accounts(conn, snapshot, customers, seeds)
    await load_decisions(conn, snapshot, seeds.decisions)


def _moves_records(seeds: Seeds) -> bool:
    """Whether an account may lose its CRM record in this run, and need another one."""
    return bool(seeds.records or seeds.record_keys or seeds.lost or seeds.accounts)


def _matched(snapshot: Snapshot, customers: set[ExternalKey]) -> set[ExternalKey]:
    """Customers whose account has a CRM record: nothing is sought for them."""
    links = ((key, snapshot.link(key)) for key in customers)
    return {key for key, link in links if link and snapshot.records_of(link.account_id)}


async def _load_links(
    conn: asyncpg.Connection, snapshot: Snapshot, keys: set[ExternalKey]
) -> set[ExternalKey]:
    """Load the links of the accounts behind external keys; returns the keys."""
    name = snapshot.workspace.workspace
    direct = await read_links(conn, name, keys=keys)
    accounts = {link.account_id for link in direct}
    for link in await read_links(conn, name, accounts=accounts):
        snapshot.load_link(link)
    return keys


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
    name = snapshot.workspace.workspace
    links = (snapshot.link(key) for key in customers | seeds.records)
    accounts = {link.account_id for link in links if link is not None}
    unseen = seeds.accounts - accounts
    for link in await read_links(conn, name, accounts=unseen):
        snapshot.load_link(link)
    accounts |= unseen
    for account in accounts:
        customers |= set(snapshot.customers_of(account))
    await load_accounts(conn, snapshot, accounts)
    own = (seeds.objects | customers) - snapshot.objects.keys()
    await load_objects(conn, snapshot, keys=own, parents=customers)
    needed = set(seeds.catalogue)
    for row in snapshot.objects.values():
        needed |= row.needs
    await load_objects(conn, snapshot, keys=needed - snapshot.objects.keys(), parents=set())
