"""What the review commands read: standing decisions, objects as they are known, profiles."""

from alembic import op

revision = "matcher_0009"
down_revision = "matcher_0008"
branch_labels = None
depends_on = None

VIEWS = {
    "decision_view": "select workspace, key, revision, body from matcher.decisions",
    "known_view": """
        select workspace, key, kind, deleted, body::jsonb as body
        from matcher.objects where kind in ('customer', 'company', 'contact')
    """,
    "identity_profile_view": """
        select workspace, side, id, norm_version, profile from matcher.identity_profiles
    """,
}


def upgrade() -> None:
    """Create the views."""
    for name, query in VIEWS.items():
        op.execute(f"create view matcher.{name} as {query}")


def downgrade() -> None:
    """Remove them again."""
    for name in VIEWS:
        op.execute(f"drop view matcher.{name}")
