"""Load what decides the matches of a run: profiles, who waits for its records, surroundings.

One round trip a table: the profiles of whoever changes; for changed records the customers that
share a key and wait; for all customers to decide their surroundings; for the domains of changed
customers the others there that wait. A run that moves no customer and no record asks nothing.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import asyncpg
from plumbline_domain.identity.index import Side
from plumbline_domain.identity.keys import ALWAYS, KeyKind, key_of
from plumbline_domain.identity.profile import Profile
from plumbline_schemas.ids import ExternalKey

from matcher.around import load_near
from matcher.identity_index import PostgresIndex
from matcher.identity_parties import key_in, local_id, party_of_customer
from matcher.identity_view import IdentityView
from matcher.linked import load_links
from matcher.ruled import load_rulings
from matcher.snapshot import Snapshot

CROWD: Final = 500
"""Customers that wait on one domain and are decided again when a record of it comes."""


@dataclass(slots=True)
class IdentitySeeds:
    """What of identity a run of records names."""

    versions: dict[tuple[Side, str], set[Profile]] = field(default_factory=dict)
    """Profiles that the records of the run may make."""
    records: set[ExternalKey] = field(default_factory=set)
    """CRM records that change or go."""
    lost: set[ExternalKey] = field(default_factory=set)
    """Those of them that may go."""
    sought: set[Profile] = field(default_factory=set)
    """Profiles of records of which it is needed who waits for them."""
    decided: set[ExternalKey] = field(default_factory=set)
    """Customers to be decided anyway."""
    ruled: set[ExternalKey] = field(default_factory=set)
    """Customers that people decide about, whose whole domain is decided again."""
    decisions: set[ExternalKey] = field(default_factory=set)
    """Those decisions."""
    linked: set[ExternalKey] = field(default_factory=set)
    """Keys whose links are needed, and the accounts behind them."""

    def add(self, side: Side, profile: Profile) -> None:
        """Note a version of a profile."""
        self.versions.setdefault((side, profile.id), set()).add(profile)

    def add_all(self, more: "IdentitySeeds") -> None:
        """Note what others name."""
        for place, profiles in more.versions.items():
            self.versions.setdefault(place, set()).update(profiles)
        self.records |= more.records
        self.sought |= more.sought
        self.decided |= more.decided
        self.linked |= more.linked

    @property
    def size(self) -> int:
        """It grows with each note of something new."""
        told = sum(len(profiles) for profiles in self.versions.values())
        return told + len(self.records) + len(self.sought) + len(self.decided) + len(self.linked)

    def take_missing(self, snapshot: Snapshot) -> None:
        """Note what a decision turned out to need."""
        name, view = snapshot.workspace.workspace, snapshot.identity
        for local, profiles in view.unasked.items():
            self.decided.add(key_in(name, local))
            self.versions.setdefault(("customer", local), set()).update(profiles)
        self.sought |= view.unsought
        self.linked |= snapshot.unlinked


async def gather_identity(
    conn: asyncpg.Connection,
    snapshot: Snapshot,
    seeds: IdentitySeeds,
    customers: Collection[ExternalKey],
) -> set[ExternalKey]:
    """Load it; `customers` of the run have their links. Returns whoever may get a link or lose it.

    Among them are the CRM records that would be linked as things stand.
    """
    name, rulings = snapshot.workspace.workspace, snapshot.rulings
    if seeds.decisions:
        await load_rulings(conn, name, rulings, customers=(), decisions=seeds.decisions)
        seeds.ruled |= {one.customer for key in seeds.decisions for one in rulings.of_decision(key)}
    await load_links(conn, snapshot, seeds.linked | seeds.decided | seeds.ruled)
    unlinked = {key for key in customers if snapshot.link(key) is None}
    changing = {key_in(name, local) for side, local in seeds.versions if side == "customer"}
    waiting = {key for key in changing if not snapshot.has_record(key)}
    decided = _with_siblings(snapshot, waiting | unlinked | seeds.decided | seeds.ruled)
    if not (decided or seeds.versions or seeds.records or seeds.sought):
        return set(seeds.linked)
    return seeds.linked | await _Gathering(conn, snapshot, seeds).run(decided)


class _Gathering:
    def __init__(self, conn: asyncpg.Connection, snapshot: Snapshot, seeds: IdentitySeeds) -> None:
        self._conn = conn
        self._snapshot = snapshot
        self._name = snapshot.workspace.workspace
        self._view: IdentityView = snapshot.identity
        self._seeds = seeds
        self._index = PostgresIndex(conn, self._name)
        self._spare = 0

    async def run(self, decided: set[ExternalKey]) -> set[ExternalKey]:
        versions = self._seeds.versions
        changing = {local for side, local in versions if side == "customer"}
        locals_ = changing | {local_id(key) for key in decided}
        records = {local_id(key) for key in self._seeds.records}
        await self._load(locals_, records)
        fresh = {place for place, told in versions.items() if told - {self._view.stored(*place)}}
        self._spare = sum(self._view.stored(*place) is not None for place in fresh)
        asked = {local for side, local in fresh if side == "customer"}
        asked |= {local_id(key) for key in decided}
        asked |= await self._late(records)
        await self._takers()
        await self._surround(asked)
        movers = {p for place in fresh if place[0] == "customer" for p in versions[place]}
        asked |= await self._mates(movers, asked)
        asked |= await self._domains(asked)
        keys = {key_in(self._name, local) for local in asked}
        rulings = self._snapshot.rulings
        await load_rulings(self._conn, self._name, rulings, customers=keys, decisions=())
        named = {one.other for key in keys if (one := rulings.linked(key)) and one.other}
        await self._load((), {local_id(key) for key in named})
        winners = self._winners(asked)
        winners |= named
        await load_near(self._conn, self._snapshot, winners)
        return winners | keys

    async def _load(self, customers: Iterable[str], records: Iterable[str]) -> None:
        places: list[tuple[Side, str]] = [("customer", local) for local in customers]
        places += [("record", local) for local in records]
        missing = self._view.unseen(places)
        for (side, local), profile in (await self._index.profiles(missing)).items():
            self._view.load(side, {local: profile})
        self._view.looked_up(missing)

    async def _late(self, records: Iterable[str]) -> set[str]:
        """Customers that wait and share a key with a record that changes."""
        sought = set(self._seeds.sought)
        for local in records:
            stored = self._view.stored("record", local)
            told = self._seeds.versions.get(("record", local), set())
            going = key_in(self._name, local) in self._seeds.lost
            if going or (told and told != {stored}):
                sought |= told if stored is None else told | {stored}
        if not sought:
            return set()
        keys: dict[int, KeyKind] = {}
        for record in sought:
            keys.update(self._view.waited_keys(record))
        for crowded in (False, True):
            some = [key for key, kind in keys.items() if (kind in ALWAYS) == crowded]
            spare = CROWD if crowded else self._spare
            held = await self._index.look_up("customer", some, spare=spare) if some else {}
            self._view.load_holders(
                "customer", {key: held[key].ids if key in held else () for key in some}
            )
        return await self._waiting(self._view.waiting(sought))

    async def _takers(self) -> None:
        """Records that may have taken over one that comes: it was merged into them."""
        coming = {p.vendor_id for p in self._seeds.sought}
        for (side, _), told in self._seeds.versions.items():
            coming |= {p.vendor_id for p in told if side == "record"}
        if not coming:
            return
        keys = [key_of("id", vendor_id) for vendor_id in sorted(coming)]
        held = await self._index.look_up("record", keys, spare=self._spare)
        ids = {key: held[key].ids if key in held else () for key in keys}
        self._view.load_holders("record", ids)
        await self._load((), {i for holders in ids.values() for i in holders})

    async def _waiting(self, found: set[str]) -> set[str]:
        """Those of the customers whose account has no CRM record, with their accounts' others."""
        keys = {key_in(self._name, local) for local in found}
        await load_links(self._conn, self._snapshot, keys)
        waiting = _with_siblings(self._snapshot, _without_record(self._snapshot, keys))
        locals_ = {local_id(key) for key in waiting}
        await self._load(locals_, ())
        return locals_

    async def _surround(self, asked: Iterable[str]) -> None:
        held: dict[str, Mapping[int, KeyKind]] = {}
        domains: set[int] = set()
        for local in sorted(asked):
            keys: dict[int, KeyKind] = {}
            for profile in self._profiles(local):
                keys.update(self._view.sought_keys(profile))
                domains.update(self._view.domains_of(profile))
            held[local] = keys
        if held:
            found = await self._index.vicinity(held, sorted(domains), spare=self._spare)
            self._view.load_vicinity(held, domains, found)
            self._snapshot.links_known |= {key_in(self._name, local) for local in found.unlinked}

    def _profiles(self, local: str) -> set[Profile]:
        """Every profile that a customer may have in the run."""
        stored = self._view.stored("customer", local)
        told = self._seeds.versions.get(("customer", local), set())
        if stored is not None:
            return told | {stored}
        key = key_in(self._name, local)
        return told | {party_of_customer(key, None, self._snapshot.workspace)}

    async def _mates(self, movers: Iterable[Profile], asked: set[str]) -> set[str]:
        """Customers that wait on the domain of one that changes: its portrait changes with it."""
        mates: set[str] = set()
        for profile in movers:
            mates |= self._view.mates_of(profile)
        mates -= asked
        if not mates:
            return mates
        waiting = await self._waiting(mates)
        await self._surround(waiting - asked)
        return waiting

    async def _domains(self, asked: set[str]) -> set[str]:
        """All customers on the domains of those that people decide about, with their accounts'."""
        mates: set[str] = set()
        for key in self._seeds.ruled:
            for profile in self._profiles(local_id(key)):
                mates |= self._view.mates_of(profile)
        keys = {key_in(self._name, local) for local in mates - asked}
        if not keys:
            return set()
        await load_links(self._conn, self._snapshot, keys)
        locals_ = {local_id(key) for key in _with_siblings(self._snapshot, keys)}
        await self._load(locals_, ())
        await self._surround(locals_ - asked)
        return locals_

    def _winners(self, asked: Iterable[str]) -> set[ExternalKey]:
        """Records that the customers would be linked to as things stand."""
        found: set[ExternalKey] = set()
        for local in sorted(asked):
            if self._snapshot.has_record(key_in(self._name, local)):
                continue
            told = self._seeds.versions.get(("customer", local))
            for profile in told or self._profiles(local):
                key = key_in(self._name, local)
                decision = self._view.decide(profile, self._snapshot.rulings.cannot(key))
                if decision is not None and decision.record_id is not None:
                    found.add(key_in(self._name, decision.record_id))
        return found


def _without_record(snapshot: Snapshot, keys: Iterable[ExternalKey]) -> set[ExternalKey]:
    return {key for key in keys if snapshot.link(key) and not snapshot.has_record(key)}


def _with_siblings(snapshot: Snapshot, customers: Iterable[ExternalKey]) -> set[ExternalKey]:
    """These customers and all others of their accounts."""
    keys = set(customers)
    links = [link for key in keys if (link := snapshot.link(key)) is not None]
    return keys | {key for link in links for key in snapshot.customers_of(link.account_id)}
