"""What people decided about matches, by customer, as far as it stands."""

from alembic import op

revision = "matcher_0008"
down_revision = "matcher_0007"
branch_labels = None
depends_on = None

STEPS = (
    """
    create table matcher.rulings (
        workspace text not null,
        customer text not null,
        decision_key text not null,
        action text not null,
        other text,
        decided_by text not null,
        primary key (workspace, customer, decision_key)
    )
    """,
    "create index rulings_decision on matcher.rulings (decision_key, workspace)",
    "alter table matcher.workspaces add column agencies jsonb not null default '{}'",
    "alter table matcher.accounts add column kept_merged boolean not null default false",
)
BACK = (
    "alter table matcher.accounts drop column kept_merged",
    "alter table matcher.workspaces drop column agencies",
    "drop table matcher.rulings",
)


def upgrade() -> None:
    """Create them; nothing was decided yet."""
    for step in STEPS:
        op.execute(step)


def downgrade() -> None:
    """Remove them."""
    for step in BACK:
        op.execute(step)
