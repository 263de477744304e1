"""One circuit and one pin per vendor connection, shared by every process."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create what `plumbline_runtime.circuit` and `pins` write, and what others may read."""
    op.execute("""
        create table connection.circuits (
            workspace text not null,
            connection text not null,
            state text not null default 'closed' check (state in ('closed', 'open')),
            reason text check (reason in ('credentials', 'wrong_account')),
            detail text not null default '',
            role text not null default '',
            openings bigint not null default 0,
            opened_at timestamptz,
            next_probe_at timestamptz,
            primary key (workspace, connection),
            check (state = 'closed'
                   or (reason is not null and opened_at is not null and next_probe_at is not null))
        ) with (fillfactor = 50)
    """)
    op.execute("""
        create table connection.pins (
            workspace text not null,
            connection text not null,
            account_id text,
            mode text check (mode in ('live', 'test')),
            pinned_at timestamptz not null default clock_timestamp(),
            primary key (workspace, connection)
        )
    """)
    op.execute("""
        create view connection.circuit_view as
            select workspace, connection,
                   case when state = 'closed' then 'ok'
                        when reason = 'wrong_account' then 'wrong_account'
                        else 'refused' end as state,
                   case when state = 'open' then opened_at end as since,
                   case when state = 'open' then detail else '' end as detail
            from connection.circuits
    """)


def downgrade() -> None:
    """Remove what `upgrade` made."""
    op.execute("drop view connection.circuit_view")
    op.execute("drop table connection.pins")
    op.execute("drop table connection.circuits")
