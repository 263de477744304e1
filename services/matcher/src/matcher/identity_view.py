"""The part of the key index that a run of records can touch, in memory, as its records change it.

What the database brought stands beneath; profiles that the run changes lie on top. So every record
is decided on what the index would hold after the one before it, whatever the batches are.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from plumbline_domain.identity.decide import Decision, decide
from plumbline_domain.identity.index import (
    NOBODY,
    Neighbourhood,
    Posting,
    Side,
    domain_keys,
    name_keys,
)
from plumbline_domain.identity.keys import (
    ALWAYS,
    FAN_OUT,
    NOT_WAITED_ON,
    KeyKind,
    key_of,
)
from plumbline_domain.identity.profile import Profile
from plumbline_domain.identity.weights import Weights

from matcher.identity_index import Vicinity, known_keys

IDENTIFIERS: Final[frozenset[KeyKind]] = frozenset({"id", "stripe", "tax"})
_NO_ONE: Final[frozenset[str]] = frozenset()


class _Told(NamedTuple):
    """A decision with what it depends on."""

    profile: Profile
    cannot: frozenset[str]
    records: frozenset[int]
    mates: frozenset[int]
    decision: Decision


class IdentityView:
    """Profiles and keys of one workspace around a run of records."""

    def __init__(self, *, whole_book: bool, weights: Weights, agencies: Iterable[str] = ()) -> None:
        self.whole_book = whole_book
        self.weights = weights
        self._stored: dict[tuple[Side, str], Profile] = {}
        self._sought: set[tuple[Side, str]] = set()
        self._current: dict[tuple[Side, str], Profile | None] = {}
        self._postings: dict[Side, dict[int, tuple[str, ...]]] = {"customer": {}, "record": {}}
        self._fresh: dict[Side, dict[int, set[str]]] = {"customer": {}, "record": {}}
        self._touched: dict[Side, dict[int, set[str]]] = {"customer": {}, "record": {}}
        self._told: dict[str, _Told] = {}
        self._hubs = frozenset(agencies)
        self.unasked: dict[str, set[Profile]] = {}
        """Customers that were to be decided though their surroundings are not here."""
        self.unsought: set[Profile] = set()
        """Records of which it is not here who waits for them."""

    # loading

    def load(self, side: Side, profiles: Mapping[str, Profile]) -> None:
        """Put stored profiles in."""
        for local, profile in profiles.items():
            self._stored[(side, local)] = profile

    def looked_up(self, places: Iterable[tuple[Side, str]]) -> None:
        """Note that the profiles that are stored of these are here."""
        self._sought.update(places)

    def unseen(self, places: Iterable[tuple[Side, str]]) -> list[tuple[Side, str]]:
        """Those whose stored profiles were not looked up."""
        return [one for one in places if one not in self._stored and one not in self._sought]

    def load_holders(self, side: Side, holders: Mapping[int, Collection[str]]) -> None:
        """Put in who holds keys, as stored: the lowest ids first, as many as were asked for."""
        known = self._postings[side]
        for key, ids in holders.items():
            if len(ids) >= len(known.get(key, ())):
                known[key] = tuple(ids)

    def load_vicinity(
        self, held: Mapping[str, Mapping[int, KeyKind]], domains: Iterable[int], found: Vicinity
    ) -> None:
        """Put in what one look at the index has brought."""
        asked = {key for keys in held.values() for key in keys}
        for mate in found.customer_profiles.values():
            asked.update(name_keys(mate))
        self.load_holders("record", {key: found.records.get(key, ()) for key in asked})
        self.load_holders("customer", {key: found.mates.get(key, ()) for key in domains})
        self.load("record", found.record_profiles)
        self.load("customer", found.customer_profiles)

    # asking

    def stored(self, side: Side, local: str) -> Profile | None:
        """The profile before the run."""
        return self._stored.get((side, local))

    def profile(self, side: Side, local: str) -> Profile | None:
        """The profile as it is now."""
        place = (side, local)
        return self._current[place] if place in self._current else self._stored.get(place)

    def keys_of(self, side: Side, profile: Profile) -> Mapping[int, KeyKind]:
        """The keys of a profile; of a customer only identifiers while books are incomplete."""
        return known_keys(side, profile)

    def sought_keys(self, customer: Profile) -> Mapping[int, KeyKind]:
        """The keys by which a customer looks for its record now."""
        keys = self.keys_of("customer", customer)
        if self.whole_book:
            return keys
        return {key: kind for key, kind in keys.items() if kind in IDENTIFIERS}

    def waited_keys(self, record: Profile) -> Mapping[int, KeyKind]:
        """The keys by which a record finds customers that wait for it now."""
        keys = self.keys_of("record", record).items()
        if self.whole_book:
            return {key: kind for key, kind in keys if kind not in NOT_WAITED_ON}
        return {key: kind for key, kind in keys if kind in IDENTIFIERS}

    def domains_of(self, customer: Profile) -> list[int]:
        """Keys of a customer's domains, as far as they matter now."""
        return domain_keys([customer]) if self.whole_book else []

    def mates_of(self, customer: Profile) -> set[str]:
        """The other customers on its domains."""
        found = {
            i for key in self.domains_of(customer) for i in self._holders("customer", key) or ()
        }
        return found - {customer.id}

    def waiting(self, records: Iterable[Profile]) -> set[str]:
        """Customers that hold a key of any of the records; a crowded key finds nobody."""
        found: set[str] = set()
        for record in records:
            for key, kind in self.waited_keys(record).items():
                ids = self._holders("customer", key)
                if ids is None:
                    self.unsought.add(record)
                elif kind in ALWAYS or len(ids) <= FAN_OUT:
                    found.update(ids)
        return found

    def merged_away(self, record: Profile) -> bool:
        """Whether another record says that this one was merged into it.

        Of two that say it of each other, who says it now stands. Noted as missing, and False, when
        it is not here.
        """
        ids = self._holders("record", key_of("id", record.vendor_id))
        if ids is None:
            self.unsought.add(record)
        beside = record.id.removesuffix(record.vendor_id)
        others = (self.profile("record", i) for i in ids or () if i != record.id)
        return any(
            record.vendor_id in other.merged_ids and other.vendor_id not in record.merged_ids
            for other in others
            if other is not None and other.id == f"{beside}{other.vendor_id}"
        )

    def _holders(self, side: Side, key: int) -> tuple[str, ...] | None:
        """Who holds a key now, by id; None when that is not here."""
        stored = self._postings[side].get(key)
        if stored is None:
            return None
        fresh = self._fresh[side].get(key, _NO_ONE)
        if not self._current or (not fresh and all((side, i) not in self._current for i in stored)):
            return stored
        return tuple(sorted({i for i in stored if (side, i) not in self._current}.union(fresh)))

    # changing

    def put(self, side: Side, local: str, profile: Profile | None) -> None:
        """Replace a profile; None takes it out of the index."""
        before = self.profile(side, local)
        if before == profile:
            return
        fresh, touched = self._fresh[side], self._touched[side]
        for key in () if before is None else self.keys_of(side, before):
            touched.setdefault(key, set()).add(local)
            fresh.get(key, set()).discard(local)
        for key in () if profile is None else self.keys_of(side, profile):
            touched.setdefault(key, set()).add(local)
            fresh.setdefault(key, set()).add(local)
        self._current[(side, local)] = profile

    def changes(self, side: Side) -> tuple[list[Profile], list[str]]:
        """Profiles to store and ids to forget, by id."""
        put, gone = [], []
        for (on, local), profile in sorted(self._current.items()):
            if on != side or profile == self._stored.get((on, local)):
                continue
            if profile is None:
                gone.append(local)
            else:
                put.append(profile)
        return put, gone

    def hub(self, domains: Iterable[str]) -> None:
        """Domains that people say are agencies'."""
        fresh = frozenset(domains)
        if fresh != self._hubs:
            self._hubs = fresh
            self._told.clear()

    # deciding

    def decide(self, customer: Profile, cannot: frozenset[str] = _NO_ONE) -> Decision | None:
        """What becomes of a customer; None when what that depends on is not here."""
        told = self._told.get(customer.id)
        if told is not None and told.profile == customer and self._holds(told, cannot):
            return told.decision
        around = self._around(customer)
        if around is None:
            self.unasked.setdefault(customer.id, set()).add(customer)
            return None
        found = decide(
            self._as_said(customer),
            around,
            self.weights,
            cannot=cannot,
            identifiers_only=not self.whole_book,
        )
        self._told[customer.id] = _Told(
            customer, cannot, frozenset(around.records), frozenset(around.mates), found
        )
        return found

    def _as_said(self, customer: Profile) -> Profile:
        """The customer's profile with what people say about its domain."""
        if self._hubs.isdisjoint(customer.domains):
            return customer
        addresses = tuple(
            replace(one, kind="hub") if one.domain in self._hubs else one
            for one in customer.addresses
        )
        return replace(customer, addresses=addresses)

    def _holds(self, told: _Told, cannot: frozenset[str]) -> bool:
        """Whether nothing has changed that a decision depends on."""
        if told.cannot != cannot or not self._touched["record"].keys().isdisjoint(told.records):
            return False
        touched = self._touched["customer"]
        return all(touched.get(key, _NO_ONE) <= {told.profile.id} for key in told.mates)

    def _around(self, customer: Profile) -> Neighbourhood | None:
        """The neighbourhood as the index would bring it with the customer in it."""
        held = self.sought_keys(customer)
        mates = {key: self._holders("customer", key) for key in self.domains_of(customer)}
        others: dict[str, Profile] = {}
        for ids in mates.values():
            for i in () if ids is None else ids:
                mate = None if i == customer.id else self.profile("customer", i)
                if mate is not None:
                    others[i] = mate
        asked = dict.fromkeys(held)
        asked.update((key, None) for mate in others.values() for key in name_keys(mate))
        records = {key: self._holders("record", key) for key in asked}
        if None in mates.values() or None in records.values():
            return None
        wanted = {i for ids in records.values() for i in ids or ()}
        profiles = {i: profile for i in wanted if (profile := self.profile("record", i))}
        return Neighbourhood(
            {key: _posting(ids or ()) for key, ids in records.items()},
            {key: _posting(sorted({*(ids or ()), customer.id})) for key, ids in mates.items()},
            profiles,
            {**others, customer.id: customer},
            {customer.id: held},
        )


def _posting(ids: Collection[str]) -> Posting:
    return Posting(tuple(ids)[: FAN_OUT + 1]) if ids else NOBODY
