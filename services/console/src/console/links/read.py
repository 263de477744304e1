"""`plumbline links show|history`: links now and before, with what they rest on."""

from collections.abc import Iterable
from typing import Any

import asyncpg
from plumbline_domain.identity.candidate import Weighed
from plumbline_domain.identity.explain import sentence
from plumbline_schemas.attention_details import Evidence
from plumbline_schemas.ids import ExternalKey
from plumbline_schemas.outputs import Output
from plumbline_schemas.review_outputs import LinkHistory, LinkInterval, LinksShown

from console.accounts import NotFound
from console.deciding.run import Desk
from console.deciding.standing import standing


async def show_links(desk: Desk, text: str) -> tuple[Output, int]:
    """What the account of an account id, a customer or a record is linked to now."""
    rows = await desk.db.fetch(
        """select workspace, account_id from matcher.link_history
           where closed_version is null
             and (account_id = $1 or key = $1 or right(key, length($1) + 1) = '/' || $1)
           group by workspace, account_id order by workspace, account_id""",
        text,
    )
    if not rows:
        raise NotFound(f"nothing is linked to {text!r}; `plumbline links history` tells of before")
    if len(rows) > 1:
        raise NotFound(f"{text!r} is several accounts: {', '.join(r['account_id'] for r in rows)}")
    workspace, account = rows[0]["workspace"], rows[0]["account_id"]
    links = await intervals(desk.db, workspace, account=account, now=True)
    keys = [one.key for one in links]
    return LinksShown(
        workspace=workspace,
        account=account,
        links=links,
        decisions=await standing(desk.db, workspace, keys),
    ), 0


async def link_history(desk: Desk, text: str) -> tuple[Output, int]:
    """Every link a customer or a record ever had, oldest first."""
    rows = await desk.db.fetch(
        """select workspace, key from matcher.link_history
           where key = $1 or right(key, length($1) + 1) = '/' || $1
           group by workspace, key order by workspace, key""",
        text,
    )
    if not rows:
        raise NotFound(f"nothing was ever linked to {text!r}")
    if len(rows) > 1:
        raise NotFound(f"{text!r} is several: {', '.join(row['key'] for row in rows)}")
    key = ExternalKey(rows[0]["key"])
    workspace = rows[0]["workspace"]
    return LinkHistory(
        key=key,
        intervals=await intervals(desk.db, workspace, key=key),
        decisions=await standing(desk.db, workspace, [key]),
    ), 0


async def intervals(
    db: asyncpg.Connection,
    workspace: str,
    *,
    key: ExternalKey | None = None,
    account: str | None = None,
    now: bool = False,
) -> list[LinkInterval]:
    """Links of a key or an account, oldest first; with `now` open ones only."""
    rows = await db.fetch(
        """select * from matcher.link_history
           where workspace = $1 and ($2::text is null or key = $2)
             and ($3::text is null or account_id = $3)
             and (closed_version is null or not $4)
           order by opened_version, key""",
        workspace,
        key,
        account,
        now,
    )
    return [
        LinkInterval.model_validate(
            {**dict(row), "account": row["account_id"], "sentences": tuple(_told(row["pieces"]))}
        )
        for row in rows
    ]


def _told(pieces: Any) -> Iterable[Evidence]:
    """The stored pieces in sentences; each is what was seen, so the score adds up from them."""
    for piece in pieces or ():
        weighed = Weighed(*piece) if isinstance(piece, list) else Weighed(**piece)
        yield Evidence(code=weighed.code, sentence=sentence(weighed), weight=weighed.weight / 1000)
