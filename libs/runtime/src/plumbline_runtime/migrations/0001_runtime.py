"""Positions, heartbeats and vendor budgets."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create what every service uses through plumbline_runtime."""
    op.execute("""
        create table runtime.offsets (
            group_id text not null,
            topic text not null,
            partition int not null,
            next_offset bigint not null check (next_offset >= 0),
            updated_at timestamptz not null default clock_timestamp(),
            primary key (group_id, topic, partition)
        ) with (fillfactor = 50)
    """)
    op.execute("""
        create table runtime.heartbeats (
            service text not null,
            instance text not null,
            pid int not null,
            ready boolean not null,
            conditions jsonb not null,
            addresses jsonb not null default '{}',
            started_at timestamptz not null default clock_timestamp(),
            at timestamptz not null default clock_timestamp(),
            primary key (service, instance)
        ) with (fillfactor = 50)
    """)
    op.execute("create schema if not exists connection")
    op.execute("""
        create table connection.budgets (
            workspace text not null,
            connection text not null,
            tokens double precision not null,
            throttled bigint not null default 0,
            blocked_until timestamptz not null default '-infinity',
            updated_at timestamptz not null default clock_timestamp(),
            primary key (workspace, connection)
        ) with (fillfactor = 50)
    """)


def downgrade() -> None:
    """Remove what `upgrade` made."""
    op.execute("drop table connection.budgets")
    op.execute("drop schema connection")
    op.execute("drop table runtime.heartbeats")
    op.execute("drop table runtime.offsets")
