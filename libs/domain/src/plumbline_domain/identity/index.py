"""The key index as the decision sees it: what a batch of look-ups brought back.

Whoever holds the keys (memory, PostgreSQL) brings the same neighbourhood; the rest is pure. So
batch and stream, memory and database decide bit for bit alike.
"""

from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from plumbline_domain.identity.keys import (
    FAN_OUT,
    NOT_WAITED_ON,
    KeyKind,
    customer_keys,
    key_of,
    record_keys,
)
from plumbline_domain.identity.profile import Profile

Side = Literal["customer", "record"]


@dataclass(frozen=True, slots=True)
class Posting:
    """Who holds a key: the lowest ids first, at most FAN_OUT + 1 of them."""

    ids: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many hold it; FAN_OUT + 1 means that many or more."""
        return len(self.ids)


NOBODY: Final = Posting(())


class KeyIndex(Protocol):
    """Holds profiles of both sides and their keys."""

    def look_up(self, side: Side, keys: Sequence[int]) -> Mapping[int, Posting]:
        """Postings of those of `keys` that anybody on `side` holds."""
        ...

    def profiles(self, side: Side, ids: Sequence[str]) -> Mapping[str, Profile]:
        """Profiles of those of `ids` that are known on `side`."""
        ...


@dataclass(frozen=True)
class Neighbourhood:
    """All that decisions about some customers may look at."""

    records: Mapping[int, Posting]
    """Record-side postings by key: of the customers' keys and of their domain mates' names."""
    mates: Mapping[int, Posting]
    """Customer-side postings of the customers' domain keys."""
    record_profiles: Mapping[str, Profile]
    customer_profiles: Mapping[str, Profile]
    keys: Mapping[str, Mapping[int, KeyKind]] = field(default_factory=dict)
    """The keys of the customers that were asked about, by id."""

    def keys_of(self, customer: Profile) -> Mapping[int, KeyKind]:
        """The customer's keys, worked out once for a batch."""
        known = self.keys.get(customer.id)
        return customer_keys(customer) if known is None else known


def gather(index: KeyIndex, customers: Sequence[Profile]) -> Neighbourhood:
    """All that decisions about `customers` may look at.

    An index that keeps its keys elsewhere may bring more profiles or fewer, as long as it brings
    those of the domains' records, of names that few records have, and of each customer's nearest.
    """
    held = {customer.id: customer_keys(customer) for customer in customers}
    keys = {key for mine in held.values() for key in mine}
    domains = domain_keys(customers)
    mates = index.look_up("customer", domains)
    mate_ids = {i for posting in mates.values() if posting.count > 1 for i in posting.ids}
    customer_profiles = index.profiles("customer", sorted(mate_ids))
    names = {key for profile in customer_profiles.values() for key in name_keys(profile)}
    records = index.look_up("record", sorted(keys | names))
    wanted = {i for posting in records.values() if posting.count <= FAN_OUT for i in posting.ids}
    wanted.update(i for key in domains if key in records for i in records[key].ids)
    profiles = index.profiles("record", sorted(wanted))
    return Neighbourhood(records, mates, profiles, customer_profiles, held)


def domain_keys(profiles: Iterable[Profile]) -> list[int]:
    """Keys of the profiles' domains."""
    return sorted({key_of("domain", domain) for p in profiles for domain in p.domains})


def name_keys(profile: Profile) -> list[int]:
    """Keys by which records with one of its names are found."""
    return sorted({key_of("squash", form.squash) for form in profile.names})


def waiting_keys(record: Profile) -> list[int]:
    """Keys by which a new or changed record finds customers that may now decide otherwise."""
    return sorted(_waited(record_keys(record)))


@dataclass
class MemoryIndex:
    """The index in dictionaries: for a batch, for tests and for `identity explain`."""

    _profiles: dict[Side, dict[str, Profile]] = field(
        default_factory=lambda: {"customer": {}, "record": {}}
    )
    _keys: dict[Side, dict[int, list[str]]] = field(
        default_factory=lambda: {"customer": {}, "record": {}}
    )

    def put(self, side: Side, profiles: Iterable[Profile]) -> None:
        """Add profiles, or replace those of the same id."""
        held, keys = self._profiles[side], self._keys[side]
        for profile in profiles:
            if profile.id in held:
                self.remove(side, (profile.id,))
            held[profile.id] = profile
            for key in keys_of(side, profile):
                holders = keys.get(key)
                if holders is None:
                    keys[key] = [profile.id]
                else:
                    insort(holders, profile.id)

    def remove(self, side: Side, ids: Iterable[str]) -> None:
        """Forget profiles; unknown ids are nothing to forget."""
        held, keys = self._profiles[side], self._keys[side]
        for gone in ids:
            profile = held.pop(gone, None)
            for key in keys_of(side, profile) if profile is not None else ():
                holders = keys[key]
                holders.remove(gone)
                if not holders:
                    del keys[key]

    def look_up(self, side: Side, keys: Sequence[int]) -> Mapping[int, Posting]:
        """See KeyIndex."""
        held = self._keys[side]
        return {key: Posting(tuple(ids[: FAN_OUT + 1])) for key in keys if (ids := held.get(key))}

    def profiles(self, side: Side, ids: Sequence[str]) -> Mapping[str, Profile]:
        """See KeyIndex."""
        held = self._profiles[side]
        return {i: held[i] for i in ids if i in held}


def keys_by_kind(side: Side, profile: Profile) -> Mapping[int, KeyKind]:
    """The keys under which a profile stands in the index, with their kinds."""
    return customer_keys(profile) if side == "customer" else record_keys(profile)


def keys_of(side: Side, profile: Profile) -> Iterable[int]:
    """The keys under which a profile stands in the index."""
    return _waited(customer_keys(profile)) if side == "customer" else record_keys(profile)


def _waited(keys: Mapping[int, KeyKind]) -> list[int]:
    return [key for key, kind in keys.items() if kind not in NOT_WAITED_ON]
