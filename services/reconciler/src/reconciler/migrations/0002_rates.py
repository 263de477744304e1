"""Exchange rates: what each workspace's source has said, and the tables made of it."""

from alembic import op

revision = "reconciler_0002"
down_revision = "reconciler_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the sources, the tables of rates, and the view that others read."""
    op.execute("""
        create table reconciler.rate_sources (
            workspace text primary key,
            source_digest text,
            content_hash text,
            etag text,
            last_modified text,
            days jsonb not null default '{}',
            newest_day date,
            checked_at timestamptz,
            failing_since timestamptz,
            broken boolean not null default false,
            error text
        )
    """)
    op.execute("""
        create table reconciler.rate_tables (
            workspace text not null,
            id text not null,
            body jsonb not null,
            received_at timestamptz not null,
            published boolean not null default false,
            primary key (workspace, id)
        )
    """)
    op.execute("""
        create view reconciler.rates_view as
        select s.workspace, s.newest_day, s.checked_at, s.failing_since, s.broken, s.error,
               (select max((t.body ->> 'revision')::bigint) from reconciler.rate_tables t
                where t.workspace = s.workspace and t.published) as revision
        from reconciler.rate_sources s
    """)


def downgrade() -> None:
    """Remove what `upgrade` made."""
    op.execute("drop view reconciler.rates_view")
    op.execute("drop table reconciler.rate_tables")
    op.execute("drop table reconciler.rate_sources")
