"""Bodies whose answer never came, and when their record is looked at again."""

from alembic import op

revision = "writeback_0004"
down_revision = "writeback_0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    alter table writeback.effects
        add column late jsonb not null default '{}',
        add column late_until timestamptz,
        add column look_at timestamptz
    """,
    """
    create index effects_late on writeback.effects (workspace, connection, kind, look_at)
        where look_at is not null
    """,
)


def upgrade() -> None:
    """Add the columns; of calls that are out now nothing is known yet."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them again, with the index."""
    op.execute(
        """alter table writeback.effects
           drop column late, drop column late_until, drop column look_at"""
    )
