"""The ledger of one workspace, read from the matcher's views."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import typer
from plumbline_domain.ledger import Entry, LedgerRow, PlanRow, entries_of
from plumbline_schemas.events import Cause
from plumbline_schemas.ids import AccountId
from plumbline_schemas.internal import WorkspaceConfig
from plumbline_schemas.money import Money

from console.accounts import NotFound, load

_ROWS = """
    select sequence, account_id, effective_at, cause::text as record, movement,
           mrr_before, currency_before, mrr_after, currency_after, mrr_at_former_rates,
           planned_movement, plan_told, plan
    from matcher.ledger_view
    where workspace = $1 and ($2::bigint is null or sequence <= $2)
      and (currency_after is not null or mrr_before is distinct from mrr_after
           or movement is not null or plan_told)
      and (account_id = $3 or account_id <> all($4::text[]))
    order by sequence
"""
_APART = """
    select account_id from matcher.customer_view where workspace = $1
    group by account_id having bool_and(split_part(key, '/', 2) = any($2::text[]))
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose ledger: a workspace, an account of it or all, and up to which row."""

    workspace: str | None = None
    account: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """What was asked for, in memory."""

    workspace: str
    zone: ZoneInfo
    account: AccountId | None
    version: int
    entries: tuple[Entry, ...]
    plans: tuple[PlanRow, ...]
    records: Mapping[int, str]
    """Cause of each row, as JSON text."""
    names: Mapping[AccountId, str]

    def cause(self, sequence: int) -> Cause:
        """The record of the log that wrote a row."""
        return Cause.model_validate_json(self.records[sequence])


async def read_ledger(db: asyncpg.Connection, asked: Asked) -> Ledger:
    """Read and book the rows. Raises NotFound, LedgerBroken, and a usage error for a bad option."""
    account = None
    workspace = asked.workspace
    if asked.account is not None:
        found, account = await find_account(db, asked.account)
        if workspace not in {None, found}:
            raise typer.BadParameter(f"account {account} is of workspace {found}, not {workspace}")
        workspace = found
    workspace, zone = await workspace_of(db, workspace)
    rows = await db.fetch(_ROWS, workspace, asked.version, account, await apart(db, workspace))
    newest = await db.fetchval(
        "select max(sequence) from matcher.ledger_view where workspace = $1", workspace
    )
    if asked.version is not None and asked.version > (newest or 0):
        raise NotFound(f"the ledger of {workspace} ends at version {newest or 0}")
    names = await db.fetch(
        """select account_id, min(name) as name from matcher.customer_view
           where workspace = $1 and name is not null group by account_id""",
        workspace,
    )
    return Ledger(
        workspace=workspace,
        zone=zone,
        account=account,
        version=asked.version or newest or 0,
        entries=tuple(entries_of(_money_rows(rows), zone)),
        plans=tuple(
            PlanRow(row["account_id"], row["effective_at"], row["plan"])
            for row in rows
            if row["plan_told"]
        ),
        records={row["sequence"]: row["record"] for row in rows},
        names={row["account_id"]: row["name"] for row in names},
    )


async def find_account(db: asyncpg.Connection, wanted: str) -> tuple[str, AccountId]:
    """Workspace and id of an account, by its id (a merged-away one too) or a linked id."""
    row = await db.fetchrow(
        "select workspace, account_id from matcher.change_view where account_id = $1 limit 1",
        wanted,
    )
    if row is not None:
        return row["workspace"], AccountId(row["account_id"])
    state = await load(db, wanted)
    return state.workspace, state.id


async def workspace_of(db: asyncpg.Connection, wanted: str | None) -> tuple[str, ZoneInfo]:
    """A workspace with its timezone: the one named, or the only one; else a usage error."""
    found = await db.fetch("select workspace, body from matcher.config_view order by workspace")
    bodies = {row["workspace"]: row["body"] for row in found}
    if not bodies:
        raise NotFound("there is no ledger yet: no workspace's configuration was folded")
    known = ", ".join(bodies)
    if wanted is None and len(bodies) > 1:
        raise typer.BadParameter(f"several workspaces ({known}): name one with --workspace")
    workspace = wanted or next(iter(bodies))
    if workspace not in bodies:
        raise typer.BadParameter(f"--workspace: there is no {workspace!r}; there is: {known}")
    return workspace, ZoneInfo(_config(bodies[workspace]).timezone)


async def apart(db: asyncpg.Connection, workspace: str) -> list[str]:
    """Accounts of test mode beside live ones: no part of the workspace's book."""
    body = await db.fetchval("select body from matcher.config_view where workspace = $1", workspace)
    config = _config(body)
    names = sorted({one.name for one in (*config.former, *config.connections)})
    aside = [name for name in names if config.set_apart(name)]
    if not aside:
        return []
    return [row["account_id"] for row in await db.fetch(_APART, workspace, aside)]


def _config(body: Any) -> WorkspaceConfig:
    if isinstance(body, str):
        return WorkspaceConfig.model_validate_json(body)
    return WorkspaceConfig.model_validate(body)


def _money_rows(rows: list[asyncpg.Record]) -> Iterator[LedgerRow]:
    for row in rows:
        before = row["currency_before"] or row["currency_after"]
        after = row["currency_after"] or row["currency_before"]
        yield LedgerRow(
            sequence=row["sequence"],
            account=row["account_id"],
            effective_at=row["effective_at"],
            record=row["record"],
            movement=row["movement"],
            before=_money(row["mrr_before"], before),
            after=_money(row["mrr_after"], after),
            at_former_rates=_money(row["mrr_at_former_rates"], after),
            planned=row["planned_movement"],
        )


def _money(minor: int | None, currency: str | None) -> Money | None:
    """Rows that leave the MRR as it is don't say its currency: to them it is as good as unknown."""
    return None if minor is None or currency is None else Money(minor=minor, currency=currency)
