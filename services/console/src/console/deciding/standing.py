"""Decisions that stand: what the matcher folded last on each subject."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg
from plumbline_schemas.ids import ExternalKey, split_key
from plumbline_schemas.internal import Decision
from plumbline_schemas.review_outputs import StandingDecision

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
ID_LENGTH: Final = 6
_WHOLE: Final = 26


def short_id(key: str) -> str:
    """26 characters a person can type, of which any unique beginning will do; from the key alone.

    Lower-case Crockford base32 of the key's SHA-256: no letter looks like a digit.
    """
    bits = int.from_bytes(hashlib.sha256(key.encode()).digest(), "big")
    return "".join(_ALPHABET[(bits >> (5 * place)) & 31] for place in range(_WHOLE))


def shortest(keys: Iterable[str]) -> dict[str, str]:
    """The id of each key, as short as it may be among these: `ID_LENGTH` characters at least."""
    whole = {key: short_id(key) for key in keys}
    for length in range(ID_LENGTH, _WHOLE):
        if len({i[:length] for i in whole.values()}) == len(whole):
            return {key: i[:length] for key, i in whole.items()}
    return whole


async def standing(
    db: asyncpg.Connection, workspace: str | None = None, keys: Sequence[str] | None = None
) -> list[StandingDecision]:
    """Newest decision of each subject about matches, withdrawn ones as well, latest first.

    Of one workspace if named; about these customers, records or pairs only if `keys` are given.
    """
    rows = await db.fetch(
        """select workspace, key, body from matcher.decision_view
           where ($1::text is null or workspace = $1) and body ->> 'action' <> 'approve_plan'
             and ($2::text[] is null or body ->> 'customer' = any($2)
                  or body ->> 'record' = any($2) or body ->> 'other' = any($2))
           order by (body ->> 'decided_at')::timestamptz desc, key""",
        workspace,
        None if keys is None else list(keys),
    )
    ids = shortest(row["key"] for row in rows)
    return [told(ids[row["key"]], row["key"], Decision.model_validate(row["body"])) for row in rows]


def told(i: str, key: ExternalKey, decision: Decision) -> StandingDecision:
    """A decision as it is shown; `key` is that of its observation."""
    parts = split_key(key)
    return StandingDecision(
        id=i,
        workspace=parts.workspace,
        subject=parts.vendor_id,
        action=decision.action,
        customer=decision.customer,
        record=decision.record,
        other=decision.other,
        withdrawn=decision.withdrawn,
        probability=decision.probability,
        model_version=decision.model_version,
        decided_by=decision.decided_by,
        decided_at=decision.decided_at,
    )


def withdrawal(stood: StandingDecision, by: str, at: datetime) -> Decision:
    """The decision that takes another back."""
    return Decision(
        action=stood.action,
        customer=stood.customer,
        record=stood.record,
        other=stood.other,
        withdrawn=True,
        decided_by=by,
        decided_at=at,
    )


async def revisions(
    db: asyncpg.Connection, keys: Iterable[ExternalKey]
) -> Mapping[ExternalKey, int]:
    """Revision of the newest folded decision under each of these keys of observations."""
    wanted = sorted(keys)
    rows = await db.fetch(
        "select key, revision from matcher.decision_view where key = any($1)", wanted
    )
    return {row["key"]: row["revision"] for row in rows}
