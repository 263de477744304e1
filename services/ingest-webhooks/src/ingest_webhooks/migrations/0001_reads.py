"""Reads wanted, facts about connections, and the views others may look at."""

from alembic import op

revision = "ingest_webhooks_0001"
down_revision = None
branch_labels = None
depends_on = None

SQL = (
    """
    create table ingest_webhooks.reads (
        workspace text not null,
        connection text not null,
        kind text not null,
        vendor_id text not null,
        reason text not null,
        origin text not null,
        requested_at timestamptz not null,
        asked_at timestamptz not null default clock_timestamp(),
        received_at timestamptz not null,
        not_before timestamptz,
        state text not null default 'pending' check (state in ('pending', 'done')),
        attempts integer not null default 0,
        next_attempt_at timestamptz not null,
        last_started_at timestamptz,
        last_error text,
        primary key (workspace, connection, kind, vendor_id)
    ) with (fillfactor = 80)
    """,
    """
    create index reads_due on ingest_webhooks.reads (workspace, connection, next_attempt_at)
        where state = 'pending'
    """,
    """
    create table ingest_webhooks.connections (
        workspace text not null,
        connection text not null,
        last_event_at timestamptz,
        refused_since timestamptz,
        refused_error text,
        primary key (workspace, connection)
    ) with (fillfactor = 80)
    """,
    """
    create view ingest_webhooks.pending_reads as
        select workspace, connection, count(*) as n
        from ingest_webhooks.reads
        where state = 'pending'
        group by workspace, connection
    """,
)


def upgrade() -> None:
    """Create the tables and views."""
    for statement in SQL:
        op.execute(statement)


def downgrade() -> None:
    """Remove them again."""
    op.execute("drop view ingest_webhooks.pending_reads")
    op.execute("drop table ingest_webhooks.connections")
    op.execute("drop table ingest_webhooks.reads")
