"""`identity duplicates|report|recalibrate` over a book in the tables, on a real PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
from console.identity_report import settle
from console.main import app
from plumbline_domain.identity.calibrate import Reviewed
from plumbline_domain.identity.profile import Party, customer_profile, record_profile
from plumbline_domain.identity.weights import shipped
from plumbline_runtime.attention import open_attention
from plumbline_runtime.postgres import create_pool
from plumbline_schemas.decisions import decision_key
from plumbline_schemas.ids import account_id
from plumbline_schemas.internal import Decision
from plumbline_schemas.review_outputs import Duplicates, IdentityReports, Recalibrated, ReviewList
from typer.testing import CliRunner, Result

Say = Callable[..., Awaitable[Result]]
AT = datetime(2026, 9, 21, tzinfo=UTC)


def cus(number: int) -> str:
    return f"acme/stripe/customer/cus_{number}"


def rec(number: int) -> str:
    return f"acme/hubspot/company/{number}"


class Book:
    """Rows as the matcher writes them."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.version = 0

    async def party(self, key: str, name: str, email: str = "", domain: str = "") -> None:
        local = key.split("/", 1)[1]
        emails, domains = (email,) if email else (), (domain,) if domain else ()
        side = "customer" if "/customer/" in key else "record"
        make = customer_profile if side == "customer" else record_profile
        profile = make(Party(local, name=name, emails=emails, domains=domains))
        await self.pool.execute(
            """insert into matcher.identity_profiles
                   (workspace, side, id, norm_version, keys, names, profile)
               values ('acme', $1, $2, 1, '{}', '{}', $3)
               on conflict (workspace, side, id) do update set profile = excluded.profile""",
            side,
            local,
            msgspec.json.encode(profile),
        )
        await self.pool.execute(
            """insert into matcher.objects
                   (workspace, key, kind, vendor_time_ms, deleted, body, held)
               values ('acme', $1, split_part($1, '/', 3), 1, false, '{}', '{}')
               on conflict do nothing""",
            key,
        )

    async def link(self, key: str, account: str, method: str, **proof: Any) -> None:
        self.version += 1
        await self.pool.execute(
            """insert into matcher.links
                   (workspace, key, account_id, opened_version, method, evidence, proof)
               values ('acme', $1, $2, $3, $4, 'so it is', $5::text::json)""",
            key,
            account,
            self.version,
            method,
            json.dumps(proof) if proof else None,
        )

    async def decide(self, action: Any, **named: Any) -> None:
        decision = Decision.model_validate({"action": action, "decided_at": AT} | named)
        await self.pool.execute(
            """insert into matcher.decisions (workspace, key, revision, body)
               values ('acme', $1, 1, $2::text::jsonb)""",
            decision_key("acme", decision),
            decision.model_dump_json(exclude_none=True),
        )


@pytest.fixture
async def book(database_url: str) -> AsyncIterator[Book]:
    pool = await create_pool(database_url)
    await pool.execute(
        """insert into matcher.workspaces (workspace, config_revision, config)
           values ('acme', 1, '{"currency": "EUR"}')"""
    )
    yield Book(pool)
    await pool.close()


