"""`plumbline accounts show|search|why`: read from the matcher's published view."""

from typing import Any

import asyncpg
from plumbline_domain.money import major_units
from plumbline_schemas.accounts import AccountState, FieldValue
from plumbline_schemas.ids import AccountId
from plumbline_schemas.money import Money
from plumbline_schemas.outputs import AccountHit, AccountSearch, Why


class NotFound(LookupError):  # noqa: N818 - reads as the sentence it prints
    """Nothing by that name."""


async def load(db: asyncpg.Connection, wanted: str) -> AccountState:
    """Find one account by its id, or by any external id that is linked to it."""
    row = await db.fetchrow(
        """select state from matcher.account_view
           where account_id = $1
              or exists (select 1 from jsonb_array_elements(state->'links') link
                         where link->>'key' = $1 or link->>'key' like '%/' || $1)
           order by account_id limit 1""",
        wanted,
    )
    if row is None:
        raise NotFound(f"no account {wanted!r}; try `plumbline accounts search`")
    return AccountState.model_validate(row["state"])


async def search(db: asyncpg.Connection, text: str, limit: int = 50) -> AccountSearch:
    """Accounts whose id, links, plan, customer name or e-mail hold the text."""
    rows = await db.fetch(
        """select a.account_id, a.state, min(c.name) as name
           from matcher.account_view a
           left join matcher.customer_view c using (workspace, account_id)
           where a.account_id ilike '%' || $1 || '%'
              or a.state->'links' @? format('$[*] ? (@.key like_regex %s flag "iq")',
                                            to_jsonb($1::text))::jsonpath
              or c.name ilike '%' || $1 || '%' or c.email ilike '%' || $1 || '%'
              or a.state->'fields'->'plan'->>'value' ilike '%' || $1 || '%'
           group by a.workspace, a.account_id, a.state
           order by a.account_id limit $2""",
        text,
        limit,
    )
    hits = []
    for row in rows:
        state = AccountState.model_validate(row["state"])
        hits.append(
            AccountHit(
                id=AccountId(row["account_id"]),
                name=row["name"],
                state=state.state,
                mrr=plain(state.fields.get("mrr")),
                plan=plain(state.fields.get("plan")),
                links=[link.key for link in state.links],
            )
        )
    return AccountSearch(accounts=hits)


def why(state: AccountState, field: str) -> Why:
    """The value and its provenance, which travels with it."""
    found = state.fields.get(field)
    if found is None:
        known = ", ".join(sorted(state.fields)) or "none yet"
        raise NotFound(f"account {state.id} has no field {field!r}; it has: {known}")
    return Why(
        account=state.id,
        field=field,
        value=_value(found),
        rule=found.rule,
        version=found.version,
        connection=found.connection,
        object=found.object,
        event_id=found.event_id,
        event_type=found.event_type,
        vendor_time=found.vendor_time,
        received_at=found.received_at,
        origin=found.origin,
    )


def plain(found: FieldValue | None) -> str | None:
    """A value as a person reads it; money in major units with its currency."""
    if found is None or found.value is None:
        return None
    if isinstance(found.value, Money):
        return money(found.value)
    if isinstance(found.value, bool):
        return "yes" if found.value else "no"
    return str(found.value)


def money(found: Money | None) -> str | None:
    """An amount in major units with its currency; None while it is not known."""
    return None if found is None else f"{major_units(found)} {found.currency.upper()}"


def _value(found: FieldValue) -> Any:
    if isinstance(found.value, Money):
        return found.value.model_dump()
    return found.value
