"""Attention of this service moves to the desk that all services share."""

from alembic import op

revision = "writeback_0005"
down_revision = "writeback_0004"
branch_labels = None
depends_on = None

MOVE = """
insert into runtime.attention
    (workspace, kind, subject, status, summary, details, opened_at, changed_at, version,
     published_version)
select workspace, kind, subject, status, summary, details, opened_at, changed_at, stamp,
       case when published then stamp else 0 end
from (select *, (extract(epoch from changed_at) * 1000)::bigint as stamp
      from writeback.attention) as mine
on conflict (workspace, kind, subject) do nothing
"""
TABLE = """
create table writeback.attention (
    workspace text not null,
    kind text not null,
    subject text not null,
    status text not null check (status in ('open', 'closed')),
    summary text not null,
    details jsonb not null,
    opened_at timestamptz not null,
    changed_at timestamptz not null,
    published boolean not null,
    primary key (workspace, kind, subject)
)
"""
INDEX = "create index attention_unpublished on writeback.attention (changed_at) where not published"
VIEW = """
create view writeback.attention_view as
    select workspace, kind, subject, status, summary, opened_at, details
    from writeback.attention
"""


def upgrade() -> None:
    """Move the items, then drop the table."""
    for statement in (MOVE, "drop view writeback.attention_view", "drop table writeback.attention"):
        op.execute(statement)


def downgrade() -> None:
    """Make the table again, empty: the items stay where they are."""
    for statement in (TABLE, INDEX, VIEW):
        op.execute(statement)