@pytest.fixture
def say(book: Book, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Say:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")

    async def run(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, list(words))

    return run


@pytest.fixture
async def twice(book: Book) -> Book:
    """A company that the CRM holds twice, a customer that signed up twice, and others."""
    await book.party(rec(1), "Nordlys Oy", domain="nordlys.example")
    await book.party(rec(2), "Nordlys", domain="nordlys.example")
    await book.party(rec(3), "Fjell", domain="fjell.example")
    await book.party(cus(1), "Nordlys Oy", "pay@nordlys.example")
    await book.party(cus(2), "Nordlys", "pay@nordlys.example")
    await book.party(cus(3), "Fjell AS", "post@fjell.example")
    return book


@pytest.mark.server
async def test_who_is_there_twice_becomes_items_of_the_queue(say: Say, twice: Book) -> None:
    result = await say("identity", "duplicates", "--json")
    assert result.exit_code == 0, result.output
    found = Duplicates.model_validate_json(result.stdout)
    assert [one.keys for one in found.records] == [(rec(1), rec(2))]
    assert [one.keys for one in found.customers] == [(cus(1), cus(2))]
    assert (found.scanned_records, found.scanned_customers) == (3, 3)
    assert (found.opened, found.closed) == (2, 0)
    assert found.records[0].evidence[0].weight > 0
    listed = await say("review", "list", "--json")
    assert listed.exit_code == 0, (listed.output, listed.exception)
    queue = ReviewList.model_validate_json(listed.stdout)
    [group] = queue.groups
    assert group.group == "nordlys.example"
    assert {one.keys for one in group.items} == {(rec(1), rec(2)), (cus(1), cus(2))}
    text = (await say("review", "show", group.items[0].id)).stdout
    assert "Nordlys" in text
    assert "--not-duplicate" in text


@pytest.mark.server
async def test_a_second_scan_is_silent_and_what_is_gone_closes(say: Say, twice: Book) -> None:
    await say("identity", "duplicates")
    before = await twice.pool.fetch("select subject, version from runtime.attention order by 1")
    again = Duplicates.model_validate_json((await say("identity", "duplicates", "--json")).stdout)
    assert (again.opened, again.closed) == (0, 0)
    after = await twice.pool.fetch("select subject, version from runtime.attention order by 1")
    assert after == before
    await twice.party(rec(2), "Aurora Borealis", domain="aurora.example")
    gone = Duplicates.model_validate_json((await say("identity", "duplicates", "--json")).stdout)
    assert (gone.records, gone.closed) == ([], 1)


@pytest.mark.server
async def test_what_a_person_called_two_is_not_asked_again(say: Say, twice: Book) -> None:
    await twice.decide("not_duplicate", record=rec(2), other=rec(1))
    await twice.decide("keep_merged", customer=cus(1))
    await twice.decide("keep_merged", customer=cus(2))
    found = Duplicates.model_validate_json((await say("identity", "duplicates", "--json")).stdout)
    assert (found.records, found.customers) == ([], [])


@pytest.mark.server
async def test_a_look_opens_nothing_and_a_deleted_record_is_no_duplicate(
    say: Say, twice: Book
) -> None:
    await twice.pool.execute("update matcher.objects set deleted = true where key = $1", rec(2))
    result = await say("identity", "duplicates", "--report-only", "--json")
    found = Duplicates.model_validate_json(result.stdout)
    assert (found.records, len(found.customers)) == ([], 1)
    assert await twice.pool.fetchval("select count(*) from runtime.attention") == 0
    assert "1 pairs of billing customers" in (await say("identity", "duplicates")).stdout


async def _standings(book: Book) -> None:
    """Customers 1 to 4: by evidence, by a person, waiting, and without a record."""
    for number in range(1, 5):
        await book.party(cus(number), f"Firm {number}", f"pay@firm{number}.example")
        await book.link(cus(number), account_id(cus(number)), "founder")  # type: ignore[arg-type]
    version = shipped().version
    proof = {"probability": 0.97, "score": 3500, "model_version": version}
    await book.link(rec(1), account_id(cus(1)), "evidence", **proof)  # type: ignore[arg-type]
    await book.link(rec(2), account_id(cus(2)), "person")  # type: ignore[arg-type]
    async with book.pool.acquire() as conn:
        await open_attention(
            conn, workspace="acme", kind="review_match", subject=cus(3), summary="which?"
        )
    await book.decide("create", customer=cus(4), probability=0.5, model_version=version)
    await book.decide(
        "link", customer=cus(2), record=rec(2), probability=0.6, model_version=version
    )


@pytest.mark.server
async def test_the_report_tells_what_the_rate_is_of(say: Say, book: Book) -> None:
    await _standings(book)
    await book.pool.execute(
        """create or replace view matcher.attention_view as
           select workspace, kind, subject, status, summary, opened_at, details
           from runtime.attention"""
    )
    await book.pool.execute("update runtime.attention set opened_at = now() - interval '3 days'")
    result = await say("identity", "report", "--json")
    assert result.exit_code == 0, result.output
    [found] = IdentityReports.model_validate_json(result.stdout).workspaces
    assert (found.customers, found.linked, found.asked, found.without_record) == (4, 2, 1, 1)
    assert found.match_rate == pytest.approx(2 / 3, abs=1e-4)
    assert {(one.method, one.customers) for one in found.methods} == {
        ("evidence", 1),
        ("person", 1),
    }
    assert found.oldest_age_days == pytest.approx(3.0)
    assert [(one.decisions, one.found) for one in found.drift] == [(2, 0.5)]
    text = (await say("identity", "report")).stdout
    assert "2 customers linked, of 3 not known to be without a CRM record" in text
    assert "200 teach" in text
    assert (await say("identity", "report", "--workspace", "nobody")).exit_code == 1


@pytest.mark.server
async def test_two_hundred_reviews_recalibrate(say: Say, book: Book) -> None:
    few = await say("identity", "recalibrate")
    assert few.exit_code == 1
    assert "it takes 200" in few.output
    for number in range(210):
        await book.decide(
            "link" if number % 10 else "not_this",
            customer=cus(number),
            record=rec(number),
            probability=0.5 + number / 500,
            model_version=shipped().version,
            withdrawn=number >= 205,
        )
    result = await say("identity", "recalibrate", "--precision", "0.85", "--json")
    assert result.exit_code == 0, result.output
    found = Recalibrated.model_validate_json(result.stdout)
    assert found.decisions == 205
    assert found.wrong_per_1000 <= 150
    assert found.configuration == f"[policies.identity]\nauto_at = {found.auto_at:.3f}\n"
    assert (await say("identity", "recalibrate", "--precision", "1")).exit_code == 2


def test_a_precision_that_nothing_reaches_links_nothing() -> None:
    wrong = [Reviewed(0.9, right=False)] * 200
    found = settle("acme", wrong, [0.99], 0.997)
    assert (found.auto_at, found.linked) == (None, 0)
    assert found.now_wrong_per_1000 > 900


def test_reviews_of_other_weights_and_withdrawn_ones_teach_nothing() -> None:
    from console.identity_report import reviews
    from plumbline_schemas.review_outputs import StandingDecision

    def one(**facts: Any) -> StandingDecision:
        plain = {
            "id": "x", "workspace": "acme", "subject": "s", "action": "link", "customer": cus(1),
            "record": rec(1), "other": None, "withdrawn": False, "decided_by": "mara",
            "decided_at": AT + timedelta(days=1), "probability": 0.7,
            "model_version": shipped().version,
        }  # fmt: skip
        return StandingDecision.model_validate(plain | facts)

    found = reviews(
        [
            one(),
            one(action="not_this", probability=0.4),
            one(action="create", probability=0.3),
            one(model_version="older"),
            one(probability=None),
            one(withdrawn=True),
        ]
    )
    assert found == [Reviewed(0.7, True), Reviewed(0.4, False), Reviewed(0.3, False)]
