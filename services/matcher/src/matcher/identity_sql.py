"""Statements of the key index: what is asked of its two tables in one round trip each.

A key is salted with its workspace and side, so that one narrow index serves all of them. The
larger statements are functions of the database, planned once in a session (migrations 0012, 0015).
Numbers go as text: asyncpg looks at each number of a list more closely than PostgreSQL does.
"""

from collections.abc import Iterable
from typing import Final

WITHOUT_INDEXES: Final = """
alter table matcher.identity_profiles drop constraint identity_profiles_pkey;
alter table matcher.identity_keys drop constraint identity_keys_pkey;
"""
"""The tables as a first fill of an empty database wants them: it is faster so."""

INDEXES: Final = """
alter table matcher.identity_profiles add primary key (workspace, side, id);
alter table matcher.identity_keys add primary key (key, id);
"""

_POSTING: Final = """
    array(select m.id from matcher.identity_keys m where m.key = k.key order by m.id limit $2)
"""

LOOK_UP: Final = f"select k.key, {_POSTING} as ids from unnest($1::bigint[]) as k (key)"  # noqa: S608 - constants

VICINITY: Final = """
select * from matcher.identity_near(
    $1, $2, $3::text::bigint[], $4::text::bigint[], $5::text::float8[], $6::text::bool[],
    $7::text::int[], $8::text::int[], $9::text::int[], $10, $11, $12)
"""

PUT: Final = "identity_put"
"""A function that is called with the storing of all else (`Call`)."""

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


def listed(values: Iterable[float]) -> str:
    """Numbers or booleans as PostgreSQL writes an array."""
    return "{" + ",".join(map(str, values)) + "}"
