"""What the ledger commands say of a book that the matcher folded, on a real PostgreSQL."""

import asyncio
import csv
import io
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from console.main import app
from plumbline_schemas.ids import account_id, external_key
from plumbline_schemas.ledger_outputs import AccountHistory, MrrAt, MrrMovements
from plumbline_schemas.topics import ACCOUNTS_EVENTS
from plumbline_schemas.typed_events import ACCOUNT_EVENT_ADAPTER
from typer.testing import CliRunner, Result

pytestmark = pytest.mark.server
Ask = Callable[..., Awaitable[Result]]


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def acc(customer: str) -> str:
    return account_id(external_key("acme", "stripe", "customer", customer))


@pytest.fixture
def ask(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """The command line."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")

    async def run(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, list(words))

    return run


@pytest.fixture
async def told(kit: Any, bench: Any, ask: Ask) -> Ask:
    """A book from January to March in Berlin, and the command line that asks about it."""
    log = kit.log()
    log.ready(timezone="Europe/Berlin")

    def put(when: str, subscription: str, customer: str, amount: int = 10000, **keys: Any) -> None:
        keys.setdefault("start_date", datetime.fromisoformat("2026-01-01T00:00:00+00:00"))
        log.subscription(subscription, customer, amount, vendor_time_ms=ms(when), **keys)

    for customer, when in (("cus_1", "2026-01-05T12:00:00"), ("cus_2", "2026-01-31T23:30:00")):
        log.customer(customer, vendor_time_ms=ms(when))
    put("2026-01-05T12:00:01", "sub_1", "cus_1")
    put("2026-01-31T23:30:01", "sub_2", "cus_2", 5000, lookup_key="=small")
    put("2026-03-03T09:00:00", "sub_1", "cus_1", 15000)
    put("2026-03-20T09:00:00", "sub_2", "cus_2", 5000, status="canceled", lookup_key="=small")
    put("2026-03-28T09:00:00", "sub_3", "cus_2", 7001)
    await bench.run(log)
    return ask


async def test_a_month_closes_to_the_cent(told: Ask) -> None:
    result = await told("mrr", "movements", "--month", "2026-03", "--lines", "--json")
    assert result.exit_code == 0, result.output
    found = MrrMovements.model_validate_json(result.stdout)
    [month] = found.currencies
    moved = {one.kind: (one.amount.minor, one.count) for one in month.movements if one.count}
    assert moved == {"expansion": (5000, 1), "churn": (-5000, 1), "reactivation": (7001, 1)}
    assert (month.opening.minor, month.closing.minor, month.net_new.minor) == (15000, 22001, 7001)
    assert month.opening.minor + sum(amount for amount, _ in moved.values()) == month.closing.minor
    assert month.gross_churn_rate == "0.333333"
    assert month.net_churn_rate == "-0.466733"
    assert month.customer_churn_rate == "0.500000"
    assert [line.cause.key.split("/")[-1] for line in found.lines] == ["sub_1", "sub_2", "sub_3"]
    assert found.start == datetime(2026, 2, 28, 23, tzinfo=UTC)


async def test_months_are_the_workspaces_and_follow_one_another(told: Ask) -> None:
    closing = 0
    for month, new in (("2026-01", 10000), ("2026-02", 5000)):
        result = await told("mrr", "movements", "--month", month, "--json")
        [found] = MrrMovements.model_validate_json(result.stdout).currencies
        assert found.opening.minor == closing
        assert {one.kind: one.amount.minor for one in found.movements}["new"] == new
        closing = found.closing.minor
    nothing = await told("mrr", "movements", "--month", "2025-12", "--json")
    assert json.loads(nothing.stdout)["currencies"] == []


async def test_the_book_at_a_date_by_plan_and_account(told: Ask) -> None:
    result = await told("mrr", "at", "--date", "2026-03-10", "--json")
    found = MrrAt.model_validate_json(result.stdout)
    assert found.at == datetime(2026, 3, 10, 23, tzinfo=UTC)
    [total] = found.totals
    assert (total.mrr.minor, total.customers) == (20000, 2)
    assert [(one.plan, one.mrr.minor) for one in found.plans] == [
        ("plan_15000", 15000),
        ("=small", 5000),
    ]
    assert [(one.account, one.mrr.minor) for one in found.accounts] == [
        (acc("cus_1"), 15000),
        (acc("cus_2"), 5000),
    ]
    [before] = MrrAt.model_validate_json(
        (await told("mrr", "at", "--date", "2026-03-02", "--json", "--account", "cus_1")).stdout
    ).accounts
    assert (before.plan, before.mrr.minor) == ("plan_10000", 10000)


async def test_the_book_today_is_what_the_accounts_say(told: Ask, bench: Any) -> None:
    found = MrrAt.model_validate_json(
        (await told("mrr", "at", "--date", "2026-12-31", "--json")).stdout
    )
    states = await bench.pool.fetch("select account_id, state from matcher.account_view")
    now = {row["account_id"]: row["state"]["fields"]["mrr"]["value"]["minor"] for row in states}
    assert {one.account: one.mrr.minor for one in found.accounts} == now
    assert {one.account: one.plan for one in found.accounts} == {
        row["account_id"]: row["state"]["fields"]["plan"]["value"] for row in states
    }


async def test_an_earlier_answer_can_be_repeated_by_its_version(
    told: Ask, bench: Any, kit: Any
) -> None:
    first = MrrMovements.model_validate_json(
        (await told("mrr", "movements", "--month", "2026-03", "--json")).stdout
    )
    late = kit.log()
    late.observations = [None] * 100
    late.subscription(
        "sub_9", "cus_2", 900, vendor_time_ms=ms("2026-03-30T09:00:00"),
        start_date=datetime(2026, 3, 30, tzinfo=UTC),
    )  # fmt: skip
    [record] = kit.records(late.observations[100:])
    position = await bench.position()
    await bench.fold([record._replace(offset=position)])
    now = MrrMovements.model_validate_json(
        (await told("mrr", "movements", "--month", "2026-03", "--json")).stdout
    )
    assert now.currencies[0].closing.minor == first.currencies[0].closing.minor + 900
    again = await told(
        "mrr", "movements", "--month", "2026-03", "--json", "--version", str(first.version)
    )
    assert MrrMovements.model_validate_json(again.stdout) == first


async def test_a_merge_moves_mrr_between_accounts_and_none_into_the_book(
    kit: Any, bench: Any, ask: Ask
) -> None:
    log = kit.log()
    log.ready()
    for customer, amount in (("cus_1", 10000), ("cus_2", 5000)):
        log.customer(customer)
        log.subscription(f"sub_{customer}", customer, amount)
    log.company("77", "acme.example")
    log.customer("cus_1", crm_id="77")
    log.customer("cus_2", crm_id="77")
    await bench.run(log)
    result = await ask("mrr", "movements", "--month", "2026-06", "--lines", "--json")
    found = MrrMovements.model_validate_json(result.stdout)
    [month] = found.currencies
    moved = {one.kind: (one.amount.minor, one.count) for one in month.movements if one.count}
    assert moved == {"new": (15000, 2), "transfer": (0, 2)}
    left, arrived = [line for line in found.lines if line.kind == "transfer"]
    assert (left.amount.minor, arrived.amount.minor) == (-5000, 5000)
    assert left.booked_at == arrived.booked_at
    merged = await ask("accounts", "history", acc("cus_2"), "--json")
    last = AccountHistory.model_validate_json(merged.stdout).changes[-1]
    assert {one.field: one.after for one in last.changed}["merged_into"] == acc("cus_1")


async def test_history_tells_each_change_with_its_cause(told: Ask) -> None:
    result = await told("accounts", "history", "cus_2", "--json")
    found = AccountHistory.model_validate_json(result.stdout)
    assert (found.account, found.workspace) == (acc("cus_2"), "acme")
    assert [change.movement for change in found.changes] == [None, "new", "churn", "reactivation"]
    churn = found.changes[2]
    assert (churn.mrr_before.minor, churn.mrr_after.minor) == (5000, 0)
    assert churn.cause.event_id.startswith("evt_")
    assert churn.cause.key == "acme/stripe/subscription/sub_2"
    changed = {one.field: (one.before, one.after) for one in churn.changed if one.rule}
    assert changed["state"] == ("active", "churned")
    assert "account.mrr_changed" in churn.events


async def test_every_published_event_is_of_its_types_model(told: Ask, bench: Any) -> None:
    messages = bench.topics.of(ACCOUNTS_EVENTS)
    kinds = [ACCOUNT_EVENT_ADAPTER.validate_json(message.value).type for message in messages]
    assert {"account.created", "account.mrr_changed", "account.plan_changed"} <= set(kinds)
    assert kinds.count("account.mrr_changed") == 5


async def test_csv_lines_add_up(told: Ask) -> None:
    result = await told("mrr", "movements", "--month", "2026-03", "--csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["kind"] for row in rows] == [
        "opening_balance", "expansion", "churn", "reactivation", "closing_balance",
    ]  # fmt: skip
    assert [row["amount"] for row in rows] == ["150.00", "50.00", "-50.00", "70.01", "220.01"]


async def test_people_read_amounts_in_major_units(told: Ask) -> None:
    month = (await told("mrr", "movements", "--month", "2026-03", "--lines")).stdout
    assert "closing balance" in month
    assert "+70.01 EUR" in month
    assert "33.33 %" in month
    book = (await told("mrr", "at", "--date", "2026-03-10")).stdout
    assert "200.00 EUR of 2 customers" in book
    history = (await told("accounts", "history", acc("cus_1"))).stdout
    assert "mrr: 100.00 EUR -> 150.00 EUR" in history


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["mrr", "at", "--date", "2026-02-30"], 2, "2026-02-30"),
        (["mrr", "movements", "--month", "March"], 2, "March"),
        (["mrr", "movements", "--month", "2026-03", "--workspace", "beta"], 2, "there is: acme"),
        (["mrr", "at", "--date", "2026-03-01", "--account", "cus_9"], 1, "no account 'cus_9'"),
        (["mrr", "at", "--date", "2026-03-01", "--version", "999"], 1, "ends at version"),
        (["accounts", "history", "cus_9"], 1, "no account 'cus_9'"),
    ],
)
async def test_what_is_wrong_is_named(told: Ask, words: list[str], code: int, said: str) -> None:
    result = await told(*words)
    assert result.exit_code == code
    assert said in result.stderr.replace("\n", " ")
