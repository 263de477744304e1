"""The key index of identity in PostgreSQL: one table of keys, one of profiles, both sides in each.

Brings the same neighbourhood as the index in memory (`plumbline_domain.identity.index.gather`), so
both decide bit for bit alike.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from typing import Final

import asyncpg
import msgspec
from plumbline_domain.identity.evidence import MANY
from plumbline_domain.identity.index import (
    Neighbourhood,
    Posting,
    Side,
    domain_keys,
    keys_of,
    name_keys,
)
from plumbline_domain.identity.keys import ALWAYS, FAN_OUT, KIND_VALUE, customer_keys
from plumbline_domain.identity.profile import Profile
from plumbline_domain.identity.text import NORM_VERSION

TABLES: Final = """
create table matcher.identity_profiles (
    workspace text not null,
    side text not null check (side in ('customer', 'record')),
    id text collate "C" not null,
    norm_version int not null,
    keys bigint[] not null,
    names bigint[] not null,
    profile bytea not null
);
create table matcher.identity_keys (
    key bigint not null,
    id text collate "C" not null
);
"""
"""A key is salted with its workspace and side, so that one narrow index serves all of them."""

INDEXES: Final = """
alter table matcher.identity_profiles add primary key (workspace, side, id);
alter table matcher.identity_keys add primary key (key, id);
"""

COPIED: Final = 2000
"""Profiles that `fill` sends at once."""

_NEAREST: Final = 30
"""Records of a customer whose profiles are fetched: more than are compared, so that some may be
ruled out by a person."""

_POSTING: Final = """
    array(select m.id from matcher.identity_keys m where m.key = k.key order by m.id limit $2)
"""

_LOOK_UP: Final = f"select k.key, {_POSTING} as ids from unnest($1::bigint[]) as k (key)"  # noqa: S608 - constants

_GATHER: Final = f"""
with domains as materialized (
    select k.key, {_POSTING} as ids from unnest($3::bigint[]) as k (key)),
mates as materialized (
    select p.id, p.names, p.profile
    from (select distinct unnest(ids) as id from domains where cardinality(ids) > 1) as w
    cross join lateral (
        select q.id, q.names, q.profile from matcher.identity_profiles q
        where q.workspace = $1 and q.side = 'customer' and q.id = w.id limit 1) as p),
asked as materialized (
    select * from unnest($4::int[], $5::bigint[], $6::float8[], $7::bool[])
        as a (customer, key, value, always)),
found as materialized (
    select k.key, {_POSTING} as ids
    from (select key from asked union select unnest(names) from mates) as k),
near as (
    select a.customer, w.id, sum(a.value / (1 + 0.1 * cardinality(f.ids))) as value,
           bool_or(a.always) as always, min(cardinality(f.ids)) as fewest
    from asked a join found f using (key) cross join lateral unnest(f.ids) as w (id)
    where a.always or cardinality(f.ids) < $2
    group by a.customer, w.id),
ranked as (
    select id, always or fewest <= $8 as needed,
           row_number() over (partition by customer order by value desc, id) as place
    from near),
wanted as (select distinct id from ranked where needed or place <= $9)
select 1 as part, key, ids, null as id, null::bytea as profile from domains where ids <> '{{}}'
union all select 2, key, ids, null, null from found where ids <> '{{}}'
union all select 3, null, null, id, profile from mates
union all select 4, null, null, p.id, p.profile
from wanted w cross join lateral (
    select q.id, q.profile from matcher.identity_profiles q
    where q.workspace = $1 and q.side = 'record' and q.id = w.id limit 1) as p
"""  # noqa: S608 - constants

_PUT: Final = """
with fresh as materialized (
    select * from unnest($5::text[], $6::bigint[], $7::bool[]) as f (id, key, named)),
old as (
    select id, keys from matcher.identity_profiles
    where workspace = $1 and side = $2 and id = any($3::text[])),
