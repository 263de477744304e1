"""What is left to publish of a workspace, and that it is published, as one function each."""

from alembic import op

revision = "matcher_0017"
down_revision = "matcher_0016"
branch_labels = None
depends_on = None

TYPES = {
    "left_change": """
        sequence bigint, account_id text, effective_at timestamptz, events text, cause_key text,
        cause_event text, cause_origin text, cause_time timestamptz, received_at timestamptz
    """,
    "left_message": """
        "position" bigint, topic text, key text, value text, occurred_at timestamptz
    """,
    "left_state": """
        account_id text, version bigint, state text, merged_into text, effective_at text
    """,
}
_PLANNED_ONCE = """
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
    set enable_hashjoin = off set enable_mergejoin = off
"""
UNPUBLISHED = f"""
    create function matcher.unpublished(workspace text, doubtful bigint, most int)
    returns table (
        changes matcher.left_change[], messages matcher.left_message[],
        states matcher.left_state[]
    ) language plpgsql volatile {_PLANNED_ONCE} as $body$
    #variable_conflict use_column
    begin
    -- Within the transaction: PostgreSQL ends the session of a holder that sleeps (design 6).
    perform pg_advisory_xact_lock(hashtextextended('matcher.outbox/' || $1, 0));
    -- What a crash of the server forgets of the marks is published again, under the same ids.
    perform set_config('synchronous_commit', 'off', true);
    return query
    with left_over as materialized (
        select c.* from matcher.account_changes c
        where c.workspace = $1 and c.sequence > (
            select least(w.published_up_to, $2) from matcher.workspaces w where w.workspace = $1)
        order by c.sequence limit $3)
    select
        array(select (c.sequence, c.account_id, c.effective_at, c.events::text,
                      c.cause ->> 'key', c.cause ->> 'event_id', c.cause ->> 'origin',
                      (c.cause ->> 'vendor_time')::timestamptz,
                      (c.cause ->> 'received_at')::timestamptz)::matcher.left_change
              from left_over c order by c.sequence),
        array(select (o.position, o.topic, o.key, o.value::text, o.occurred_at)
                     ::matcher.left_message
              from matcher.outbox o where o.workspace = $1 order by o.position limit $3),
        array(select (a.account_id, a.version, a.state::text, a.merged_into,
                      a.state ->> 'effective_at')::matcher.left_state
              from (select distinct c.account_id from left_over c) as w cross join lateral (
                  select a.* from matcher.accounts a
                  where a.workspace = $1 and a.account_id = w.account_id offset 0) as a
              order by a.merged_into is null, a.version);
    end $body$
"""  # noqa: S608 - constants
PUBLISHED = f"""
    create function matcher.published(workspace text, sequence bigint, last bigint)
    returns void language plpgsql {_PLANNED_ONCE} as $body$
    #variable_conflict use_column
    begin
    update matcher.workspaces w set
        published_up_to = greatest(w.published_up_to, $2),
        outbox_published = greatest(w.outbox_published, $3)
    where w.workspace = $1;
    if $3 > 0 then
        delete from matcher.outbox o where o.workspace = $1 and o.position <= $3;
    end if;
    end $body$
"""  # noqa: S608 - constants


def upgrade() -> None:
    """Create them, and the types of their rows."""
    for name, columns in TYPES.items():
        op.execute(f"create type matcher.{name} as ({columns})")
    op.execute(UNPUBLISHED)
    op.execute(PUBLISHED)


def downgrade() -> None:
    """Remove them; statements of before do the same without."""
    op.execute("drop function matcher.published")
    op.execute("drop function matcher.unpublished")
    for name in TYPES:
        op.execute(f"drop type matcher.{name}")
