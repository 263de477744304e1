"""The ledger as far as MRR is concerned, for who adds it up: narrow, and without its documents."""

from alembic import op

revision = "matcher_0005"
down_revision = "matcher_0004"
branch_labels = None
depends_on = None

VIEW = """
    create view matcher.ledger_view as
        select workspace, sequence, account_id, effective_at, cause, movement,
               mrr_before, before #>> '{fields.mrr,value,currency}' as currency_before,
               mrr_after, after #>> '{fields.mrr,value,currency}' as currency_after,
               after -> 'fields.plan' is not null as plan_told,
               after #>> '{fields.plan,value}' as plan
        from matcher.account_changes
"""


def upgrade() -> None:
    """Create the view."""
    op.execute(VIEW)


def downgrade() -> None:
    """Remove it again."""
    op.execute("drop view matcher.ledger_view")
