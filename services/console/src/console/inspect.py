"""Commands that only look: status, accounts, plan."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from plumbline_domain.ledger import LedgerBroken
from plumbline_runtime.postgres import UNREACHABLE
from plumbline_schemas.money import Money
from plumbline_schemas.outputs import AccountSearch, AccountShown, Output, Plan, Status, Why

from console import accounts, status
from console.facts import Facts
from console.plan import approve_first_write, waiting_plan
from console.reach import (
    NotRunning,
    connected,
    find_config,
    find_run,
    kafka_client,
    servers,
)
from console.show import OUT, fail, print_json, say, table
from console.working.why import working


def run_status(config: Path | None, *, as_json: bool) -> int:
    """Print the status; 1 when it is not up."""
    found = asyncio.run(_status(config))
    if as_json:
        print_json(found)
    else:
        _print_status(found)
    return 0 if status.is_up(found) else 1


async def _status(config: Path | None) -> Status:
    run = find_run()
    services = list(run.services) if run else []
    edge_url = run.edge_url if run else None
    try:
        kafka, database = servers(run)
        async with connected(database) as db, kafka_client(kafka) as client:
            facts = Facts(db, client, os.environ.get("PLUMBLINE_TOPIC_PREFIX", ""))
            return await status.gather(facts, find_config(config, run), services, edge_url)
    except NotRunning:
        return status.unreachable(services, edge_url)
    except UNREACHABLE as error:
        fail(f"Kafka or PostgreSQL does not answer: {type(error).__name__}: {error}")
        return status.unreachable(services, edge_url)


def _print_status(found: Status) -> None:
    if not found.services:
        OUT.print("[red]not running[/red]")
        return
    word = "[green]ready[/green]" if found.ready else "[yellow]not ready[/yellow]"
    settled = "settled" if found.settled else "working"
    OUT.print(f"Plumbline is {word}, {settled}. Edge: {found.edge_url or 'none'}")
    table(
        "Services",
        ["name", "state", "pid", "restarts", "memory", "detail"],
        [
            (
                service.name,
                service.state,
                service.pid,
                service.restarts,
                f"{service.rss_bytes / 1e6:.0f} MB" if service.rss_bytes else "",
                service.detail,
            )
            for service in found.services
        ],
    )
    dead = sum(found.dead_letters.values())
    table(
        "Waiting",
        ["lag", "reads", "effects", "attention", "incomplete", "dead letters"],
        [(found.lag, found.reads, found.effects, found.attention, found.incomplete, dead)],
    )
    if found.attention_kinds:
        table("Attention", ["kind", "open"], found.attention_kinds.items())
    table(
        "Connections",
        ["workspace", "name", "kind", "last event", "state", "detail"],
        [
            (
                row.workspace,
                row.name,
                row.kind,
                row.last_event_at or "never",
                f"{row.state} since {row.since}" if row.since else row.state,
                row.detail,
            )
            for row in found.connections
        ],
    )
    if found.rates:
        _print_rates(found)


def _print_rates(found: Status) -> None:
    table(
        "Exchange rates",
        ["workspace", "source", "table", "newest day", "state", "detail"],
        [
            (
                row.workspace,
                row.source,
                f"one a {row.every}",
                row.newest_day or "none",
                f"{row.state} since {row.since}" if row.since else row.state,
                row.detail,
            )
            for row in found.rates
        ],
    )


def run_show(config: Path | None, account: str, *, as_json: bool) -> int:
    """Print one account."""

    async def show(db: asyncpg.Connection) -> tuple[Output, int]:
        return AccountShown(account=await accounts.load(db, account)), 0

    return ask_database(config, show, as_json=as_json, human=_print_account)


def run_search(config: Path | None, text: str, *, as_json: bool) -> int:
    """Print matching accounts; 1 when there is none."""

    async def search(db: asyncpg.Connection) -> tuple[Output, int]:
        found = await accounts.search(db, text)
        return found, 0 if found.accounts else 1

    return ask_database(config, search, as_json=as_json, human=_print_hits)


def run_why(config: Path | None, account: str, field: str, *, as_json: bool) -> int:
    """Print where a value comes from."""

    async def explain(db: asyncpg.Connection) -> tuple[Output, int]:
        state = await accounts.load(db, account)
        found = accounts.why(state, field)
        return found.model_copy(update={"working": await working(db, state, field)}), 0

    return ask_database(config, explain, as_json=as_json, human=_print_why)


def run_plan(config: Path | None, *, as_json: bool, approve: bool) -> int:
    """Print what waits; with `approve` write the decision into the log first."""
    run = find_run()

    async def plan(db: asyncpg.Connection) -> tuple[Output, int]:
        waiting = await waiting_plan(db)
        if approve:
            kafka, _ = servers(run)
            deployment = find_config(config, run)
            await approve_first_write(kafka, deployment, datetime.now(UTC))
        return Plan(waiting=waiting, approved=approve), 0

    return ask_database(config, plan, as_json=as_json, human=_print_plan)


def ask_database(
    config: Path | None,
    question: Callable[[asyncpg.Connection], Awaitable[tuple[Output, int]]],
    *,
    as_json: bool,
    human: Callable[[Output], None],
) -> int:
    """Ask, print and say the exit code: 1 when the thing asked about is not so."""
    del config  # facts stand in the database; the option is there for every command alike

    async def asked() -> tuple[Output, int]:
        _, database = servers(find_run())
        async with connected(database) as db:
            return await question(db)

    try:
        found, code = asyncio.run(asked())
    except (NotRunning, accounts.NotFound, LedgerBroken) as error:
        fail(str(error))
        return 1
    except UNREACHABLE as error:
        fail(f"PostgreSQL does not answer: {type(error).__name__}: {error}")
        return 1
    print_json(found) if as_json else human(found)
    return code


def _print_account(output: Output) -> None:
    assert isinstance(output, AccountShown)
    account = output.account
    OUT.print(f"{account.id}  {account.state} ({account.stage})  version {account.version}")
    table(
        "Fields",
        ["field", "value", "rule", "from", "version"],
        [
            (name, accounts.plain(found), found.rule, found.event_id or found.origin, found.version)
            for name, found in sorted(account.fields.items())
        ],
    )
    table(
        "Links",
        ["external key", "method", "evidence"],
        [(link.key, link.method, link.evidence) for link in account.links],
    )
    if account.shares:
        table(
            "Shares of its billing customers",
            ["customer", "mode", "mrr", "plan", "payment status", "state"],
            [
                (
                    share.customer.removeprefix(f"{account.workspace}/"),
                    share.mode if share.counted else f"{share.mode}, not counted",
                    accounts.money(share.mrr),
                    share.plan,
                    share.payment_status,
                    share.state,
                )
                for share in account.shares
            ],
        )
    if account.flags.ambiguous or account.flags.incomplete:
        missing = ", ".join(account.flags.incomplete)
        ambiguous = "ambiguous" if account.flags.ambiguous else ""
        OUT.print(f"flags: {ambiguous} {'incomplete: ' + missing if missing else ''}")


def _print_hits(output: Output) -> None:
    assert isinstance(output, AccountSearch)
    table(
        f"{len(output.accounts)} accounts",
        ["account", "name", "state", "mrr", "plan"],
        [(hit.id, hit.name, hit.state, hit.mrr, hit.plan) for hit in output.accounts],
    )


def _print_why(output: Output) -> None:
    assert isinstance(output, Why)
    known = output.model_dump(exclude={"working"})
    if isinstance(output.value, dict):
        known["value"] = accounts.money(Money.model_validate(output.value))
    rows = [(key, value) for key, value in known.items() if value is not None]
    table("Why", ["", ""], rows)
    for line in output.working:
        say(line)


def _print_plan(output: Output) -> None:
    assert isinstance(output, Plan)
    table(
        f"{len(output.waiting)} records wait for approval"
        + (", approved now" if output.approved else ""),
        ["record", "property", "now", "then"],
        [
            (row.record, field.property, field.now, field.then)
            for row in output.waiting
            for field in row.fields
        ],
    )
