"""What is looked for before a record is made, and which of what is found may be the record."""

from collections.abc import Mapping, Sequence
from typing import Final

from plumbline_connectors.hubspot.creation import Sought
from plumbline_connectors.hubspot.translate import MORE_DOMAINS, MORE_EMAILS, list_members
from plumbline_domain.identity.hosts import registrable_domain, web_host
from plumbline_schemas.ids import ExternalKey, external_key

from writeback.creations import Creation
from writeback.gate import WorkspaceFacts

Found = tuple[str, Mapping[str, str | None]]
"""A record's id and its properties."""

_DOMAINS: Final = frozenset({"domain", MORE_DOMAINS})


def sought_for(facts: WorkspaceFacts, rows: Sequence[Creation]) -> list[Sought]:
    """What tells a record that may be one of these: the domain or address, first or further, and
    the billing id. All rows are of one kind."""
    if not rows:
        return []
    kind, connection = rows[0].kind, rows[0].connection
    first, more = ("email", MORE_EMAILS) if kind == "contact" else ("domain", MORE_DOMAINS)
    held = [row.email if kind == "contact" else row.domain for row in rows]
    values = tuple(value for value in held if value)
    sought = [Sought(first, values), Sought(more, values, listed=True)]
    ids = facts.mapping(connection, kind).get("stripe_customer_id")
    if ids is not None:
        sought.append(Sought(ids, tuple(one for row in rows for one in row.customers)))
    return [one for one in sought if one.values]


def others(row: Creation, sought: Sequence[Sought], found: Sequence[Found]) -> list[ExternalKey]:
    """Records found that have the row's very domain, address or billing id.

    A domain is compared as the matcher reads it: a host below it is the same company's.
    """
    mine = {one.lower() for one in (row.domain, row.email, *row.customers) if one}
    names = {one.property for one in sought}
    keys = [
        external_key(row.workspace, row.connection, row.kind, vendor_id)
        for vendor_id, properties in found
        if any(_values(name, properties.get(name)) & mine for name in names)
    ]
    return list(dict.fromkeys(keys))


def _values(name: str, text: str | None) -> set[str]:
    members = list_members(text)
    if name in _DOMAINS:
        members = (*members, *(registrable_domain(web_host(one)) or "" for one in members))
    return {one.lower() for one in members if one}
