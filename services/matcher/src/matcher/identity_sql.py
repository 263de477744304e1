"""Statements of the key index: its tables, and what is asked of them in one round trip each."""

from typing import Final

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
"""As the migration makes them, without their indexes: a first fill is faster so.

A key is salted with its workspace and side, so that one narrow index serves all of them.
"""

INDEXES: Final = """
alter table matcher.identity_profiles add primary key (workspace, side, id);
alter table matcher.identity_keys add primary key (key, id);
"""

_POSTING: Final = """
    array(select m.id from matcher.identity_keys m where m.key = k.key order by m.id limit $2)
"""

LOOK_UP: Final = f"select k.key, {_POSTING} as ids from unnest($1::bigint[]) as k (key)"  # noqa: S608 - constants

GATHER: Final = f"""
with domains as materialized (
    select k.key, {_POSTING} as ids from unnest($3::bigint[]) as k (key)),
mates as materialized (
    select p.id, p.names, p.profile
    from (select distinct unnest(ids) as id from domains) as w
    cross join lateral (
        select q.id, q.names, q.profile from matcher.identity_profiles q
        where q.workspace = $1 and q.side = 'customer' and q.id = w.id limit 1) as p
    where w.id <> all($10::text[])),
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

PUT: Final = """
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

REMOVE: Final = """
with gone as (
    delete from matcher.identity_profiles
    where workspace = $1 and side = $2 and id = any($3::text[]) returning id, keys)
delete from matcher.identity_keys k
using (select id, unnest(keys) as key from gone) as held
where k.key = held.key and k.id = held.id
"""

PROFILES: Final = """
select p.side, p.id, p.profile from unnest($2::text[], $3::text[]) as w (side, id)
cross join lateral (
    select q.side, q.id, q.profile from matcher.identity_profiles q
    where q.workspace = $1 and q.side = w.side and q.id = w.id limit 1) as p
"""
