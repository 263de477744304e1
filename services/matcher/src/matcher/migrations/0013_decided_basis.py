"""The rules that customers who wait were last decided by: after an upgrade they are once more."""

from alembic import op

revision = "matcher_0013"
down_revision = "matcher_0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; none was noted, so whoever waits is decided again."""
    op.execute("alter table matcher.workspaces add column decided_basis text")


def downgrade() -> None:
    """Remove it again."""
    op.execute("alter table matcher.workspaces drop column decided_basis")
