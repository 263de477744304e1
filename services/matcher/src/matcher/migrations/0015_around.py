"""What a small run of records pulls, as one function: one round trip, planned once in a session.

From objects and external keys to the accounts they are linked to, all links of those, their
customers whole, and what is kept of what hangs on these; where identity may move, profiles and
rulings as well. Each look-up has one index it may go through (migration 0014), so the kept plan is
right for every size of the tables.
"""

from alembic import op

revision = "matcher_0015"
down_revision = "matcher_0014"
branch_labels = None
depends_on = None

TYPES = {
    "found_object": """
        key text, kind text, parent_key text, vendor_time_ms bigint, deleted boolean, newer boolean,
        needs text[], body text, held text, facts text
    """,
    "found_link": """
        key text, account_id text, opened_version bigint, method text, evidence text, proof text,
        decided_by text
    """,
    "found_account": """
        account_id text, founder_key text, founded_sequence bigint, state text, due_at timestamptz,
        fold_version int, had_mrr boolean, candidates text[], attention text, merged_into text,
        incomplete_since timestamptz, last_mrr bigint, kept_merged boolean
    """,
    "found_profile": "side text, id text, profile bytea",
    "found_ruling": """
        customer text, decision_key text, action text, other text, decided_by text
    """,
}
_PLANNED_ONCE = """
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
    set enable_hashjoin = off set enable_mergejoin = off
"""
_HELD = """
    select l.key, l.account_id, l.opened_version, l.method, l.evidence, l.proof::text, l.decided_by
    from (select distinct l.account_id from {keys} as w (key) cross join lateral (
              select l.account_id from matcher.links l
              where l.workspace = $1 and l.key = w.key and l.closed_version is null
              offset 0) as l) as w
    cross join lateral (
        select l.* from matcher.links l
        where l.account_id = w.account_id and l.closed_version is null
          and l.workspace || '' = $1 offset 0) as l
"""
LINKED = f"""
    create function matcher.linked(workspace text, keys text[]) returns setof matcher.found_link
    language plpgsql stable {_PLANNED_ONCE} as $body$
    #variable_conflict use_column
    begin return query {_HELD.format(keys="unnest($2)")}; end $body$
"""
_ONE = "from matcher.objects o where o.workspace = $1 and o.key = w.key offset 0"
AROUND = f"""
    create function matcher.around(
        workspace text, kept_version int, sights text[], newest bigint[], keys text[],
        complete text[], kinds text[], identity boolean
    ) returns table (
        objects matcher.found_object[], links matcher.found_link[],
        accounts matcher.found_account[], customers matcher.found_object[],
        kept matcher.found_object[], profiles matcher.found_profile[],
        rulings matcher.found_ruling[]
    ) language plpgsql stable {_PLANNED_ONCE} as $body$
    #variable_conflict use_column
    begin return query
    with stored as materialized (
        select o.* from unnest($3, $4) as w (key, newest) cross join lateral (
            select o.*, coalesce(o.content_hash is not null and o.vendor_time_ms > w.newest, false)
                        as newer {_ONE}) as o),
    pulled as materialized (
        select unnest($5) as key
        union select s.parent_key from stored s where not s.newer and s.parent_key is not null),
    held as materialized ({_HELD.format(keys="pulled")}),
    people as materialized (
        select w.key from (select h.key from held h union select p.key from pulled p) as w
        where split_part(w.key, '/', 3) = 'customer'),
    whole as materialized (
        select o.* from people w cross join lateral (select o.* {_ONE}) as o
        where w.key <> all(array(select s.key from stored s where not s.newer))),
    beside as materialized (
        select o.* from people w cross join lateral (
            select o.*, coalesce(o.facts_version = $2, false) as fresh from matcher.objects o
            where o.parent_key = w.key and o.kind = any($7) and o.workspace || '' = $1
            offset 0) as o
        where w.key <> all($6)
          and o.key <> all(array(select s.key from stored s where not s.newer)))
    select
        array(select (s.key, s.kind, s.parent_key, s.vendor_time_ms, s.deleted, s.newer, s.needs,
                      case when not s.newer then s.body::text end,
                      case when not s.newer then s.held::text end,
                      case when not s.newer and s.facts_version = $2 then s.facts::text end
                     )::matcher.found_object from stored s),
        array(select h::matcher.found_link from held h),
        array(select (a.account_id, a.founder_key, a.founded_sequence, a.state::text, a.due_at,
                      a.fold_version, a.had_mrr, a.candidates, a.attention::text, a.merged_into,
                      a.incomplete_since, a.last_mrr, a.kept_merged)::matcher.found_account
              from (select distinct h.account_id from held h) as w cross join lateral (
                  select a.* from matcher.accounts a
                  where a.workspace = $1 and a.account_id = w.account_id offset 0) as a),
        array(select (o.key, o.kind, o.parent_key, o.vendor_time_ms, o.deleted, false, o.needs,
                      o.body::text, o.held::text,
                      case when o.facts_version = $2 then o.facts::text end)::matcher.found_object
              from whole o),
        array(select (o.key, o.kind, o.parent_key, o.vendor_time_ms, o.deleted, o.fresh, o.needs,
                      case when not o.fresh then o.body::text end,
                      case when not o.fresh then o.held::text end,
                      case when o.fresh then o.facts::text end)::matcher.found_object
              from beside o),
        array(select (p.side, p.id, p.profile)::matcher.found_profile
              from (select 'customer' as side, w.key from people w union all
                    select 'record', w.key from pulled w
                    where split_part(w.key, '/', 3) <> 'customer') as w
              cross join lateral (
                  select p.side, p.id, p.profile from matcher.identity_profiles p
                  where p.workspace = $1 and p.side = w.side
                    and p.id = substr(w.key, length($1) + 2) offset 0) as p
              where $8),
        array(select (r.customer, r.decision_key, r.action, r.other, r.decided_by)
                     ::matcher.found_ruling
              from people w cross join lateral (
                  select r.* from matcher.rulings r
                  where r.workspace = $1 and r.customer = w.key offset 0) as r
              where $8);
    end $body$
"""  # noqa: S608 - constants

NEAR = f"""
    create function matcher.identity_near(
        workspace text, holders int, domains bigint[],
        keys bigint[], worth float8[], always bool[], sought_from int[], sought_to int[],
        seekers int[], few int, nearest int, customers text[]
    ) returns table (part int, key bigint, ids text[], id text, profile bytea, linked boolean)
    language plpgsql stable {_PLANNED_ONCE} as $body$
    #variable_conflict use_column
    begin return query
    select v.part, v.key, v.ids, v.id, v.profile,
           v.part = 4 and exists (
               select 1 from matcher.links l
               where l.workspace = $1 and l.key = $1 || '/' || v.id and l.closed_version is null)
    from matcher.identity_vicinity($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) v;
    end $body$
"""  # noqa: S608 - constants
"""Beside what is around customers, whether the records there are linked: most are not."""


def upgrade() -> None:
    """Create them, and the types of their rows."""
    for name, columns in TYPES.items():
        op.execute(f"create type matcher.{name} as ({columns})")
    op.execute(LINKED)
    op.execute(AROUND)
    op.execute(NEAR)


def downgrade() -> None:
    """Remove them; statements of before do the same without."""
    op.execute("drop function matcher.identity_near")
    op.execute("drop function matcher.around")
    op.execute("drop function matcher.linked")
    for name in TYPES:
        op.execute(f"drop type matcher.{name}")
