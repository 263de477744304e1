"""The ledger as who adds it up sees it tells each movement of a row that has two."""

from alembic import op

revision = "matcher_0010"
down_revision = "matcher_0009"
branch_labels = None
depends_on = None

VIEW = """
    create or replace view matcher.ledger_view as
        select workspace, sequence, account_id, effective_at, cause, movement,
               mrr_before, before #>> '{fields.mrr,value,currency}' as currency_before,
               mrr_after,
               coalesce(
                   after #>> '{fields.mrr,value,currency}',
                   after #>> '{mrr_at_former_rates,currency}'
               ) as currency_after,
               after -> 'fields.plan' is not null as plan_told,
               after #>> '{fields.plan,value}' as plan,
               (after #>> '{mrr_at_former_rates,minor}')::bigint as mrr_at_former_rates,
               after ->> 'planned_movement' as planned_movement
        from matcher.account_changes
"""
BEFORE = """
    create view matcher.ledger_view as
        select workspace, sequence, account_id, effective_at, cause, movement,
               mrr_before, before #>> '{fields.mrr,value,currency}' as currency_before,
               mrr_after, after #>> '{fields.mrr,value,currency}' as currency_after,
               after -> 'fields.plan' is not null as plan_told,
               after #>> '{fields.plan,value}' as plan
        from matcher.account_changes
"""


def upgrade() -> None:
    """Add the column to the view."""
    op.execute(VIEW)


def downgrade() -> None:
    """Remove it again."""
    op.execute("drop view matcher.ledger_view")
    op.execute(BEFORE)
