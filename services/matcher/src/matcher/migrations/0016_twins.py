"""What duplicates on write look at, as one function that goes with the storing of the profiles.

Who holds the keys of profiles that changed, the profiles of those unless they are many, and the
items that are open about whom changed. It is volatile: it sees what its own statement has stored.
"""

from alembic import op

revision = "matcher_0016"
down_revision = "matcher_0015"
branch_labels = None
depends_on = None

TYPES = {
    "found_posting": "key bigint, ids text[]",
    "found_twins": """
        postings matcher.found_posting[], profiles matcher.found_profile[], whole boolean,
        items text[]
    """,
}
TWINS = """
    create function matcher.twins(
        workspace text, side text, keys bigint[], names bigint[], many int, mine text[], most int,
        kind text, subjects text[]
    ) returns matcher.found_twins language plpgsql volatile
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
    set enable_hashjoin = off set enable_mergejoin = off as $body$
    #variable_conflict use_column
    declare looked matcher.found_twins;
    begin
    with held as materialized (
        select k.key, array(select m.id from matcher.identity_keys m where m.key = k.key
                            order by m.id limit $5) as ids
        from unnest($3) as k (key)),
    near as materialized (
        select distinct w.id from held h cross join lateral unnest(h.ids) as w (id)
        where (cardinality(h.ids) < $5 or h.key = any($4)) and w.id <> all($6)),
    size as materialized (select count(*) <= $7 as whole from near)
    select array(select (h.key, h.ids)::matcher.found_posting from held h where h.ids <> '{}'),
           array(select (p.side, p.id, p.profile)::matcher.found_profile
                 from size z cross join near w cross join lateral (
                     select p.side, p.id, p.profile from matcher.identity_profiles p
                     where p.workspace = $1 and p.side = $2 and p.id = w.id offset 0) as p
                 where z.whole),
           (select z.whole from size z),
           array(select i.subject from runtime.attention_view i
                 where i.workspace = $1 and i.kind = $8 and i.status = 'open'
                   and (split_part(i.subject, '|', 1) = any($9)
                        or split_part(i.subject, '|', 2) = any($9)))
    into looked;
    return looked;
    end $body$
"""


def upgrade() -> None:
    """Create it, and the types of what it returns."""
    for name, columns in TYPES.items():
        op.execute(f"create type matcher.{name} as ({columns})")
    op.execute(TWINS)


def downgrade() -> None:
    """Remove them; statements of before do the same without."""
    op.execute("drop function matcher.twins")
    for name in reversed(TYPES):
        op.execute(f"drop type matcher.{name}")
