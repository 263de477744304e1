"""What an account needs of a subscription or an invoice, kept beside the object.

Saved work: rows without it, or with that of another version, are read whole and get it when they
are next written.
"""

from alembic import op

revision = "matcher_0004"
down_revision = "matcher_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; old rows have none."""
    op.execute("alter table matcher.objects add column facts json, add column facts_version int")


def downgrade() -> None:
    """Remove them."""
    op.execute("alter table matcher.objects drop column facts, drop column facts_version")
