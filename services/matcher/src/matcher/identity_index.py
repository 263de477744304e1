"""The key index of identity in PostgreSQL: one table of keys, one of profiles, both sides in each.

Brings the same neighbourhood as the index in memory (`plumbline_domain.identity.index.gather`), so
both decide bit for bit alike.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from typing import Any, Final, NamedTuple

import asyncpg
import msgspec
from plumbline_domain.identity.evidence import MANY
from plumbline_domain.identity.index import (
    Neighbourhood,
    Posting,
    Side,
    domain_keys,
    keys_by_kind,
    keys_of,
    name_keys,
)
from plumbline_domain.identity.keys import (
    ALWAYS,
    FAN_OUT,
    KIND_VALUE,
    NOT_WAITED_ON,
    KeyKind,
    customer_keys,
)
from plumbline_domain.identity.profile import Profile
from plumbline_domain.identity.text import NORM_VERSION

from matcher.calls import Call, Typed, together
from matcher.identity_sql import LOOK_UP, PROFILES, PUT, REMOVE, VICINITY, listed

COPIED: Final = 2000
"""Profiles that `fill` sends at once."""

_NEAREST: Final = 30
"""Records of a customer whose profiles are fetched: more than are compared, so that some may be
ruled out by a person."""

_profile = msgspec.json.Decoder(Profile)


def profile_of(stored: bytes) -> Profile:
    """A profile as the table keeps it; raises msgspec's errors."""
    return _profile.decode(stored)


@lru_cache(maxsize=1024)
def known_keys(side: Side, profile: Profile) -> Mapping[int, KeyKind]:
    """The keys of a profile with their kinds, for whoever stores, seeks or compares it."""
    return keys_by_kind(side, profile)


