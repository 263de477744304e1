"""Keep wide rows uncompressed in their pages.

A state, a ledger row and an object are wider than 2 KB, where PostgreSQL starts to compress (pglz,
as lz4 is not in every build). Compressing each new version was the most expensive part of storing
a change, and reading one back paid again. Below 8 KB a row now stays as it is, for about three
times the space. Rows already stored change as they are written again.
"""

from alembic import op

revision = "matcher_0002"
down_revision = "matcher_0001"
branch_labels = None
depends_on = None

TABLES = ("accounts", "account_changes", "objects", "outbox")


def upgrade() -> None:
    """Compress only what would not fit a page."""
    for table in TABLES:
        op.execute(f"alter table matcher.{table} set (toast_tuple_target = 8160)")


def downgrade() -> None:
    """Back to the server's default."""
    for table in TABLES:
        op.execute(f"alter table matcher.{table} reset (toast_tuple_target)")
