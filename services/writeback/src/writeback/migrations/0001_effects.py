"""Effects, last seen records, and what leads to them; the views others may look at."""

from alembic import op

revision = "writeback_0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    """
    create table writeback.workspaces (
        workspace text primary key,
        config jsonb,
        config_revision bigint not null default 0,
        approved_revision bigint,
        gate text not null default 'config'
    )
    """,
    """
    create table writeback.walks (
        workspace text not null,
        connection text not null,
        revision bigint not null,
        primary key (workspace, connection)
    )
    """,
    """
    create table writeback.accounts (
        workspace text not null,
        account_id text not null,
        version bigint not null,
        state jsonb,
        primary key (workspace, account_id)
    ) with (fillfactor = 80)
    """,
    """
    create table writeback.records (
        workspace text not null,
        connection text not null,
        kind text not null,
        vendor_id text not null,
        properties jsonb not null,
        vendor_time_ms bigint not null,
        archived boolean not null,
        seen_at timestamptz,
        primary key (workspace, connection, kind, vendor_id)
    ) with (fillfactor = 80)
    """,
    """
    create table writeback.effects (
        workspace text not null,
        connection text not null,
        kind text not null,
        vendor_id text not null,
        account_id text not null,
        opened_version bigint not null,
        state_version bigint not null,
        closed boolean not null,
        desired jsonb not null,
        desired_hash text not null,
        provenance jsonb not null,
        priority smallint not null,
        received_at timestamptz,
        measured_from timestamptz,
        state text not null check (state in ('pending', 'held', 'applied', 'failed', 'skipped')),
        held_by text,
        revision bigint not null,
        attempts integer not null,
        row_failures integer not null,
        next_attempt_at timestamptz not null,
        last_error text,
        applied jsonb not null,
        applied_hash text,
        applied_version bigint,
        echoed jsonb not null,
        replaced jsonb not null,
        conflicts jsonb not null,
        stamp jsonb not null,
        writes bigint not null,
        sending jsonb,
        sending_key text,
        sending_since timestamptz,
        primary key (workspace, connection, kind, vendor_id)
    ) with (fillfactor = 70)
    """,
    """
    create index effects_due
        on writeback.effects (workspace, connection, kind, priority, received_at)
        where state = 'pending'
    """,
    "create index effects_account on writeback.effects (workspace, account_id)",
    "create index effects_open on writeback.effects (state) where state <> 'applied'",
    """
    create table writeback.conflicts (
        id bigint generated always as identity primary key,
        workspace text not null,
        connection text not null,
        kind text not null,
        vendor_id text not null,
        property text not null,
        observed text not null,
        applied text not null,
        desired text not null,
        resolution text not null,
        at timestamptz not null default clock_timestamp()
    )
    """,
    "create index conflicts_record on writeback.conflicts (workspace, connection, kind, vendor_id)",
    """
    create table writeback.outcomes (
        id bigint generated always as identity primary key,
        outcome jsonb not null
    )
    """,
    """
    create table writeback.attention (
        workspace text not null,
        kind text not null,
        subject text not null,
        status text not null check (status in ('open', 'closed')),
        summary text not null,
        details jsonb not null,
        opened_at timestamptz not null,
        changed_at timestamptz not null,
        published boolean not null,
        primary key (workspace, kind, subject)
    )
    """,
    "create index attention_unpublished on writeback.attention (changed_at) where not published",
)

# While the first walks run, effects wait for work that is under way, not for a person.
VIEWS = (
    """
    create view writeback.pending_effects as
        select workspace, connection, shown as state, count(*) as n
        from (select workspace, connection,
                     case when state = 'held' and held_by in ('config', 'walks') then 'pending'
                          else state end as shown
              from writeback.effects
              where state in ('pending', 'held', 'failed')) as waiting
        group by workspace, connection, shown
    """,
    """
    create view writeback.desired_values as
        select workspace, connection, kind, vendor_id, desired || stamp as properties
        from writeback.effects
    """,
    """
    create view writeback.attention_view as
        select workspace, kind, subject, status, summary, opened_at, details
        from writeback.attention
    """,
    """
    create view writeback.plan_view as
        select e.workspace, e.connection,
               e.workspace || '/' || e.connection || '/' || e.kind || '/' || e.vendor_id
                   as record_key,
               e.account_id, e.desired, coalesce(r.properties, '{}'::jsonb) as seen, e.state,
               e.held_by, e.provenance
        from writeback.effects as e
        left join writeback.records as r using (workspace, connection, kind, vendor_id)
        where e.state in ('pending', 'held', 'failed')
    """,
    """
    create view writeback.conflict_view as
        select workspace, connection, kind, vendor_id, property, observed, applied, desired,
               resolution, at
        from writeback.conflicts
    """,
)


def upgrade() -> None:
    """Create the tables and views."""
    for statement in TABLES + VIEWS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them again."""
    for view in ("conflict_view", "plan_view", "attention_view", "desired_values",
                 "pending_effects"):  # fmt: skip
        op.execute(f"drop view writeback.{view}")
    for table in ("attention", "outcomes", "conflicts", "effects", "records", "accounts", "walks",
                  "workspaces"):  # fmt: skip
        op.execute(f"drop table writeback.{table}")
