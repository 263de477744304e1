"""Make the profiles of a workspace anew from its objects when the rules for them have changed.

An upgrade changes them, and a configuration that takes personal domains in. Page by page, each in a
transaction of its own; the basis is noted with the last one, so what is interrupted starts again.
"""

from dataclasses import replace
from typing import Final

import asyncpg
import orjson
from plumbline_domain.identity.profile import Profile
from plumbline_runtime.postgres import transaction
from plumbline_schemas.billing import BillingCustomer
from plumbline_schemas.crm import CrmRecord
from plumbline_schemas.ids import ExternalKey
from plumbline_schemas.observations import ConfigObservation

from matcher.apart import succeed
from matcher.identity_index import PostgresIndex
from matcher.identity_parties import basis_of, local_id, party_of_customer, party_of_record
from matcher.loading import read_workspace
from matcher.rows import WorkspaceRow

_PAGE: Final = 500
_OBJECTS: Final = """
select key, kind, deleted, vendor_time_ms, body::text,
       (select told.body::text from matcher.objects as told
        where told.workspace = $1 and o.kind = 'customer'
          and told.key = $1 || '/' || split_part(o.key, '/', 2) || '/tax_ids_told/'
                         || substr(o.key, length(o.place) + 1)) as told
from (select *, $1 || '/' || split_part(key, '/', 2) || '/' || kind || '/' as place
      from matcher.objects
      where workspace = $1 and key > $2 and kind in ('customer', 'company', 'contact')
      order by key limit $3) as o
order by key
"""
_UNSEEN: Final = """
select l.key from matcher.links l
where l.workspace = $1 and l.closed_version is null and split_part(l.key, '/', 3) = 'customer'
  and not exists (select 1 from matcher.objects o where o.workspace = $1 and o.key = l.key)
"""
_NOTE: Final = "update matcher.workspaces set index_basis = $2 where workspace = $1"


Takers = dict[str, tuple[tuple[int, str], frozenset[str]]]
"""Records into which others were merged: when their content is of, and those others."""


class Indexing:
    """Keeps the profiles of workspaces as the running rules make them."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._sure: set[str] = set()

    async def ensure(self, name: str) -> None:
        """Return when the profiles of a workspace are what its configuration makes of them."""
        if name not in self._sure:
            await self._make(await self._workspace(name))
            self._sure.add(name)

    async def foresee(self, observation: ConfigObservation) -> None:
        """The same for a configuration that is about to be taken; an older one changes nothing."""
        now = await self._workspace(observation.workspace)
        newest = -1 if now.config_revision is None else now.config_revision
        if observation.body is not None and observation.vendor_time_ms > newest:
            await self._make(replace(now, config=succeed(now.config, observation.body)))

    async def _workspace(self, name: str) -> WorkspaceRow:
        async def read(conn: asyncpg.Connection) -> WorkspaceRow:
            return await read_workspace(conn, name)

        return await transaction(self._pool, read)

    async def _make(self, workspace: WorkspaceRow) -> None:
        basis = basis_of(workspace)
        if workspace.index_basis == basis:
            return
        name, after = workspace.workspace, ""
        takers: Takers = {}
        self._sure.discard(name)

        async def begin(conn: asyncpg.Connection) -> None:
            await conn.execute(_NOTE, name, None)

        async def page(conn: asyncpg.Connection) -> str | None:
            return await _page(conn, workspace, after, takers)

        async def end(conn: asyncpg.Connection) -> None:
            unseen = [ExternalKey(row["key"]) for row in await conn.fetch(_UNSEEN, name)]
            profiles = [party_of_customer(key, None, workspace) for key in unseen]
            index = PostgresIndex(conn, name)
            await index.put("customer", profiles)
            await index.remove("record", _merged_away(takers))
            await conn.execute(_NOTE, name, basis)

        await transaction(self._pool, begin)
        while (last := await transaction(self._pool, page)) is not None:
            after = last
        await transaction(self._pool, end)


def _merged_away(takers: Takers) -> list[str]:
    """Records that others took over; of two that say so of each other the newer one stands."""
    return [
        gone
        for taker, (newest, merged) in takers.items()
        for gone in merged - {taker}
        if taker not in _merged(takers, gone) or takers[gone][0] < newest
    ]


def _merged(takers: Takers, record: str) -> frozenset[str]:
    return takers[record][1] if record in takers else frozenset()


async def _page(
    conn: asyncpg.Connection, workspace: WorkspaceRow, after: str, takers: Takers
) -> str | None:
    """Index the objects behind a key; the last one's key, None when there are no more.

    Records into which others were merged are noted in `takers`.
    """
    rows = await conn.fetch(_OBJECTS, workspace.workspace, after, _PAGE)
    customers: list[Profile] = []
    records: list[Profile] = []
    gone: list[str] = []
    for row in rows:
        key = ExternalKey(row["key"])
        body = None if row["body"] is None else orjson.loads(row["body"])
        if row["kind"] == "customer":
            held = None if body is None else BillingCustomer.model_validate(body)
            told = () if row["told"] is None else tuple(orjson.loads(row["told"])["tax_ids"])
            customers.append(party_of_customer(key, held, workspace, told))
        else:
            there = body is not None and not row["deleted"]
            record = (
                party_of_record(key, CrmRecord.model_validate(body), workspace) if there else None
            )
            if record is None:
                gone.append(local_id(key))
                continue
            records.append(record)
            if record.merged_ids:
                beside = record.id.removesuffix(record.vendor_id)
                merged = frozenset(f"{beside}{gone}" for gone in record.merged_ids)
                takers[record.id] = ((row["vendor_time_ms"], record.id), merged)
    index = PostgresIndex(conn, workspace.workspace)
    await index.put("customer", customers)
    await index.put("record", records)
    if gone:
        await index.remove("record", gone)
    return str(rows[-1]["key"]) if rows else None
