"""What no customer's event brought about, and when such was written; the rest after a write."""

from alembic import op

revision = "writeback_0002"
down_revision = "writeback_0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    alter table writeback.effects
        add column doubt text check (doubt in ('turned', 'moved', 'mapped')),
        add column rests_until timestamptz
    """,
    """
    create index effects_doubted on writeback.effects (workspace, connection)
        where doubt is not null
    """,
    """
    create table writeback.doubted_writes (
        workspace text not null,
        connection text not null,
        kind text not null,
        vendor_id text not null,
        moved boolean not null,
        at timestamptz not null default clock_timestamp(),
        primary key (workspace, connection, kind, vendor_id)
    )
    """,
)


def upgrade() -> None:
    """Add the column and the table; effects that wait now are doubted by nobody."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them again."""
    op.execute("drop table writeback.doubted_writes")
    op.execute("alter table writeback.effects drop column doubt, drop column rests_until")
