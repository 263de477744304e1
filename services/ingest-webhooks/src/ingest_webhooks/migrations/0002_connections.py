"""Why a connection is refused is an attention item since 0.2; the columns were never written."""

from alembic import op

revision = "ingest_webhooks_0002"
down_revision = "ingest_webhooks_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop what nothing reads or writes."""
    op.execute(
        "alter table ingest_webhooks.connections"
        " drop column refused_since, drop column refused_error"
    )


def downgrade() -> None:
    """Put them back, empty as they always were."""
    op.execute(
        "alter table ingest_webhooks.connections"
        " add column refused_since timestamptz, add column refused_error text"
    )
