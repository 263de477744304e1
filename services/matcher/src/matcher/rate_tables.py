"""Exchange rates of a workspace: the days of all its tables together (docs/rates.md)."""

from functools import lru_cache
from typing import Final

import asyncpg
from plumbline_domain.rates import NO_RATES, Rates
from plumbline_schemas.ids import OWN, ExternalKey, external_key
from plumbline_schemas.internal import RateTable
from plumbline_schemas.observations import RatesObservation

from matcher.rows import WorkspaceRow

_ANY: Final = "any"


@lru_cache(maxsize=64)
def rates_need(workspace: str) -> ExternalKey:
    """What depends on exchange rates depends on all tables."""
    return external_key(workspace, OWN, "rates", _ANY)


def take_table(workspace: WorkspaceRow, observation: RatesObservation) -> bool:
    """Note a newer revision of a table; False for one that is known or older."""
    revision = observation.vendor_time_ms
    if observation.body is None or workspace.rates.get(observation.id, -1) >= revision:
        return False
    workspace.rates = {**workspace.rates, observation.id: revision}
    return True


async def store_table(conn: asyncpg.Connection, observation: RatesObservation) -> None:
    """Keep a table whole, in place of its older revision."""
    if observation.body is None:
        return
    await conn.execute(
        """insert into matcher.rates (workspace, name, revision, body)
           values ($1, $2, $3, $4::text::json)
           on conflict (workspace, name) do update set
               revision = excluded.revision, body = excluded.body""",
        observation.workspace,
        observation.id,
        observation.vendor_time_ms,
        observation.body.model_dump_json(),
    )


class RateShelf:
    """Tables in memory, so that a batch reads them only after they changed.

    A revision names one content for ever, so what was read for a transaction that failed is right.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[dict[str, int], Rates]] = {}

    async def rates(self, conn: asyncpg.Connection, workspace: WorkspaceRow) -> Rates:
        """The rates of exactly the tables and revisions that the workspace's row names."""
        if not workspace.rates:
            return NO_RATES
        known = self._known.get(workspace.workspace)
        if known is None or known[0] != workspace.rates:
            known = (dict(workspace.rates), await _read(conn, workspace.workspace))
            self._known[workspace.workspace] = known
        return known[1]


async def _read(conn: asyncpg.Connection, workspace: str) -> Rates:
    """Tables differ in their days; where they should not, the newest revision has the last word."""
    rows = await conn.fetch(
        "select body::text from matcher.rates where workspace = $1 order by revision, name",
        workspace,
    )
    tables = [RateTable.model_validate_json(row["body"]) for row in rows]
    return Rates.of({day: rates for table in tables for day, rates in table.days.items()})
