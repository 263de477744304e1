"""What needs a person, of every service, until `attention.v1` has it."""

from alembic import op

revision = "0003"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table that `plumbline_runtime.attention` writes, and what others may read."""
    op.execute("""
        create table runtime.attention (
            workspace text not null,
            kind text not null,
            subject text not null,
            status text not null check (status in ('open', 'closed')),
            summary text not null,
            details jsonb not null,
            opened_at timestamptz not null,
            changed_at timestamptz not null,
            version bigint not null,
            published_version bigint not null default 0,
            primary key (workspace, kind, subject)
        )
    """)
    op.execute("""
        create index attention_unpublished on runtime.attention (version)
        where published_version < version
    """)
    op.execute("""
        create view runtime.attention_view as
            select workspace, kind, subject, status, summary, opened_at, changed_at, details
            from runtime.attention
    """)


def downgrade() -> None:
    """Remove what `upgrade` made."""
    op.execute("drop view runtime.attention_view")
    op.execute("drop table runtime.attention")
