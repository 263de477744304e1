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
        """Add profiles, or replace those of the same id."""
        unique = {profile.id: profile for profile in profiles}
        ids = sorted(unique)
        if not ids:
            return
        await self.remove(side, ids)
        kept = self._profile_rows(side, [unique[i] for i in ids])
        await self.conn.execute(
            """insert into matcher.identity_profiles
               select $1, $2, id, $3,
                      array(select jsonb_array_elements_text(names)::bigint), profile
               from unnest($4::text[], $5::jsonb[], $6::bytea[]) as fresh (id, names, profile)""",
            self.workspace,
            side,
            NORM_VERSION,
            ids,
            [msgspec.json.encode(row[4]).decode() for row in kept],
            [row[5] for row in kept],
        )
        rows = sorted(self._key_rows(side, unique.values()))
        await self.conn.execute(
            """insert into matcher.identity_keys (key, id)
               select key, id from unnest($1::bigint[], $2::text[]) as f (key, id)""",
            [key for key, _ in rows],
            [i for _, i in rows],
        )

    async def fill(self, side: Side, profiles: Iterable[Profile]) -> None:
        """Add profiles by COPY, none of which is there yet: the first walk of a book."""
        waiting = iter(profiles)
        while some := tuple(islice(waiting, COPIED)):
            await self.conn.copy_records_to_table(
                "identity_profiles", schema_name="matcher", records=self._profile_rows(side, some)
            )
            await self.conn.copy_records_to_table(
                "identity_keys", schema_name="matcher", records=self._key_rows(side, some)
            )

    def _profile_rows(
        self, side: Side, profiles: Iterable[Profile]
    ) -> list[tuple[str, str, str, int, list[int], bytes]]:
        mixed = salt(self.workspace, "record")
        return [
            (
                self.workspace, side, p.id, NORM_VERSION,
                [key ^ mixed for key in name_keys(p)] if side == "customer" else [],
                msgspec.json.encode(p),
            )
            for p in profiles
        ]  # fmt: skip

    def _key_rows(self, side: Side, profiles: Iterable[Profile]) -> list[tuple[int, str]]:
        mixed = salt(self.workspace, side)
        return [(key ^ mixed, p.id) for p in profiles for key in keys_of(side, p)]

    async def remove(self, side: Side, ids: Sequence[str]) -> None:
        """Forget profiles; unknown ids are nothing to forget."""
        rows = await self.conn.fetch(
            """delete from matcher.identity_profiles
               where workspace = $1 and side = $2 and id = any($3::text[]) returning profile""",
            self.workspace,
            side,
            sorted(ids),
        )
        held = self._key_rows(side, [_profile.decode(row["profile"]) for row in rows])
        await self.conn.execute(
            """delete from matcher.identity_keys k
               using unnest($1::bigint[], $2::text[]) as gone (key, id)
               where k.key = gone.key and k.id = gone.id""",
            [key for key, _ in held],
            [i for _, i in held],
        )

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
