"""What numbers were worked out from, for `accounts why`: objects, rates, and the log's time."""

from alembic import op

revision = "matcher_0011"
down_revision = "matcher_0010"
branch_labels = None
depends_on = None

VIEWS = {
    "working_view": """
        select workspace, key, kind, parent_key, vendor_time_ms, deleted, needs, body
        from matcher.objects
    """,
    "rate_view": "select workspace, name, revision, body from matcher.rates",
    "clock_view": "select workspace, now from matcher.workspaces",
}


def upgrade() -> None:
    """Create the views."""
    for name, query in VIEWS.items():
        op.execute(f"create view matcher.{name} as {query}")


def downgrade() -> None:
    """Remove them again."""
    for name in VIEWS:
        op.execute(f"drop view matcher.{name}")
