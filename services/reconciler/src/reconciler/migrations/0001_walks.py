"""Where each walk of a vendor's book stands."""

from alembic import op

revision = "reconciler_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of walks and the view that others read."""
    op.execute("""
        create table reconciler.walks (
            workspace text not null,
            connection text not null,
            scope text not null,
            kind text not null,
            cursor text,
            rows jsonb not null default '{}',
            skipped jsonb not null default '{}',
            state text not null default 'running' check (state in ('running', 'completed')),
            started_at timestamptz not null default now(),
            updated_at timestamptz not null default now(),
            completed_at timestamptz,
            primary key (workspace, connection, scope)
        )
    """)
    op.execute("""
        create view reconciler.walk_view as
        select workspace, connection, scope, kind, rows, skipped, state,
               started_at, updated_at, completed_at
        from reconciler.walks
    """)


def downgrade() -> None:
    """Remove what `upgrade` made."""
    op.execute("drop view reconciler.walk_view")
    op.execute("drop table reconciler.walks")
