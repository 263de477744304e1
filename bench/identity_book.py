"""A labelled book on disk: crm.csv, stripe.csv, truth.csv, events.csv (shared layout)."""

import csv
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from plumbline_domain.identity.profile import Party

Row = dict[str, str]
LONGEST_FIELD = 10_000_000


def rows(path: Path, *needed: str) -> list[Row]:
    """All rows of a CSV file; ends with a word on the file when it is none, or when a row has
    nothing in a `needed` column."""
    csv.field_size_limit(LONGEST_FIELD)
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            found = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as bad:
        raise SystemExit(f"{path}: {bad}") from bad
    for line, row in enumerate(found, 2):
        lacking = next((name for name in needed if not row.get(name)), None)
        if lacking is not None:
            raise SystemExit(f"{path}, row {line}: nothing in column {lacking}")
    return found


def customer_party(row: Row) -> Party:
    """A row of stripe.csv as the connector would hand it over."""
    metadata = _metadata(row)
    return Party(
        row["stripe_id"],
        name=row.get("name"),
        company=metadata.get("company") or metadata.get("company_name"),
        emails=(row["email"],) if row.get("email") else (),
        city=row.get("address_city"),
        country=row.get("address_country"),
        phone=row.get("phone"),
        tax_ids=tuple(filter(None, (metadata.get("tax_id"), metadata.get("vat")))),
        crm_id=metadata.get("crm_id"),
    )


def _metadata(row: Row) -> dict[str, str]:
    try:
        found = json.loads(row.get("metadata") or "{}")
    except (json.JSONDecodeError, RecursionError) as bad:
        raise SystemExit(f"{row['stripe_id']}: metadata is no JSON: {bad}") from bad
    if not isinstance(found, dict):
        raise SystemExit(f"{row['stripe_id']}: metadata is no JSON object")
    return {key: str(value) for key, value in found.items()}


def record_party(row: Row) -> Party:
    """A row of crm.csv as the connector would hand it over."""
    emails = re.split(r"[;,|\s]+", row.get("contact_emails") or "")
    return Party(
        row["crm_id"],
        name=row.get("name"),
        emails=tuple(filter(None, emails)),
        domains=(row["domain"],) if row.get("domain") else (),
        city=row.get("city"),
        country=row.get("country"),
        phone=row.get("phone"),
        parent_id=row.get("parent_id"),
    )


@dataclass(frozen=True)
class Book:
    """A book without its truth."""

    customers: list[Party]
    records: list[Party]


def read_book(folder: Path, called: Callable[[str], str] = str) -> Book:
    """Customers and records of a book; `called` makes the id of a record from its `crm_id`."""
    records = [record_party(row) for row in rows(folder / "crm.csv", "crm_id")]
    return Book(
        [customer_party(row) for row in rows(folder / "stripe.csv", "stripe_id")],
        [replace(record, id=called(record.id)) for record in records],
    )


def record_of(crm_id: str) -> str:
    """How the matcher's index calls a record."""
    return f"hubspot/company/{crm_id}"
