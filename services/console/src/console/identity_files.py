"""Customers and records from JSON files: a vendor's object, a page of them, or plain fields."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from plumbline_domain.identity.profile import Party

from console.explain.files import read_account
from console.explain.trouble import BadInput

_PAGES: Final = ("data", "results")
"""Where Stripe and HubSpot put the objects of a page."""


def read_customer(place: Path) -> Party:
    """The one customer of a file. Raises BadInput when there is none, or more than one."""
    found = [_customer(entry, where) for entry, where in _objects(place)]
    if len(found) != 1:
        raise BadInput("not_one_customer", str(place), f"{len(found)} customers, one is explained")
    return found[0]


def read_records(places: list[Path]) -> list[Party]:
    """The records of all files. Raises BadInput with file and place of what is wrong."""
    found = [_record(entry, where) for place in places for entry, where in _objects(place)]
    ids = [record.id for record in found]
    twice = next((i for i in ids if ids.count(i) > 1), None)
    if twice is not None:
        raise BadInput("twice", ", ".join(map(str, places)), f"record {twice} is there twice")
    return found


def _objects(place: Path) -> Iterator[tuple[Mapping[str, Any], str]]:
    for document in read_account(place):
        yield from _entries(document.content, document.file)


def _entries(content: Any, where: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    page = next((key for key in _PAGES if _is_page(content, key)), None)
    if page is not None:
        yield from _entries(content[page], f"{where} {page}")
    elif isinstance(content, list):
        for place, entry in enumerate(content):
            yield from _entries(entry, f"{where}[{place}]")
    elif isinstance(content, dict):
        yield content, where
    else:
        raise BadInput("not_an_object", where, "an object with an id is needed")


def _is_page(content: Any, key: str) -> bool:
    return isinstance(content, dict) and "id" not in content and isinstance(content.get(key), list)


def _customer(entry: Mapping[str, Any], where: str) -> Party:
    metadata, address = _part(entry, "metadata", where), _part(entry, "address", where)
    taxes = entry.get("tax_ids")
    listed = taxes.get("data") if isinstance(taxes, dict) else taxes
    numbers = [t.get("value") if isinstance(t, dict) else t for t in listed or ()]
    return Party(
        _id(entry, where),
        name=_text(entry, "name", where),
        company=_text(metadata, "company", where) or _text(metadata, "company_name", where),
        emails=_texts(entry, ("email",), where),
        city=_text(address, "city", where) or _text(entry, "city", where),
        country=_text(address, "country", where) or _text(entry, "country", where),
        phone=_text(entry, "phone", where),
        tax_ids=(
            *(number for number in numbers if isinstance(number, str)),
            *_texts(metadata, ("tax_id", "vat"), where),
        ),
        crm_id=_text(metadata, "crm_id", where) or _text(entry, "crm_id", where),
    )


def _record(entry: Mapping[str, Any], where: str) -> Party:
    fields = {**entry, **_part(entry, "properties", where)}
    return Party(
        _id(entry, where),
        name=_text(fields, "name", where),
        aliases=_texts(fields, ("aliases",), where),
        emails=_texts(fields, ("emails", "contact_emails", "email"), where),
        domains=_texts(fields, ("domain", "domains", "hs_additional_domains", "website"), where),
        city=_text(fields, "city", where),
        country=_text(fields, "country", where),
        phone=_text(fields, "phone", where),
        tax_ids=_texts(fields, ("tax_ids", "tax_id", "vat"), where),
        stripe_ids=_texts(fields, ("stripe_customer_id", "stripe_ids"), where),
        parent_id=_text(fields, "parent_id", where),
        merged_ids=_texts(fields, ("merged_ids", "hs_merged_object_ids"), where),
    )


def _part(entry: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    found = entry.get(key) or {}
    if not isinstance(found, dict):
        raise BadInput("not_an_object", f"{where} {key}", "an object is needed")
    return found


def _id(entry: Mapping[str, Any], where: str) -> str:
    for key in ("id", "stripe_id", "crm_id", "hs_object_id"):
        if entry.get(key):
            return str(entry[key])
    raise BadInput("no_id", where, "an id is needed")


def _text(entry: Mapping[str, Any], key: str, where: str) -> str | None:
    found = entry.get(key)
    if found is None or isinstance(found, str | int):
        return None if found is None else str(found)
    raise BadInput("not_text", f"{where} {key}", "text is needed")


def _texts(entry: Mapping[str, Any], keys: tuple[str, ...], where: str) -> tuple[str, ...]:
    """All texts under `keys`: lists, or one text with `;` or `,` between its parts."""
    found: list[str] = []
    for key in keys:
        held = entry.get(key)
        if isinstance(held, list) and all(isinstance(text, str) for text in held):
            found += held
        else:
            text = _text(entry, key, where) or ""
            found += text.replace(",", ";").split(";")
    return tuple(dict.fromkeys(text.strip() for text in found if text.strip()))
