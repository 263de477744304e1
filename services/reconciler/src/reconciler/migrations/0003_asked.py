"""What a walk asked of each kind: where more is asked by now, the kind is read once more."""

from alembic import op

revision = "reconciler_0003"
down_revision = "reconciler_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what earlier walks asked was not noted, so they are renewed."""
    op.execute("alter table reconciler.walks add column asked jsonb not null default '{}'")


def downgrade() -> None:
    """Remove it again, with the walks that only renewed."""
    op.execute("delete from reconciler.walks where scope = 'renewed'")
    op.execute("alter table reconciler.walks drop column asked")
