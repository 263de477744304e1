"""Open dead letters, as the `.dlq` topics tell them."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create what `plumbline_runtime.letter_clerk` folds the dead-letter topics into."""
    op.execute("""
        create table runtime.dead_letters (
            topic text not null,
            partition int not null,
            letter_offset bigint not null,
            workspace text not null,
            connection text not null,
            reason text not null,
            first_failed_at timestamptz not null,
            written_at timestamptz not null,
            primary key (topic, partition, letter_offset)
        )
    """)
    op.execute("""
        create index dead_letters_cause
        on runtime.dead_letters (topic, connection, reason, workspace)
    """)
    op.execute("""
        create view runtime.dead_letter_view as
            select topic, count(*) as letters, min(first_failed_at) as first_failed_at
            from runtime.dead_letters group by topic
    """)


def downgrade() -> None:
    """Remove what `upgrade` made."""
    op.execute("drop view runtime.dead_letter_view")
    op.execute("drop table runtime.dead_letters")
