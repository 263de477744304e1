"""An account's customers as its fold takes them, with all that hangs on them summed up."""

from datetime import datetime
from functools import partial

from plumbline_domain.account import present
from plumbline_domain.customer import Customer
from plumbline_schemas.ids import ExternalKey

from matcher.rows import ObjectRow
from matcher.shares import ground_of, share
from matcher.snapshot import Snapshot
from matcher.stored import deletion_of, sighting_of


def members_of(
    snapshot: Snapshot, customers: list[ExternalKey], at: datetime
) -> tuple[list[Customer], datetime]:
    """An account's customers, summed up, and the instant for which they are."""
    rows = {key: snapshot.objects.get(key) for key in customers}
    books = {key: snapshot.book(key) for key in customers}
    latest = [book.latest for book in books.values()]
    for row in rows.values():
        seen = () if row is None else (sighting_of(row), deletion_of(row))
        latest += [sighting.vendor_time for sighting in seen if sighting is not None]
    at = present(at, latest)
    return [_customer(snapshot, key, rows[key], at) for key in customers], at


def _customer(
    snapshot: Snapshot, key: ExternalKey, row: ObjectRow | None, at: datetime
) -> Customer:
    book, ground = snapshot.book(key), ground_of(snapshot, key)
    book.stand_on(ground.sums)
    return Customer(
        key=key,
        body=ground.customer,
        sighting=None if row is None else sighting_of(row),
        deletion=None if row is None else deletion_of(row),
        test_mode=snapshot.workspace.test_mode(key.split("/", 2)[1]),
        holdings=book.holdings(partial(share, snapshot, ground), at),
    )
