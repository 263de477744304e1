"""HubSpot records become observations (vendors 2.3, design 5)."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from plumbline_schemas.crm import CrmRecord
from plumbline_schemas.fields import ACCOUNT_ID_PROPERTY, FIELDS
from plumbline_schemas.observations import (
    AnyObservation,
    CompanyObservation,
    ContactObservation,
    Origin,
    Seen,
)

from plumbline_connectors.hubspot.values import epoch_ms, parse_time, same_value

__all__ = [
    "HubSpotContext",
    "properties_to_read",
    "same_mapped_value",
    "same_value",
    "translate_record",
]

MERGED_IDS: Final = "hs_merged_object_ids"
_OWNER: Final = "hubspot_owner_id"
_PLACE: Final = ("city", "country", "zip")
_COUNTRY_CODE: Final = "hs_country_code"
_PARENT: Final = "hs_parent_company_id"
MORE_DOMAINS: Final = "hs_additional_domains"
MORE_EMAILS: Final = "hs_additional_emails"
_READ: Final[Mapping[str, tuple[str, ...]]] = {
    "company": (
        "name",
        "domain",
        MORE_DOMAINS,
        "website",
        "phone",
        *_PLACE,
        _COUNTRY_CODE,
        _PARENT,
        _OWNER,
        MERGED_IDS,
    ),
    "contact": (
        "firstname",
        "lastname",
        "email",
        MORE_EMAILS,
        "phone",
        *_PLACE,
        _OWNER,
        MERGED_IDS,
    ),
}
_OBSERVATIONS: Final[Mapping[str, type[CompanyObservation | ContactObservation]]] = {
    "company": CompanyObservation,
    "contact": ContactObservation,
}
_DOMAINS: Final = ("domain", MORE_DOMAINS, "website")
_LIST_SEPARATORS: Final = re.compile(r"[;,\s]+")


class HubSpotContext(NamedTuple):
    """Whose records these are, and which properties carry our fields."""

    workspace: str
    connection: str
    mapping: Mapping[str, Mapping[str, str]]
    """Per kind (company, contact): our field -> vendor property."""
    tax_id_property: str | None = None
    """Property of companies that holds their tax id."""


def translate_record(
    kind: str,
    obj: Mapping[str, Any],
    context: HubSpotContext,
    *,
    seen: Seen,
    origin: Origin,
    received_at: datetime,
    deleted: bool = False,
    began_at: datetime | None = None,
) -> AnyObservation:
    """Say what one record holds.

    `vendor_time_ms` is the record's `updatedAt` (design 5); without one, and of a deletion, which
    moves no `updatedAt` that we could see, it is the later of that and `began_at`, the start of the
    read by the vendor's clock, else `received_at`. Text has lost U+0000 (see `decoding`).

    Args:
        kind: `company` or `contact`.
        obj: the record as HubSpot answered it; `{"id": ...}` alone for one that is not there.
        context: the connection.
        seen: how it came.
        origin: what made us look.
        received_at: when Plumbline first held the fact.
        deleted: the record was looked for and is not there; `archived` in `obj` says the same.
        began_at: start of the read.

    Raises:
        ValueError: no such kind, or a record without id.
    """
    vendor_id = _checked_id(kind, obj)
    gone = deleted or obj.get("archived") is True
    version = _version(obj, began_at or received_at, gone=gone)
    properties = obj.get("properties")
    body = None
    if isinstance(properties, Mapping):
        body = _body(kind, properties, context)
    return _OBSERVATIONS[kind](
        workspace=context.workspace,
        connection=context.connection,
        id=vendor_id,
        vendor_time_ms=epoch_ms(version),
        seen=seen,
        origin=origin,
        received_at=received_at,
        deleted=gone,
        body=body,
    )


def _checked_id(kind: str, obj: Mapping[str, Any]) -> str:
    if kind not in _OBSERVATIONS:
        raise ValueError(f"no HubSpot kind {kind!r}; known: {', '.join(_OBSERVATIONS)}")
    vendor_id = obj.get("id")
    if not isinstance(vendor_id, str) or not vendor_id:
        raise ValueError(f"a HubSpot {kind} without id")
    return vendor_id


def _version(obj: Mapping[str, Any], looked_at: datetime, *, gone: bool) -> datetime:
    updated = obj.get("updatedAt")
    moment = parse_time(updated) if isinstance(updated, str) else None
    if moment is None:
        return looked_at
    return max(moment, looked_at) if gone else moment


def properties_to_read(kind: str, context: HubSpotContext) -> list[str]:
    """Names of the properties to ask for, each once: ours to match by, and the mapped ones."""
    if kind not in _READ:
        raise ValueError(f"no HubSpot kind {kind!r}; known: {', '.join(_READ)}")
    taxes = context.tax_id_property if kind == "company" else None
    named = [taxes] if taxes is not None else []
    named.append(ACCOUNT_ID_PROPERTY)
    return list(dict.fromkeys([*_READ[kind], *named, *context.mapping.get(kind, {}).values()]))


def same_mapped_value(our_field: str, a: str | None, b: str | None) -> bool:
    """`same_value` by the type that the table of fields gives our field."""
    return same_value(FIELDS[our_field].type, a, b)


def _body(kind: str, properties: Mapping[str, Any], context: HubSpotContext) -> CrmRecord:
    values = {name: _text(value) for name, value in properties.items()}
    mapping = context.mapping.get(kind, {})
    ids_property = mapping.get("stripe_customer_id")
    taxes = context.tax_id_property if kind == "company" else None
    return CrmRecord(
        name=_name(kind, values),
        domains=_domains(values) if kind == "company" else (),
        email=values.get("email") or None if kind == "contact" else None,
        more_emails=list_members(values.get(MORE_EMAILS)) if kind == "contact" else (),
        phone=values.get("phone") or None,
        city=values.get("city") or None,
        country=values.get(_COUNTRY_CODE) or values.get("country") or None,
        postal_code=values.get("zip") or None,
        tax_ids=_numbers(values.get(taxes)) if taxes else (),
        account_id=values.get(ACCOUNT_ID_PROPERTY) or None,
        parent_id=values.get(_PARENT) or None,
        owner=values.get(_OWNER) or None,
        stripe_customer_ids=list_members(values.get(ids_property)) if ids_property else (),
        merged_ids=list_members(values.get(MERGED_IDS)),
        properties={name: values.get(name) for name in mapping.values()},
    )


def _name(kind: str, values: Mapping[str, str | None]) -> str | None:
    if kind == "company":
        return values.get("name") or None
    parts = (values.get("firstname"), values.get("lastname"))
    return " ".join(part for part in parts if part) or None


def _domains(values: Mapping[str, str | None]) -> tuple[str, ...]:
    found = (one for name in _DOMAINS for one in list_members(values.get(name)))
    return tuple(dict.fromkeys(found))


def list_members(value: str | None) -> tuple[str, ...]:
    """Members of a list in one property: HubSpot separates by semicolon, people by anything."""
    members = _LIST_SEPARATORS.split(value or "")
    return tuple(dict.fromkeys(member for member in members if member))


def _numbers(value: str | None) -> tuple[str, ...]:
    """Members of a list of numbers, which may be written with spaces."""
    members = (member.strip() for member in (value or "").split(";"))
    return tuple(dict.fromkeys(member for member in members if member))


def _text(value: Any) -> str | None:
    """Values are strings; a number or boolean of a lax server is written as HubSpot would."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
