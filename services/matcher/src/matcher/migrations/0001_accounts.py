"""Objects, match keys, links, accounts, the ledger, the outbox, and the views others may read.

Primary keys start with the workspace; other indexes with their most selective column, so that no
plan made before the first ANALYZE walks a whole workspace for one key.
"""

from alembic import op

revision = "matcher_0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    """
    create table matcher.workspaces (
        workspace text primary key,
        sequence bigint not null default 0,
        published_up_to bigint not null default 0,
        outbox_sequence bigint not null default 0,
        outbox_published bigint not null default 0,
        now timestamptz,
        config_revision bigint,
        config jsonb,
        walks jsonb not null default '{}',
        fold_cursor jsonb
    ) with (fillfactor = 50)
    """,
    """
    create table matcher.objects (
        workspace text not null,
        key text not null,
        kind text not null,
        parent_key text,
        vendor_time_ms bigint not null,
        deleted boolean not null,
        content_hash text,
        body jsonb,
        held jsonb not null,
        needs text[] not null default '{}',
        primary key (workspace, key)
    ) with (fillfactor = 80)
    """,
    "create index objects_parent on matcher.objects (parent_key, workspace)",
    "create index objects_needs on matcher.objects using gin (needs) where needs <> '{}'",
    """
    create table matcher.match_keys (
        workspace text not null,
        side text not null check (side in ('billing', 'crm')),
        kind text not null,
        value text not null,
        key text not null,
        norm_version integer not null,
        primary key (workspace, side, kind, value, key)
    )
    """,
    "create index match_keys_owner on matcher.match_keys (key, workspace)",
    """
    create table matcher.accounts (
        workspace text not null,
        account_id text not null,
        founder_key text not null,
        founded_sequence bigint not null,
        version bigint not null,
        state jsonb not null,
        due_at timestamptz,
        fold_version integer not null,
        waiting boolean not null,
        had_mrr boolean not null,
        candidates text[] not null default '{}',
        attention jsonb not null default '{}',
        merged_into text,
        updated_at timestamptz not null default clock_timestamp(),
        primary key (workspace, account_id)
    ) with (fillfactor = 70)
    """,
    "create index accounts_due on matcher.accounts (workspace, due_at) where due_at is not null",
    """
    create index accounts_fold on matcher.accounts (workspace, fold_version)
        where merged_into is null
    """,
    "create index accounts_waiting on matcher.accounts (workspace, account_id) where waiting",
    """
    create table matcher.links (
        workspace text not null,
        key text not null,
        account_id text not null,
        opened_version bigint not null,
        closed_version bigint,
        method text not null,
        evidence text not null,
        primary key (workspace, key, opened_version)
    )
    """,
    "create unique index links_open on matcher.links (workspace, key) where closed_version is null",
    """
    create index links_account on matcher.links (account_id, workspace)
        where closed_version is null
    """,
    """
    create table matcher.account_changes (
        workspace text not null,
        sequence bigint not null,
        account_id text not null,
        effective_at timestamptz not null,
        recorded_at timestamptz not null default clock_timestamp(),
        cause jsonb not null,
        rule_version integer not null,
        config_revision bigint,
        before jsonb not null,
        after jsonb not null,
        movement text,
        mrr_before bigint,
        mrr_after bigint,
        events jsonb not null,
        primary key (workspace, sequence)
    )
    """,
    "create index account_changes_account on matcher.account_changes (account_id, workspace)",
    """
    create table matcher.outbox (
        workspace text not null,
        position bigint not null,
        topic text not null,
        key text not null,
        value jsonb not null,
        occurred_at timestamptz not null,
        primary key (workspace, position)
    )
    """,
    """
    create table matcher.decisions (
        workspace text not null,
        key text not null,
        revision bigint not null,
        body jsonb not null,
        primary key (workspace, key)
    )
    """,
)

VIEWS = (
    """
    create view matcher.account_view as
        select workspace, account_id, version, state, updated_at from matcher.accounts
        where merged_into is null
    """,
    """
    create view matcher.change_view as
        select workspace, sequence, account_id, effective_at, recorded_at, cause, rule_version,
               config_revision, before, after, movement, mrr_before, mrr_after, events
        from matcher.account_changes
    """,
    """
    create view matcher.outbox_view as
        select workspace, sequence + outbox_sequence as sequence,
               published_up_to + outbox_published as published_up_to
        from matcher.workspaces
    """,
    """
    create view matcher.customer_view as
        select l.workspace, l.account_id, l.key, o.body ->> 'name' as name,
               o.body ->> 'email' as email, coalesce(o.deleted, false) as deleted
        from matcher.links l
        left join matcher.objects o using (workspace, key)
        where l.closed_version is null and split_part(l.key, '/', 3) = 'customer'
    """,
    """
    create view matcher.attention_view as
        select workspace, item.key as kind, account_id as subject, 'open' as status,
               item.value ->> 'summary' as summary, (item.value ->> 'opened_at')::timestamptz
               as opened_at
        from matcher.accounts, jsonb_each(attention) item
        where merged_into is null
    """,
    """
    create view matcher.config_view as
        select workspace, config_revision as revision, config as body
        from matcher.workspaces
        where config is not null
    """,
    """
    create view matcher.object_view as
        select workspace, key, kind, parent_key, vendor_time_ms, deleted, content_hash
        from matcher.objects
    """,
)

VIEW_NAMES = (
    "config_view",
    "object_view",
    "attention_view",
    "customer_view",
    "outbox_view",
    "change_view",
    "account_view",
)
TABLE_NAMES = (
    "decisions",
    "outbox",
    "account_changes",
    "links",
    "accounts",
    "match_keys",
    "objects",
    "workspaces",
)


def upgrade() -> None:
    """Create the tables and views."""
    for statement in (*TABLES, *VIEWS):
        op.execute(statement)


def downgrade() -> None:
    """Remove them again."""
    for name in VIEW_NAMES:
        op.execute(f"drop view matcher.{name}")
    for name in TABLE_NAMES:
        op.execute(f"drop table matcher.{name}")
