"""Profiles and keys of both sides for identity by evidence; what a link was decided by.

The keys of before (`match_keys`) stay for one release, for services of before. A workspace whose
`index_basis` is another than the rules of the running service is indexed anew from its objects.
"""

from alembic import op

revision = "matcher_0007"
down_revision = "matcher_0006"
branch_labels = None
depends_on = None

STEPS = (
    """
    create table matcher.identity_profiles (
        workspace text not null,
        side text not null check (side in ('customer', 'record')),
        id text collate "C" not null,
        norm_version int not null,
        keys bigint[] not null,
        names bigint[] not null,
        profile bytea not null,
        primary key (workspace, side, id)
    )
    """,
    """
    create table matcher.identity_keys (
        key bigint not null,
        id text collate "C" not null,
        primary key (key, id)
    )
    """,
    "alter table matcher.links add column proof json, add column decided_by text",
    "alter table matcher.workspaces add column index_basis text",
    "drop view matcher.attention_view",
    """
    create view matcher.attention_view as
        select workspace, split_part(item.key, '|', 1) as kind,
               case when strpos(item.key, '|') = 0 then account_id
                    else substr(item.key, strpos(item.key, '|') + 1) end as subject,
               'open' as status, item.value ->> 'summary' as summary,
               (item.value ->> 'opened_at')::timestamptz as opened_at,
               coalesce(item.value -> 'details', '{}')::jsonb as details
        from matcher.accounts, json_each(attention) item
        where merged_into is null
    """,
    """
    create view matcher.link_history as
        select l.workspace, l.key, l.account_id, l.method, l.evidence,
               (l.proof ->> 'score')::int as score,
               (l.proof ->> 'probability')::float8 as probability,
               (l.proof -> 'pieces')::jsonb as pieces,
               (l.proof ->> 'norm_version')::int as norm_version,
               l.proof ->> 'model_version' as model_version, l.decided_by,
               o.effective_at as opened_at, c.effective_at as closed_at,
               l.opened_version, l.closed_version
        from matcher.links l
        left join matcher.account_changes o
            on o.workspace = l.workspace and o.sequence = l.opened_version
        left join matcher.account_changes c
            on c.workspace = l.workspace and c.sequence = l.closed_version
    """,
)
BACK = (
    "drop view matcher.link_history",
    "drop view matcher.attention_view",
    """
    create view matcher.attention_view as
        select workspace, item.key as kind, account_id as subject, 'open' as status,
               item.value ->> 'summary' as summary,
               (item.value ->> 'opened_at')::timestamptz as opened_at
        from matcher.accounts, json_each(attention) item
        where merged_into is null and strpos(item.key, '|') = 0
    """,
    "alter table matcher.workspaces drop column index_basis",
    "alter table matcher.links drop column proof, drop column decided_by",
    "drop table matcher.identity_keys",
    "drop table matcher.identity_profiles",
)


def upgrade() -> None:
    """Create them; what is there already is indexed by the service."""
    for step in STEPS:
        op.execute(step)


def downgrade() -> None:
    """Remove them."""
    for step in BACK:
        op.execute(step)
