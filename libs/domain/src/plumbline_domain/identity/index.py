"""The key index as the decision sees it: what a batch of look-ups brought back.

Whoever holds the keys (memory, PostgreSQL) answers the same two questions; the rest is pure. So
batch and stream, memory and database decide bit for bit alike.
"""

from bisect import insort
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, Protocol

from plumbline_domain.identity.keys import FAN_OUT, customer_keys, key_of, record_keys
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


class LookUp(NamedTuple):
    """A question: who on `side` holds these keys? Answer: `Mapping[int, Posting]`."""

    side: Side
    keys: Sequence[int]


class Fetch(NamedTuple):
    """A question: the profiles of these ids. Answer: `Mapping[str, Profile]` of the known ones."""

    side: Side
    ids: Sequence[str]


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


def asking(customers: Sequence[Profile]) -> Generator[LookUp | Fetch, Any, Neighbourhood]:
    """What must be asked to decide about `customers`: four questions, however many they are.

    Whoever drives it sends each answer back and gets the neighbourhood as the return value; so
    memory and database, batch and stream share this one path.
    """
    keys = sorted({key for customer in customers for key in customer_keys(customer)})
    domains = sorted({key_of("domain", d) for customer in customers for d in customer.domains})
    mates = yield LookUp("customer", domains)
    mate_ids = sorted({i for posting in mates.values() if posting.count > 1 for i in posting.ids})
    customer_profiles = yield Fetch("customer", mate_ids)
    names = {
        key_of("squash", form.squash)
        for profile in customer_profiles.values()
        for form in profile.names
    }
    records = yield LookUp("record", sorted({*keys, *names}))
    wanted = {i for posting in records.values() if posting.count <= FAN_OUT for i in posting.ids}
    wanted |= {i for key in domains if key in records for i in records[key].ids}
    profiles = yield Fetch("record", sorted(wanted))
    return Neighbourhood(records, mates, profiles, customer_profiles)


def gather(index: KeyIndex, customers: Sequence[Profile]) -> Neighbourhood:
    """Drive `asking` with an index that answers at once."""
    questions = asking(customers)
    question = next(questions)
    while True:
        answer: Mapping[Any, Any]
        if isinstance(question, LookUp):
            answer = index.look_up(question.side, question.keys)
        else:
            answer = index.profiles(question.side, question.ids)
        try:
            question = questions.send(answer)
        except StopIteration as done:
            found: Neighbourhood = done.value
            return found


def waiting_keys(record: Profile) -> list[int]:
    """Keys by which a new or changed record finds customers that may now decide otherwise."""
    return sorted(
        key for key, kind in record_keys(record).items() if kind not in ("word", "initials")
    )


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


def keys_of(side: Side, profile: Profile) -> Iterable[int]:
    """The keys under which a profile stands in the index."""
    return customer_keys(profile) if side == "customer" else record_keys(profile)