@lru_cache(maxsize=1024)
def salt(workspace: str, side: Side) -> int:
    """What the keys of one side of a workspace are xored with."""
    digest = blake2b(f"{side}:{workspace}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


class Vicinity(NamedTuple):
    """What one look at the index brings, for as many customers as were asked about."""

    records: dict[int, tuple[str, ...]]
    """Record-side holders by key: every key asked for, and every name of a mate."""
    mates: dict[int, tuple[str, ...]]
    """Customer-side holders by domain key."""
    record_profiles: dict[str, Profile]
    customer_profiles: dict[str, Profile]
    """Mates; not those that were asked about."""
    unlinked: set[str]
    """Records that belong to no account."""


def put_profiles(workspace: str, side: Side, profiles: Iterable[Profile]) -> Call:
    """The call that adds profiles, or replaces those of the same id."""
    unique = list({profile.id: profile for profile in profiles}.values())
    mixed, theirs = salt(workspace, side), salt(workspace, "record")
    keys = _Slices([key ^ mixed for key in _held_keys(side, one)] for one in unique)
    named = _named(side)
    names = _Slices([key ^ theirs for key in named(one)] for one in unique)
    return Call(
        PUT,
        (
            workspace,
            side,
            NORM_VERSION,
            [one.id for one in unique],
            [msgspec.json.encode(one) for one in unique],
            *_typed(keys),
            *_typed(names),
        ),
    )


def _typed(slices: "_Slices") -> tuple[Typed, Typed, Typed]:
    flat, begins, ends = slices.arguments
    return (
        Typed(listed(flat), "bigint[]"),
        Typed(listed(begins), "int[]"),
        Typed(listed(ends), "int[]"),
    )


def _held_keys(side: Side, profile: Profile) -> list[int]:
    """The keys under which a profile stands in the index."""
    keys = known_keys(side, profile)
    if side == "record":
        return list(keys)
    return [key for key, kind in keys.items() if kind not in NOT_WAITED_ON]


class _Slices:
    """Lists of one array, one behind the other: PostgreSQL has no arrays of unequal arrays."""

    def __init__(self, lists: Iterable[Sequence[int]]) -> None:
        flat: list[int] = []
        begins, ends = [], []
        for one in lists:
            begins.append(len(flat) + 1)
            flat += one
            ends.append(len(flat))
        self.arguments = flat, begins, ends


def _named(side: Side) -> Callable[[Profile], list[int]]:
    """The keys of a customer's names: whose names its domain's customers bear. Records: none."""
    return name_keys if side == "customer" else lambda _: []


def remove_arguments(workspace: str, side: Side, ids: Iterable[str]) -> tuple[str, tuple[Any, ...]]:
    """The statement that forgets profiles; unknown ids are nothing to forget."""
    return REMOVE, (workspace, side, sorted(ids))


@dataclass(frozen=True, slots=True)
class PostgresIndex:
    """The index of one workspace on one connection, inside its transaction."""

    conn: asyncpg.Connection
    workspace: str

    async def put(self, side: Side, profiles: Sequence[Profile]) -> None:
        """Add profiles, or replace those of the same id; one round trip."""
        if profiles:
            query, arguments = together([put_profiles(self.workspace, side, profiles)])
            await self.conn.execute(query, *arguments)

    async def fill(self, side: Side, profiles: Iterable[Profile]) -> None:
        """Add profiles by COPY, none of which is there yet: the first walk of a book."""
        waiting = iter(profiles)
        mixed, theirs = salt(self.workspace, side), salt(self.workspace, "record")
        named = _named(side)
        while some := tuple(islice(waiting, COPIED)):
            held = [[key ^ mixed for key in keys_of(side, profile)] for profile in some]
            rows = [(key, p.id) for p, keys in zip(some, held, strict=True) for key in keys]
            kept = [
                (self.workspace, side, p.id, NORM_VERSION, keys, [key ^ theirs for key in named(p)],
                 msgspec.json.encode(p))
                for p, keys in zip(some, held, strict=True)
            ]  # fmt: skip
            await self.conn.copy_records_to_table(
                "identity_profiles", schema_name="matcher", records=kept
            )
            await self.conn.copy_records_to_table(
                "identity_keys", schema_name="matcher", records=rows
            )

    async def remove(self, side: Side, ids: Sequence[str]) -> None:
        """Forget profiles; unknown ids are nothing to forget."""
        query, arguments = remove_arguments(self.workspace, side, ids)
        await self.conn.execute(query, *arguments)

    async def look_up(
        self, side: Side, keys: Sequence[int], *, spare: int = 0
    ) -> Mapping[int, Posting]:
        """Who on `side` holds `keys`, `spare` more than a posting tells; one round trip."""
        mixed = salt(self.workspace, side)
        rows = await self.conn.fetch(
            LOOK_UP,
            [key ^ mixed for key in keys],
            FAN_OUT + 1 + spare,
        )
        return {row["key"] ^ mixed: Posting(tuple(row["ids"])) for row in rows if row["ids"]}

    async def profiles(self, ids: Iterable[tuple[Side, str]]) -> dict[tuple[Side, str], Profile]:
        """Stored profiles of both sides; one round trip."""
        wanted = sorted(ids)
        if not wanted:
            return {}
        rows = await self.conn.fetch(
            PROFILES, self.workspace, [side for side, _ in wanted], [i for _, i in wanted]
        )
        return {(row["side"], row["id"]): profile_of(row["profile"]) for row in rows}

    async def vicinity(
        self, held: Mapping[str, Mapping[int, KeyKind]], domains: Sequence[int], *, spare: int = 0
    ) -> Vicinity:
        """What surrounds customers with these keys and domains; one round trip, however many."""
        theirs, ours = salt(self.workspace, "record"), salt(self.workspace, "customer")
        seekers: dict[tuple[int, KeyKind], list[int]] = {}
        for n, keys in enumerate(held.values()):
            for sought in keys.items():
                seekers.setdefault(sought, []).append(n)
        slices, begins, ends = _Slices(seekers.values()).arguments
        rows = await self.conn.fetch(
            VICINITY,
            self.workspace,
            FAN_OUT + 1 + spare,
            listed(key ^ ours for key in domains),
            listed(key ^ theirs for key, _ in seekers),
            listed(KIND_VALUE[kind] for _, kind in seekers),
            listed(kind in ALWAYS for _, kind in seekers),
            listed(begins),
            listed(ends),
            listed(slices),
            MANY + spare,
            _NEAREST + spare,
            list(held),
        )
        return Vicinity(
            {row["key"] ^ theirs: tuple(row["ids"]) for row in rows if row["part"] == 2},
            {row["key"] ^ ours: tuple(row["ids"]) for row in rows if row["part"] == 1},
            {row["id"]: profile_of(row["profile"]) for row in rows if row["part"] == 4},
            {row["id"]: profile_of(row["profile"]) for row in rows if row["part"] == 3},
            {row["id"] for row in rows if row["part"] == 4 and not row["linked"]},
        )

    async def gather(self, customers: Sequence[Profile]) -> Neighbourhood:
        """All that decisions about `customers`, which are in the index, may look at."""
        held = {customer.id: customer_keys(customer) for customer in customers}
        found = await self.vicinity(held, domain_keys(customers))
        mine = {customer.id: customer for customer in customers}
        return Neighbourhood(
            {key: Posting(ids) for key, ids in found.records.items()},
            {key: Posting(ids) for key, ids in found.mates.items()},
            found.record_profiles,
            {**found.customer_profiles, **mine},
            held,
        )
