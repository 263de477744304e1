"""Records to be created for accounts, and looks at records that were."""

from alembic import op

revision = "writeback_0006"
down_revision = "writeback_0005"
branch_labels = None
depends_on = None

TABLES = (
    """
    create table writeback.creations (
        workspace text not null,
        account_id text not null,
        connection text not null,
        kind text not null,
        wanted boolean not null,
        name text not null,
        domain text,
        email text,
        lock text not null,
        customers jsonb not null,
        state_version bigint not null,
        state text not null
            check (state in ('pending', 'held', 'sending', 'created', 'failed', 'done')),
        doubted boolean not null,
        vendor_id text,
        attempts integer not null,
        next_attempt_at timestamptz not null,
        since timestamptz not null,
        received_at timestamptz not null,
        last_error text,
        primary key (workspace, account_id)
    ) with (fillfactor = 70)
    """,
    """
    create index creations_lock on writeback.creations (workspace, lock)
    """,
    """
    create table writeback.looks (
        id bigint generated always as identity primary key,
        key text not null,
        reason text not null,
        requested_at timestamptz not null
    )
    """,
)
PENDING = """
create or replace view writeback.pending_effects as
    select workspace, connection, shown as state, count(*) as n,
           min(due_since) as due_since
    from (select workspace, connection,
                 case when state = 'held' and held_by in ('config', 'walks') then 'pending'
                      else state end as shown,
                 case when state = 'pending' then greatest(received_at, rests_until)
                      end as due_since
          from writeback.effects
          where state in ('pending', 'held', 'failed')
          union all
          select c.workspace, c.connection,
                 case when c.state in ('pending', 'sending', 'created')
                           and coalesce(w.gate, 'config') in ('plan', 'dry_run') then 'held'
                      when c.state in ('sending', 'created') then 'pending'
                      else c.state end,
                 case when c.state in ('pending', 'sending') then c.received_at end
          from writeback.creations c left join writeback.workspaces w using (workspace)
          where c.state <> 'done') as waiting
    group by workspace, connection, shown
"""
PLAN = """
create or replace view writeback.plan_view as
    select e.workspace, e.connection,
           e.workspace || '/' || e.connection || '/' || e.kind || '/' || e.vendor_id
               as record_key,
           e.account_id, e.desired, coalesce(r.properties, '{}'::jsonb) as seen, e.state,
           e.held_by, e.provenance
    from writeback.effects as e
    left join writeback.records as r using (workspace, connection, kind, vendor_id)
    where e.state in ('pending', 'held', 'failed')
    union all
    select c.workspace, c.connection,
           c.workspace || '/' || c.connection || '/' || c.kind || '/new:' || c.account_id,
           c.account_id,
           jsonb_strip_nulls(jsonb_build_object(
               'name', case when c.kind = 'company' then c.name end,
               'domain', c.domain, 'email', c.email)),
           '{}'::jsonb,
           case when c.state in ('pending', 'sending', 'created')
                     and coalesce(w.gate, 'config') <> '' then 'held' else c.state end,
           case when c.state = 'held' then 'mass_change'
                when c.state in ('pending', 'sending', 'created')
                then nullif(coalesce(w.gate, 'config'), '') end,
           '{}'::jsonb
    from writeback.creations c left join writeback.workspaces w using (workspace)
    where c.state <> 'done'
"""
FORMER = (
    """
    create or replace view writeback.pending_effects as
        select workspace, connection, shown as state, count(*) as n, min(due_since) as due_since
        from (select workspace, connection,
                     case when state = 'held' and held_by in ('config', 'walks') then 'pending'
                          else state end as shown,
                     case when state = 'pending' then greatest(received_at, rests_until)
                          end as due_since
              from writeback.effects
              where state in ('pending', 'held', 'failed')) as waiting
        group by workspace, connection, shown
    """,
    """
    create or replace view writeback.plan_view as
        select e.workspace, e.connection,
               e.workspace || '/' || e.connection || '/' || e.kind || '/' || e.vendor_id
                   as record_key,
               e.account_id, e.desired, coalesce(r.properties, '{}'::jsonb) as seen, e.state,
               e.held_by, e.provenance
        from writeback.effects as e
        left join writeback.records as r using (workspace, connection, kind, vendor_id)
        where e.state in ('pending', 'held', 'failed')
    """,
)


def upgrade() -> None:
    """Make the tables; the views show creations as well."""
    for statement in (*TABLES, PENDING, PLAN):
        op.execute(statement)


def downgrade() -> None:
    """The views as they were, without the tables."""
    for statement in FORMER:
        op.execute(statement)
    for table in ("looks", "creations"):
        op.execute(f"drop table writeback.{table}")
