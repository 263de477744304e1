"""What an account depends on beside its own objects: exchange rates, and reads asked for.

`asked` holds, for every object a read was asked for because something was missing, the content it
had then (or was answered with): as long as that is what it holds, nobody asks again.
"""

from alembic import op

revision = "matcher_0006"
down_revision = "matcher_0005"
branch_labels = None
depends_on = None

STEPS = (
    "alter table matcher.workspaces add column rates jsonb not null default '{}'",
    """
    create table matcher.rates (
        workspace text not null,
        name text not null,
        revision bigint not null,
        body json not null,
        primary key (workspace, name)
    )
    """,
    """
    create table matcher.asked (
        workspace text not null,
        key text not null,
        basis text not null,
        primary key (workspace, key)
    )
    """,
    """
    alter table matcher.accounts
        add column incomplete_since timestamptz, add column last_mrr bigint
    """,
    "update matcher.accounts set last_mrr = (state #>> '{fields,mrr,value,minor}')::bigint",
    """
    create index accounts_incomplete on matcher.accounts (workspace, incomplete_since)
        where incomplete_since is not null
    """,
    """
    create view matcher.incomplete_view as
        select workspace, count(*) as n, min(incomplete_since) as since
        from matcher.accounts where incomplete_since is not null
        group by workspace
    """,
)
BACK = (
    "drop view matcher.incomplete_view",
    "alter table matcher.accounts drop column incomplete_since, drop column last_mrr",
    "drop table matcher.asked",
    "drop table matcher.rates",
    "alter table matcher.workspaces drop column rates",
)


def upgrade() -> None:
    """Add them; nothing is known and nothing was asked for yet."""
    for step in STEPS:
        op.execute(step)


def downgrade() -> None:
    """Remove them."""
    for step in BACK:
        op.execute(step)
