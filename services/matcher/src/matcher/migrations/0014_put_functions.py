"""What a run changed is stored by functions, planned once in a session; each look-up has one index.

The services' sessions plan every statement for the values it gets: for a run of one record that
takes longer than carrying its statements out. An insert has one plan, and it is kept here. So that
kept plans of look-ups can't be wrong either, whatever the tables held when they were made, indexes
beside the primary keys no longer hold the workspace: it is part of what they begin with. Look-ups
through them compare `workspace || ''`, so that no plan goes through the primary key's.
"""

from alembic import op

revision = "matcher_0014"
down_revision = "matcher_0013"
branch_labels = None
depends_on = None

NARROWED = {
    "objects_parent": ("objects", "parent_key", ""),
    "links_account": ("links", "account_id", " where closed_version is null"),
    "rulings_decision": ("rulings", "decision_key", ""),
}
_PLANNED_ONCE = """
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
    set enable_hashjoin = off set enable_mergejoin = off
"""


def _function(arguments: str, statement: str) -> str:
    return f"""({arguments}) returns void language plpgsql {_PLANNED_ONCE} as $body$
        #variable_conflict use_column
        begin {statement}; end $body$"""


OBJECTS = _function(
    """workspace text, version int, keys text[], kinds text[], parents text[], times bigint[],
       deleted boolean[], hashes text[], bodies text[], held text[], needs text[], facts text[]""",
    """insert into matcher.objects
           (workspace, key, kind, parent_key, vendor_time_ms, deleted, content_hash, body,
            held, needs, facts, facts_version)
       select $1, f.key, f.kind, f.parent_key, f.vendor_time_ms, f.deleted, f.content_hash,
              f.body::json, f.held::json, f.needs::text[], f.facts::json,
              case when f.facts is not null then $2 end
       from unnest($3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            as f (key, kind, parent_key, vendor_time_ms, deleted, content_hash, body, held, needs,
                  facts)
       on conflict on constraint objects_pkey do update set
           parent_key = excluded.parent_key, vendor_time_ms = excluded.vendor_time_ms,
           deleted = excluded.deleted, content_hash = excluded.content_hash,
           body = excluded.body, held = excluded.held, needs = excluded.needs,
           facts = excluded.facts, facts_version = excluded.facts_version""",
)
FACTS = _function(
    "workspace text, version int, keys text[], facts text[]",
    """update matcher.objects o set facts = f.facts::json, facts_version = $2
       from unnest($3, $4) as f (key, facts) where o.workspace = $1 and o.key = f.key""",
)
ACCOUNTS = _function(
    """workspace text, ids text[], founders text[], founded bigint[], versions bigint[],
       states text[], due timestamptz[], fold_versions int[], waiting boolean[],
       had_mrr boolean[], candidates text[], attention text[], merged_into text[],
       incomplete_since timestamptz[], last_mrr bigint[], kept_merged boolean[]""",
    """insert into matcher.accounts
           (workspace, account_id, founder_key, founded_sequence, version, state, due_at,
            fold_version, waiting, had_mrr, candidates, attention, merged_into,
            incomplete_since, last_mrr, kept_merged)
       select $1, f.account_id, f.founder_key, f.founded_sequence, f.version, f.state::json,
              f.due_at, f.fold_version, f.waiting, f.had_mrr, f.candidates::text[],
              f.attention::json, f.merged_into, f.incomplete_since, f.last_mrr, f.kept_merged
       from unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
            as f (account_id, founder_key, founded_sequence, version, state, due_at, fold_version,
                  waiting, had_mrr, candidates, attention, merged_into, incomplete_since,
                  last_mrr, kept_merged)
       on conflict on constraint accounts_pkey do update set
           version = excluded.version, state = excluded.state, due_at = excluded.due_at,
           fold_version = excluded.fold_version, waiting = excluded.waiting,
           had_mrr = excluded.had_mrr, candidates = excluded.candidates,
           attention = excluded.attention, merged_into = excluded.merged_into,
           incomplete_since = excluded.incomplete_since, last_mrr = excluded.last_mrr,
           kept_merged = excluded.kept_merged, updated_at = clock_timestamp()""",
)
LINKS = _function(
    """workspace text, keys text[], accounts text[], opened bigint[], closed bigint[],
       methods text[], evidence text[], proofs text[], decided_by text[]""",
    """insert into matcher.links
           (workspace, key, account_id, opened_version, closed_version, method, evidence, proof,
            decided_by)
       select $1, f.key, f.account_id, f.opened_version, f.closed_version, f.method, f.evidence,
              f.proof::json, f.decided_by
       from unnest($2, $3, $4, $5, $6, $7, $8, $9)
            as f (key, account_id, opened_version, closed_version, method, evidence, proof,
                  decided_by)
       on conflict on constraint links_pkey do update set
           closed_version = excluded.closed_version""",
)
CHANGES = _function(
    """workspace text, rule_version int, sequences bigint[], accounts text[],
       effective timestamptz[], causes text[], before text[], after text[], movements text[],
       mrr_before bigint[], mrr_after bigint[], events text[], config_revisions bigint[]""",
    """insert into matcher.account_changes
           (workspace, sequence, account_id, effective_at, cause, before, after, movement,
            mrr_before, mrr_after, events, config_revision, rule_version)
       select $1, f.sequence, f.account_id, f.effective_at, f.cause::json, f.before::json,
              f.after::json, f.movement, f.mrr_before, f.mrr_after, f.events::json,
              f.config_revision, $2
       from unnest($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
            as f (sequence, account_id, effective_at, cause, before, after, movement, mrr_before,
                  mrr_after, events, config_revision)""",
)
OUTBOX = _function(
    """workspace text, positions bigint[], topics text[], keys text[], messages text[],
       occurred timestamptz[]""",
    """insert into matcher.outbox (workspace, position, topic, key, value, occurred_at)
       select $1, f.position, f.topic, f.key, f.message::json, f.occurred_at
       from unnest($2, $3, $4, $5, $6) as f (position, topic, key, message, occurred_at)""",
)
ASKED = _function(
    "workspace text, keys text[], bases text[]",
    """insert into matcher.asked (workspace, key, basis)
       select $1, f.key, f.basis from unnest($2, $3) as f (key, basis)
       on conflict on constraint asked_pkey do update set basis = excluded.basis""",
)
WORKSPACE = f"""(
        workspace text, sequence bigint, outbox_sequence bigint, now timestamptz,
        config_revision bigint, config text, walks text, rates text, fold_cursor text,
        index_basis text, agencies text, decided_basis text,
        was_sequence bigint, was_cursor text, silent boolean
    ) returns boolean language plpgsql {_PLANNED_ONCE} as $body$
    #variable_conflict use_column
    begin
    insert into matcher.workspaces as w
        (workspace, sequence, outbox_sequence, now, config_revision, config, walks, rates,
         fold_cursor, index_basis, agencies, decided_basis, published_up_to, outbox_published)
    values ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb, $8::jsonb, $9::jsonb, $10, $11::jsonb, $12,
            case when $15 then $2 else 0 end, case when $15 then $3 else 0 end)
    on conflict on constraint workspaces_pkey do update set
        sequence = excluded.sequence, outbox_sequence = excluded.outbox_sequence,
        now = excluded.now, config_revision = excluded.config_revision,
        config = excluded.config, walks = excluded.walks, rates = excluded.rates,
        fold_cursor = excluded.fold_cursor,
        index_basis = coalesce(w.index_basis, excluded.index_basis),
        agencies = excluded.agencies, decided_basis = excluded.decided_basis,
        published_up_to = case when $15 then $2 else w.published_up_to end,
        outbox_published = case when $15 then $3 else w.outbox_published end
    where w.sequence = $13 and w.fold_cursor is not distinct from $14::jsonb;
    return found;
    end $body$
"""  # noqa: S608 - constants
FUNCTIONS = {
    "put_objects": OBJECTS,
    "put_facts": FACTS,
    "put_accounts": ACCOUNTS,
    "put_links": LINKS,
    "put_changes": CHANGES,
    "put_outbox": OUTBOX,
    "put_asked": ASKED,
    "move_workspace": WORKSPACE,
}


def upgrade() -> None:
    """Narrow the indexes and create the functions."""
    for name, (table, column, some) in NARROWED.items():
        op.execute(f"drop index matcher.{name}")
        op.execute(f"create index {name} on matcher.{table} ({column}){some}")
    for name, body in FUNCTIONS.items():
        op.execute(f"create function matcher.{name}{body}")


def downgrade() -> None:
    """Remove them; statements of before do the same without."""
    for name in FUNCTIONS:
        op.execute(f"drop function matcher.{name}")
    for name, (table, column, some) in NARROWED.items():
        op.execute(f"drop index matcher.{name}")
        op.execute(f"create index {name} on matcher.{table} ({column}, workspace){some}")
