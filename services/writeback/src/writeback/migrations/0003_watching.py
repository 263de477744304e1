"""What an operator asks: since when has the oldest due effect waited."""

from alembic import op

revision = "writeback_0003"
down_revision = "writeback_0002"
branch_labels = None
depends_on = None

_VIEW = """
create or replace view writeback.pending_effects as
    select workspace, connection, shown as state, count(*) as n{column}
    from (select workspace, connection,
                 case when state = 'held' and held_by in ('config', 'walks') then 'pending'
                      else state end as shown,
                 case when state = 'pending' then greatest(received_at, rests_until)
                      end as due_since
          from writeback.effects
          where state in ('pending', 'held', 'failed')) as waiting
    group by workspace, connection, shown
"""


def upgrade() -> None:
    """Let the view of waiting effects say how long the oldest has been due."""
    op.execute(_VIEW.format(column=", min(due_since) as due_since"))


def downgrade() -> None:
    """Give the view its old shape."""
    op.execute("drop view writeback.pending_effects")
    op.execute(_VIEW.format(column=""))
