"""All that a small run of records pulls, in one round trip (migration 0015).

What it brings is what the steps of `gather` would bring one after the other: they find it here and
ask for nothing. It saves round trips, never decides; larger runs do without.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

import asyncpg
from plumbline_schemas.ids import AccountId, ExternalKey

from matcher.identity_index import profile_of
from matcher.identity_parties import local_id, side_of
from matcher.kept import KEPT_KINDS
from matcher.linked import load_links
from matcher.loading import account_of, load_kept_row, load_row
from matcher.rows import LinkRow, Ruling
from matcher.snapshot import Snapshot, kind_of

FEW: Final = 20
"""Keys up to which pulling everything at once is cheaper than a round trip a table."""

_AROUND: Final = "select * from matcher.around($1, $2, $3, $4, $5, $6, $7, $8)"
_NOTHING: Final[Mapping[ExternalKey, int | None]] = {}


async def load_around(
    conn: asyncpg.Connection,
    snapshot: Snapshot,
    keys: Collection[ExternalKey],
    newest: Mapping[ExternalKey, int | None] = _NOTHING,
    *,
    identity: bool,
) -> set[ExternalKey]:
    """Load objects, unless they are held newer than told, and all that hangs on the accounts
    behind them and behind `keys`; with `identity` the profiles and rulings there as well.

    Returns the objects that are held newer.
    """
    found: Any = await conn.fetchrow(
        _AROUND,
        snapshot.workspace.workspace,
        snapshot.workspace.kept_version,
        list(newest),
        list(newest.values()),
        sorted(keys),
        sorted(snapshot.complete),
        sorted(KEPT_KINDS),
        identity,
    )
    newer = load_sighted(snapshot, found["objects"], newest)
    pulled = {*keys}
    pulled.update(row["parent_key"] for row in found["objects"] if not row["newer"])
    pulled.discard(None)
    _load_links(snapshot, found["links"], pulled)
    accounts = {AccountId(row["account_id"]) for row in found["links"]}
    for row in found["accounts"]:
        account = account_of(row)
        snapshot.accounts.setdefault(account.account_id, account)
    snapshot.accounts_known |= accounts
    people = {key for key in pulled if kind_of(key) == "customer"}
    for account_id in accounts:
        people.update(snapshot.customers_of(account_id))
    _load_people(snapshot, found, people)
    if identity:
        _load_identity(snapshot, found, people | pulled)
    return newer


async def load_near(
    conn: asyncpg.Connection, snapshot: Snapshot, keys: Collection[ExternalKey]
) -> None:
    """Load the links of the accounts behind keys; of a few keys, all that hangs on them too."""
    unseen = {key for key in keys if key not in snapshot.links_known}
    if not unseen or len(unseen) > FEW:
        await load_links(conn, snapshot, unseen)
    else:
        await load_around(conn, snapshot, unseen, identity=True)


def load_sighted(
    snapshot: Snapshot, rows: list[Any], newest: Mapping[ExternalKey, int | None]
) -> set[ExternalKey]:
    """Load objects unless they are held newer than told, which are returned."""
    newer = {ExternalKey(row["key"]) for row in rows if row["newer"]}
    snapshot.looked_up(newest.keys() - newer)
    for row in rows:
        if not row["newer"]:
            load_row(snapshot, row)
    return newer


def _load_links(snapshot: Snapshot, rows: list[Any], pulled: set[ExternalKey]) -> None:
    snapshot.links_known |= pulled
    for row in rows:
        link = LinkRow(**dict(row))
        snapshot.load_link(link)
        snapshot.links_known.add(link.key)


def _load_people(snapshot: Snapshot, found: Any, people: set[ExternalKey]) -> None:
    """Customers whole, and what is kept of what hangs on them."""
    for row in found["customers"]:
        if row["key"] not in snapshot.objects:
            load_row(snapshot, row)
    snapshot.looked_up(people)
    for row in found["kept"]:
        if row["key"] not in snapshot.objects:
            load_kept_row(snapshot, row, fresh=row["newer"])
    snapshot.complete |= people


def _load_identity(snapshot: Snapshot, found: Any, keys: set[ExternalKey]) -> None:
    view, rulings = snapshot.identity, snapshot.rulings
    for row in found["profiles"]:
        view.load(row["side"], {row["id"]: profile_of(row["profile"])})
    view.looked_up((side_of(key), local_id(key)) for key in keys)
    for row in found["rulings"]:
        rulings.load(Ruling(**dict(row)))
    rulings.known |= {key for key in keys if kind_of(key) == "customer"}
