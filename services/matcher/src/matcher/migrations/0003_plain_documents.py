"""Documents that are read whole are kept as the text they were written as.

PostgreSQL takes jsonb apart when a row is written and puts it together again when it is read; a
state of 3 KB cost 48 us that way, and 21 us as json. Nothing asks within these documents but people
(the console), for whom the views give jsonb. Equal documents are equal text: their writer sorts the
keys, or writes them in the contract's order.
"""

from alembic import op

revision = "matcher_0003"
down_revision = "matcher_0002"
branch_labels = None
depends_on = None

DOCUMENTS = {
    "accounts": ("state", "attention"),
    "account_changes": ("cause", "before", "after", "events"),
    "objects": ("body", "held"),
    "outbox": ("value",),
}

VIEWS = {
    "account_view": """
        select workspace, account_id, version, state{0} as state, updated_at
        from matcher.accounts
        where merged_into is null
    """,
    "change_view": """
        select workspace, sequence, account_id, effective_at, recorded_at, cause{0} as cause,
               rule_version, config_revision, before{0} as before, after{0} as after, movement,
               mrr_before, mrr_after, events{0} as events
        from matcher.account_changes
    """,
    "customer_view": """
        select l.workspace, l.account_id, l.key, o.body ->> 'name' as name,
               o.body ->> 'email' as email, coalesce(o.deleted, false) as deleted
        from matcher.links l
        left join matcher.objects o using (workspace, key)
        where l.closed_version is null and split_part(l.key, '/', 3) = 'customer'
    """,
    "attention_view": """
        select workspace, item.key as kind, account_id as subject, 'open' as status,
               item.value ->> 'summary' as summary,
               (item.value ->> 'opened_at')::timestamptz as opened_at
        from matcher.accounts, jsonb_each(attention{0}) item
        where merged_into is null
    """,
}


def upgrade() -> None:
    """Rewrite the columns as json."""
    _retype("json", "::jsonb")


def downgrade() -> None:
    """Back to jsonb."""
    _retype("jsonb", "")


def _retype(kind: str, cast: str) -> None:
    for name in VIEWS:
        op.execute(f"drop view matcher.{name}")
    op.execute("alter table matcher.accounts alter column attention drop default")
    for table, columns in DOCUMENTS.items():
        changes = ", ".join(f"alter column {name} type {kind}" for name in columns)
        op.execute(f"alter table matcher.{table} {changes}")
    op.execute(f"alter table matcher.accounts alter column attention set default '{{}}'::{kind}")
    for name, query in VIEWS.items():
        op.execute(f"create view matcher.{name} as {query.format(cast)}")
