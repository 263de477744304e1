"""What is known of customers and records, and where they are linked."""

from collections.abc import Collection, Iterable, Mapping

import asyncpg
from plumbline_schemas.ids import AccountId, ExternalKey, split_key
from plumbline_schemas.review_outputs import Known

from console.deciding.run import Refused


async def find_record(db: asyncpg.Connection, workspace: str, text: str) -> ExternalKey:
    """Key of a living CRM record, by its key or its vendor id; raises Refused when none is."""
    return await _find(db, workspace, text, ("company", "contact"), "CRM record")


async def find_customer(db: asyncpg.Connection, workspace: str | None, text: str) -> ExternalKey:
    """Key of a billing customer, by its key or its vendor id; raises Refused when none is."""
    return await _find(db, workspace, text, ("customer",), "billing customer")


async def _find(
    db: asyncpg.Connection,
    workspace: str | None,
    text: str,
    kinds: Collection[str],
    what: str,
) -> ExternalKey:
    rows = await db.fetch(
        """select key, deleted from matcher.known_view
           where ($1::text is null or workspace = $1) and kind = any($2)
             and (key = $3 or right(key, length($3) + 1) = '/' || $3) order by key""",
        workspace,
        list(kinds),
        text,
    )
    exact = [row for row in rows if text in (row["key"], split_key(row["key"]).vendor_id)]
    found = exact or list(rows)
    if not found:
        raise Refused(f"no {what} {text!r} is known")
    if len(found) > 1:
        raise Refused(f"{text!r} is several: {', '.join(row['key'] for row in found)}")
    if found[0]["deleted"] and what == "CRM record":
        raise Refused(f"{what} {found[0]['key']} was deleted")
    return ExternalKey(found[0]["key"])


async def known(db: asyncpg.Connection, keys: Iterable[ExternalKey]) -> list[Known]:
    """What is known of each key, in their order; one that nobody has seen has its key alone."""
    wanted = list(dict.fromkeys(keys))
    rows = await db.fetch(
        "select key, deleted, body from matcher.known_view where key = any($1)", wanted
    )
    places = await linked(db, wanted)
    held = {row["key"]: row for row in rows}
    return [_known(key, held.get(key), places) for key in wanted]


def _known(
    key: ExternalKey,
    row: asyncpg.Record | None,
    places: Mapping[ExternalKey, tuple[AccountId, list[ExternalKey]]],
) -> Known:
    account = places[key][0] if key in places else None
    if row is None:
        return Known(key=key, linked_to=account)
    body = row["body"] or {}
    told = {
        name: body[name]
        for name in ("name", "phone", "owner", "company", "crm_id", "domains")
        if body.get(name)
    }
    told["emails"] = [body["email"]] if body.get("email") else []
    told["stripe_customer_ids"] = body.get("stripe_customer_ids") or []
    return Known(key=key, deleted=row["deleted"], linked_to=account, **told)


async def linked(
    db: asyncpg.Connection, keys: Iterable[ExternalKey]
) -> dict[ExternalKey, tuple[AccountId, list[ExternalKey]]]:
    """Of each key that is linked now: its account, and that account's CRM records."""
    rows = await db.fetch(
        """select mine.key, mine.account_id,
                  array(select other.key from matcher.link_history other
                        where other.account_id = mine.account_id
                          and other.workspace = mine.workspace and other.closed_version is null
                          and split_part(other.key, '/', 3) <> 'customer'
                        order by other.key) as records
           from matcher.link_history mine
           where mine.key = any($1) and mine.closed_version is null""",
        sorted(set(keys)),
    )
    return {row["key"]: (row["account_id"], list(row["records"])) for row in rows}
