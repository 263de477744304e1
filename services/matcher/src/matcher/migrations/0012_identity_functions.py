"""Storing profiles and looking around customers as functions, planned once in a session.

The services' sessions plan every statement for the values it gets, which for these two takes as
long as carrying them out. Their tables have one index each, so one plan fits all: it is kept, by
functions that say so for themselves. No join of two lists is left in them, so many customers cost
what one costs, that many times.
"""

from alembic import op

revision = "matcher_0012"
down_revision = "matcher_0011"
branch_labels = None
depends_on = None

_PLANNED_ONCE = """
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
    set enable_hashjoin = off set enable_mergejoin = off
"""
_POSTING = """
    array(select m.id from matcher.identity_keys m where m.key = k.key order by m.id limit $2)
"""
PUT = f"""
    create function matcher.identity_put(
        workspace text, side text, norm_version int, ids text[], profiles bytea[],
        keys bigint[], key_from int[], key_to int[],
        names bigint[], name_from int[], name_to int[]
    ) returns void language plpgsql {_PLANNED_ONCE} as $body$
    #variable_conflict use_column
    begin
    with fresh as materialized (
        select p.id, p.profile, $6[p.key_from:p.key_to] as keys, $9[p.name_from:p.name_to] as names
        from unnest($4, $5, $7, $8, $10, $11)
            as p (id, profile, key_from, key_to, name_from, name_to)),
    old as materialized (
        select q.id, q.keys from matcher.identity_profiles q
        where q.workspace = $1 and q.side = $2 and q.id = any($4)),
    stored as (
        insert into matcher.identity_profiles as q
            (workspace, side, id, norm_version, keys, names, profile)
        select $1, $2, f.id, $3, f.keys, f.names, f.profile from fresh f
        on conflict (workspace, side, id) do update
        set norm_version = excluded.norm_version, keys = excluded.keys, names = excluded.names,
            profile = excluded.profile),
    dropped as (
        delete from matcher.identity_keys k
        using (
            select o.id, unnest(o.keys) as key from old o
            except select f.id, unnest(f.keys) from fresh f) as gone
        where k.key = gone.key and k.id = gone.id)
    insert into matcher.identity_keys (key, id)
    select unnest(f.keys), f.id from fresh f
    except select unnest(o.keys), o.id from old o
    on conflict do nothing;
    end $body$
"""  # noqa: S608 - constants
VICINITY = f"""
    create function matcher.identity_vicinity(
        workspace text, holders int, domains bigint[],
        keys bigint[], worth float8[], always bool[], sought_from int[], sought_to int[],
        seekers int[], few int, nearest int, customers text[]
    ) returns table (part int, key bigint, ids text[], id text, profile bytea)
    language plpgsql stable {_PLANNED_ONCE} as $body$
    #variable_conflict use_column
    begin return query
    with domains as materialized (
        select k.key, {_POSTING} as ids from unnest($3) as k (key)),
    mates as materialized (
        select p.id, p.names, p.profile
        from (select distinct unnest(ids) as id from domains) as w
        cross join lateral (
            select q.id, q.names, q.profile from matcher.identity_profiles q
            where q.workspace = $1 and q.side = 'customer' and q.id = w.id limit 1) as p
        where w.id <> all($12)),
    found as materialized (
        select k.key, k.worth, k.always, k.sought_from, k.sought_to, {_POSTING} as ids
        from unnest($4, $5, $6, $7, $8) as k (key, worth, always, sought_from, sought_to)),
    near as (
        select c.customer, w.id, sum(f.worth / (1 + 0.1 * cardinality(f.ids))) as worth,
               bool_or(f.always) as always, min(cardinality(f.ids)) as fewest
        from found f cross join lateral unnest($9[f.sought_from:f.sought_to]) as c (customer)
        cross join lateral unnest(f.ids) as w (id)
        where f.always or cardinality(f.ids) < $2
        group by c.customer, w.id),
    ranked as (
        select id, always or fewest <= $10 as needed,
               row_number() over (partition by customer order by worth desc, id) as place
        from near),
    wanted as (select distinct id from ranked where needed or place <= $11)
    select 1 as part, d.key, d.ids, null as id, null::bytea as profile
    from domains d where d.ids <> '{{}}'
    union all select 2, f.key, f.ids, null, null from found f where f.ids <> '{{}}'
    union all select 2, k.key, {_POSTING}, null, null
              from (select distinct unnest(names) as key from mates) as k
    union all select 3, null, null, m.id, m.profile from mates m
    union all select 4, null, null, p.id, p.profile
    from wanted w cross join lateral (
        select q.id, q.profile from matcher.identity_profiles q
        where q.workspace = $1 and q.side = 'record' and q.id = w.id limit 1) as p;
    end $body$
"""  # noqa: S608 - constants


def upgrade() -> None:
    """Create them."""
    op.execute(PUT)
    op.execute(VICINITY)


def downgrade() -> None:
    """Remove them; statements of before do the same without."""
    op.execute("drop function matcher.identity_put")
    op.execute("drop function matcher.identity_vicinity")