stored as (
    insert into matcher.identity_profiles (workspace, side, id, norm_version, keys, names, profile)
    select $1, $2, p.id, $8,
           array(select f.key from fresh f where f.id = p.id),
           array(select f.key # $9 from fresh f where f.id = p.id and f.named),
           p.profile
    from unnest($3::text[], $4::bytea[]) as p (id, profile)
    on conflict (workspace, side, id) do update
    set norm_version = excluded.norm_version, keys = excluded.keys, names = excluded.names,
        profile = excluded.profile),
dropped as (
    delete from matcher.identity_keys k
    using (select id, unnest(keys) as key from old except select id, key from fresh) as gone
    where k.key = gone.key and k.id = gone.id)
insert into matcher.identity_keys (key, id) select key, id from fresh on conflict do nothing
"""

_REMOVE: Final = """
with gone as (
    delete from matcher.identity_profiles
    where workspace = $1 and side = $2 and id = any($3::text[]) returning id, keys)
delete from matcher.identity_keys k
using (select id, unnest(keys) as key from gone) as held
where k.key = held.key and k.id = held.id
"""

_profile = msgspec.json.Decoder(Profile)


@lru_cache(maxsize=1024)
def salt(workspace: str, side: Side) -> int:
    """What the keys of one side of a workspace are xored with."""
    digest = blake2b(f"{side}:{workspace}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


@dataclass(frozen=True, slots=True)
class PostgresIndex:
    """The index of one workspace on one connection, inside its transaction."""

    conn: asyncpg.Connection
    workspace: str

    async def put(self, side: Side, profiles: Sequence[Profile]) -> None:
        """Add profiles, or replace those of the same id; one round trip."""
        unique = {profile.id: profile for profile in profiles}
        if not unique:
            return
        mixed, theirs = salt(self.workspace, side), salt(self.workspace, "record")
        named = {i: set(self._names(side, profile)) for i, profile in unique.items()}
        rows = sorted(self._key_rows(side, unique.values()))
        await self.conn.execute(
            _PUT,
            self.workspace,
            side,
            list(unique),
            [msgspec.json.encode(profile) for profile in unique.values()],
            [i for _, i in rows],
            [key for key, _ in rows],
            [key ^ mixed ^ theirs in named[i] for key, i in rows],
            NORM_VERSION,
            mixed ^ theirs,
        )

    def _names(self, side: Side, profile: Profile) -> list[int]:
        """Record-side keys of a customer's names: whose names its domain's customers bear."""
        theirs = salt(self.workspace, "record")
        return [key ^ theirs for key in name_keys(profile)] if side == "customer" else []

    async def fill(self, side: Side, profiles: Iterable[Profile]) -> None:
        """Add profiles by COPY, none of which is there yet: the first walk of a book."""
        waiting = iter(profiles)
        while some := tuple(islice(waiting, COPIED)):
            mixed = salt(self.workspace, side)
            held = [[key ^ mixed for key in keys_of(side, profile)] for profile in some]
            rows = [(key, p.id) for p, keys in zip(some, held, strict=True) for key in keys]
            kept = [
                (self.workspace, side, p.id, NORM_VERSION, keys, self._names(side, p),
                 msgspec.json.encode(p))
                for p, keys in zip(some, held, strict=True)
            ]  # fmt: skip
            await self.conn.copy_records_to_table(
                "identity_profiles", schema_name="matcher", records=kept
            )
            await self.conn.copy_records_to_table(
                "identity_keys", schema_name="matcher", records=rows
            )

    def _key_rows(self, side: Side, profiles: Iterable[Profile]) -> list[tuple[int, str]]:
        mixed = salt(self.workspace, side)
        return [(key ^ mixed, p.id) for p in profiles for key in keys_of(side, p)]

    async def remove(self, side: Side, ids: Sequence[str]) -> None:
        """Forget profiles; unknown ids are nothing to forget."""
        await self.conn.execute(_REMOVE, self.workspace, side, sorted(ids))

    async def look_up(self, side: Side, keys: Sequence[int]) -> Mapping[int, Posting]:
        """Who on `side` holds `keys`; one round trip."""
        mixed = salt(self.workspace, side)
        rows = await self.conn.fetch(
            _LOOK_UP,
            [key ^ mixed for key in keys],
            FAN_OUT + 1,
        )
        return {row["key"] ^ mixed: Posting(tuple(row["ids"])) for row in rows if row["ids"]}

    async def gather(self, customers: Sequence[Profile]) -> Neighbourhood:
        """All that decisions about `customers` may look at; one round trip, however many."""
        held = {customer.id: customer_keys(customer) for customer in customers}
        theirs, ours = salt(self.workspace, "record"), salt(self.workspace, "customer")
        asked = [
            (n, key ^ theirs, KIND_VALUE[kind], kind in ALWAYS)
            for n, keys in enumerate(held.values())
            for key, kind in keys.items()
        ]
        rows = await self.conn.fetch(
            _GATHER,
            self.workspace,
            FAN_OUT + 1,
            [key ^ ours for key in domain_keys(customers)],
            *([row[n] for row in asked] for n in range(4)),
            MANY,
            _NEAREST,
        )
        return Neighbourhood(
            {row["key"] ^ theirs: Posting(tuple(row["ids"])) for row in rows if row["part"] == 2},
            {row["key"] ^ ours: Posting(tuple(row["ids"])) for row in rows if row["part"] == 1},
            {row["id"]: _profile.decode(row["profile"]) for row in rows if row["part"] == 4},
            {row["id"]: _profile.decode(row["profile"]) for row in rows if row["part"] == 3},
            held,
        )
