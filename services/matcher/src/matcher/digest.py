"""One sum over everything the log decided: accounts, fields, links, ledger (design 13).

Processing times (`recorded_at`, `updated_at`) stay outside, and so does how far it was published.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

import asyncpg

_TABLES: Final = (
    (
        "accounts",
        """select workspace, account_id, founder_key, founded_sequence, version, state::text,
                  extract(epoch from due_at)::text as due_at, fold_version, waiting, had_mrr,
                  candidates, merged_into, kept_merged, attention::text,
                  extract(epoch from incomplete_since)::text as incomplete_since
           from matcher.accounts order by workspace, account_id""",
    ),
    (
        "links",
        """select workspace, key, account_id, opened_version, closed_version, method, evidence,
                  proof::text, decided_by
           from matcher.links order by workspace, key, opened_version""",
    ),
    (
        "ledger",
        """select workspace, sequence, account_id,
                  extract(epoch from effective_at)::text as effective_at, cause::text,
                  rule_version, config_revision, before::text, after::text, movement, mrr_before,
                  mrr_after, events::text
           from matcher.account_changes order by workspace, sequence""",
    ),
    (
        "objects",
        """select workspace, key, kind, parent_key, vendor_time_ms, deleted, content_hash,
                  held::text, needs
           from matcher.objects order by workspace, key""",
    ),
    (
        "rulings",
        """select workspace, customer, decision_key, action, other, decided_by
           from matcher.rulings order by workspace, customer, decision_key""",
    ),
    (
        "rates",
        """select workspace, name, revision, body::text
           from matcher.rates order by workspace, name""",
    ),
    (
        "workspaces",
        """select workspace, sequence, extract(epoch from now)::text as now, config_revision,
                  walks::text, rates::text, agencies::text
           from matcher.workspaces order by workspace""",
    ),
)


async def digest(pool: asyncpg.Pool) -> str:
    """SHA-256 in hexadecimal; equal for equal logs, whatever the batches were."""
    return whole(await digests(pool))


async def digests(pool: asyncpg.Pool) -> dict[str, str]:
    """The digest of each part, all as of one moment."""
    found: dict[str, str] = {}
    async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read"):
        for name, query in _TABLES:
            total = hashlib.sha256()
            async for row in conn.cursor(query):
                total.update(repr(tuple(row.values())).encode())
            found[name] = total.hexdigest()
    return found


def whole(parts: Mapping[str, str]) -> str:
    """One digest of the digests of the parts."""
    total = hashlib.sha256()
    for name, part in parts.items():
        total.update(f"{name} {part}\n".encode())
    return total.hexdigest()
