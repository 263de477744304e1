"""The review queue and links at the command line, on real servers; the matcher is stood in for."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer
from console.main import app
from plumbline_runtime.attention import close_attention, open_attention
from plumbline_runtime.postgres import create_pool
from plumbline_runtime.topics import ensure_topics
from plumbline_schemas.decisions import decision_key
from plumbline_schemas.ids import ExternalKey, account_id
from plumbline_schemas.observations import DecisionObservation, decode_observation
from plumbline_schemas.review_outputs import (
    Decided,
    LinkHistory,
    LinksShown,
    ReviewList,
    ReviewShown,
)
from typer.testing import CliRunner, Result

pytestmark = pytest.mark.server

ONE = ExternalKey("acme/stripe/customer/cus_1")
TWO = ExternalKey("acme/stripe/customer/cus_2")
THREE = ExternalKey("acme/stripe/customer/cus_3")
FIRM = ExternalKey("acme/hubspot/company/900")
RIVAL = ExternalKey("acme/hubspot/company/901")
FAR = ExternalKey("acme/hubspot/company/77")
PIECES = [["name.same1", "Nordlys Oy", "Nordlys", 3200], ["country.other", "FI", "SE", -400]]


class Stage:
    """A small book in the tables, and a stand-in for the matcher that takes decisions."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.taken: list[DecisionObservation] = []
        self.version = 0

    async def known(self, key: str, *, deleted: bool = False, **body: Any) -> None:
        await self.pool.execute(
            """insert into matcher.objects
                   (workspace, key, kind, vendor_time_ms, deleted, body, held)
               values ('acme', $1, split_part($1, '/', 3), 1, $2, $3::text::json, '{}')""",
            key,
            deleted,
            json.dumps(body),
        )

    async def account(self, customer: ExternalKey, minor: int, *others: str) -> str:
        """An account of a customer and whatever else is linked to it."""
        name = account_id(customer)
        self.version += 1
        mrr = {"value": {"minor": minor, "currency": "eur"}, "rule": "mrr.sum", "version": 1}
        keys = [customer, *others]
        links = [
            {"key": key, "method": "founder", "evidence": "it is", "opened_version": 1}
            for key in keys
        ]
        state = {
            "id": name, "workspace": "acme", "version": 1, "state": "active", "stage": "paying",
            "links": links, "fields": {"mrr": mrr},
        }  # fmt: skip
        await self.pool.execute(
            """insert into matcher.accounts (workspace, account_id, founder_key, founded_sequence,
                   version, state, fold_version, waiting, had_mrr)
               values ('acme', $1, $2, $3, 1, $4::text::json, 1, false, true)""",
            name,
            customer,
            self.version,
            json.dumps(state),
        )
        for key in keys:
            await self.link(key, name)
        return name

    async def link(self, key: str, account: str, **facts: Any) -> None:
        self.version += 1
        plain = {"method": "founder", "evidence": "it is", "decided_by": None, "proof": None}
        told = plain | facts
        await self.pool.execute(
            """insert into matcher.links
                   (workspace, key, account_id, opened_version, method, evidence, decided_by, proof)
               values ('acme', $1, $2, $3, $4, $5, $6, $7::text::json)""",
            key,
            account,
            self.version,
            *(told[name] for name in ("method", "evidence", "decided_by")),
            None if told["proof"] is None else json.dumps(told["proof"]),
        )

    async def unlink(self, key: str) -> None:
        self.version += 1
        await self.pool.execute(
            """update matcher.links set closed_version = $2
               where key = $1 and closed_version is null""",
            key,
            self.version,
        )

    async def ask(self, kind: Any, subject: str, **details: Any) -> None:
        summary = f"what about {subject}?"
        async with self.pool.acquire() as conn:
            await open_attention(
                conn, workspace="acme", kind=kind, subject=subject, summary=summary, details=details
            )

    async def take(self, observation: DecisionObservation) -> None:
        """What the matcher does with a decision, as far as the commands see it."""
        self.taken.append(observation)
        decision = observation.body
        assert decision is not None
        async with self.pool.acquire() as conn, conn.transaction():
            await conn.execute(
                """insert into matcher.decisions (workspace, key, revision, body)
                   values ('acme', $1, $2, $3::text::jsonb)
                   on conflict (workspace, key) do update
                   set revision = excluded.revision, body = excluded.body""",
                observation.key,
                observation.vendor_time_ms,
                decision.model_dump_json(exclude_none=True),
            )
            if decision.customer and not decision.withdrawn:
                await close_attention(
                    conn, workspace="acme", kind="review_match", subject=decision.customer
                )
        if decision.action == "link" and decision.customer and decision.record:
            by = f"decided by {decision.decided_by}"
            await self.link(
                decision.record, account_id(decision.customer), method="person", evidence=by,
                decided_by=decision.decided_by,
            )  # fmt: skip


Say = Callable[..., Awaitable[Result]]


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    pool = await create_pool(database_url)
    made = Stage(pool)
    await made.known(ONE, name="Nordlys Oy", email="pay@nordlys.example")
    await made.known(TWO, name="Nordlys", email="ap@nordlys.example")
    await made.known(THREE, name="Fjell AS", email="post@fjell.example")
    await made.known(FIRM, name="Nordlys Group", domains=["nordlys-group.example"], owner="7")
    await made.known(RIVAL, name="Nordlys Energia", phone="+358 40 123")
    await made.known(FAR, name="Fjell", domains=["fjell.example"])
    await made.account(ONE, 5_000)
    await made.account(TWO, 90_000)
    await made.account(THREE, 1_250, FAR)
    candidates = [
        {"record": record, "name": "as it was", "probability": likely, "score": 1.2,
         "evidence": [{"code": "x", "sentence": f"speaks for {record}", "weight": 2.0},
                      {"code": "y", "sentence": f"speaks against {record}", "weight": -1.0}]}
        for record, likely in ((FIRM, 0.71), (RIVAL, 0.42))
    ]  # fmt: skip
    for key in (ONE, TWO):
        await made.ask(
            "review_match", key, customer=key, account=account_id(key), group="nordlys.example",
            reasons=["two companies fit"], candidates=candidates,
            mrr={"minor": 1, "currency": "eur"},
        )  # fmt: skip
    await made.ask("ambiguous_match", account_id(THREE))
    yield made
    await pool.close()


@pytest.fixture(scope="session")
async def queue_prefix(bootstrap_servers: str) -> str:
    """Topics for all tests here: each listens from where the one before it ended."""
    await ensure_topics(bootstrap_servers, "queue-")
    return "queue-"


@pytest.fixture
async def say(
    stage: Stage,
    database_url: str,
    bootstrap_servers: str,
    queue_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Say]:
    """The command line; its decisions reach the stand-in through Kafka."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", bootstrap_servers)
    monkeypatch.setenv("PLUMBLINE_TOPIC_PREFIX", queue_prefix)
    consumer = AIOKafkaConsumer(
        f"{queue_prefix}observations.v1", bootstrap_servers=bootstrap_servers
    )
    await consumer.start()
    await consumer.seek_to_end()
    for partition in consumer.assignment():
        await consumer.position(partition)

    async def listen() -> None:
        async for record in consumer:
            observation = decode_observation(record.value)
            assert isinstance(observation, DecisionObservation)
            await stage.take(observation)

    async def run(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, list(words))

    listening = asyncio.create_task(listen())
    yield run
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await consumer.stop()


async def first_id(say: Say, customer: str) -> str:
    found = ReviewList.model_validate_json((await say("review", "list", "--json")).stdout)
    items = [one for group in found.groups for one in group.items]
    return next(one.id for one in items if one.customer == customer)


async def test_the_list_is_grouped_priced_and_filtered(say: Say) -> None:
    result = await say("review", "list", "--json")
    assert result.exit_code == 0, result.output
    found = ReviewList.model_validate_json(result.stdout)
    assert found.open == 3
    domain, other = found.groups
    assert (domain.group, domain.mrr[0].minor) == ("nordlys.example", 95_000)
    assert [one.customer for one in domain.items] == [TWO, ONE]
    [shared] = other.items
    assert (shared.group, shared.customers, shared.record) == ("fjell.example", (THREE,), FAR)
    text = (await say("review", "list")).stdout
    for part in (
        "nordlys.example",
        "2 items, 950 EUR",
        "900 EUR  waits",
        "which company?",
        domain.items[0].id,
    ):
        assert part in text, text
    only = await say("review", "list", "--json", "--kind", "ambiguous_match")
    assert ReviewList.model_validate_json(only.stdout).open == 1
    only = await say("review", "list", "--json", "--group", "nordlys.example")
    assert ReviewList.model_validate_json(only.stdout).open == 2
    assert (await say("review", "list", "--kind", "nonsense")).exit_code == 2


async def test_an_item_shows_its_candidates_side_by_side(say: Say) -> None:
    result = await say("review", "show", "cus_2", "--json")
    assert result.exit_code == 0, result.output
    found = ReviewShown.model_validate_json(result.stdout)
    assert [one.key for one in found.known] == [TWO, FIRM, RIVAL]
    assert found.known[0].emails == ("ap@nordlys.example",)
    assert found.known[1].domains == ("nordlys-group.example",)
    assert found.item.mrr is not None
    assert found.item.mrr.minor == 90_000
    text = (await say("review", "show", found.item.id)).stdout
    for part in (
        "Nordlys Group",
        "71%",
        "--link a|b",
        "two companies",
    ):
        assert part in text, text
    assert (await say("review", "show", "nobody")).exit_code == 1


async def test_a_decision_is_taken_and_what_came_of_it_is_said(say: Say, stage: Stage) -> None:
    i = await first_id(say, TWO)
    result = await say("review", "decide", i, "--link", "a", "--by", "mara", "--json")
    assert result.exit_code == 0, result.output
    told = Decided.model_validate_json(result.stdout)
    assert told.folded
    [outcome] = told.settled
    assert (outcome.status, outcome.customer, outcome.records) == ("closed", TWO, [FIRM])
    assert (told.also_closed, told.still_open) == (0, 1)
    [observation] = stage.taken
    decision = observation.body
    assert decision is not None
    assert (decision.action, decision.customer, decision.record) == ("link", TWO, FIRM)
    assert decision.decided_by == "mara"
    assert observation.key == decision_key("acme", decision)
    shown = await say("links", "show", TWO, "--json")
    links = LinksShown.model_validate_json(shown.stdout)
    assert {(one.key, one.method, one.decided_by) for one in links.links} == {
        (TWO, "founder", None),
        (FIRM, "person", "mara"),
    }
    assert [one.action for one in links.decisions] == ["link"]


async def test_a_domain_is_settled_at_once(say: Say, stage: Stage) -> None:
    result = await say("review", "decide", "cus_1", "--not-this", "all", "--group", "--json")
    assert result.exit_code == 0, result.output
    told = Decided.model_validate_json(result.stdout)
    pairs = [(one.customer, one.record) for one in told.decisions]
    assert sorted(pairs) == sorted([(ONE, FIRM), (ONE, RIVAL), (TWO, FIRM), (TWO, RIVAL)])
    assert [one.status for one in told.settled] == ["closed", "closed"]
    assert len(stage.taken) == 4


async def test_refused_answers_change_nothing(say: Say, stage: Stage) -> None:
    i = await first_id(say, ONE)
    for words, code, why in (
        (("--link", "77"), 1, "no candidate"),
        (("--link", "12345", "--force"), 1, "no CRM record '12345' is known"),
        (("--keep-merged",), 1, "does not answer review_match"),
        ((), 2, "give one answer"),
        (("--create", "--agency"), 2, "give one answer"),
    ):
        result = await say("review", "decide", i, *words)
        assert result.exit_code == code, result.output
        assert why in " ".join(result.output.split()), result.output
    assert stage.taken == []
    forced = await say("review", "decide", i, "--link", "77", "--force", "--json")
    assert forced.exit_code == 0, forced.output
    assert Decided.model_validate_json(forced.stdout).decisions[0].record == FAR


async def test_a_decision_is_taken_back_and_replaced(say: Say, stage: Stage) -> None:
    i = await first_id(say, ONE)
    await say("review", "decide", i, "--link", "a", "--by", "mara")
    undone = await say("review", "undo", i, "--by", "olli", "--json")
    assert undone.exit_code == 0, undone.output
    told = Decided.model_validate_json(undone.stdout)
    assert [(one.action, one.withdrawn, one.decided_by) for one in told.decisions] == [
        ("link", True, "olli")
    ]
    assert [one.decided_by for one in told.replaced] == ["mara"]
    first, second = stage.taken
    assert first.key == second.key
    assert second.vendor_time_ms > first.vendor_time_ms
    again = await say("review", "undo", i)
    assert again.exit_code == 1
    assert "no standing decision" in again.output


async def test_an_answer_is_taken_back_as_one_several_only_when_all_are_meant(say: Say) -> None:
    await say("review", "decide", "cus_1", "--not-this", "all")
    one = await say("review", "undo", "cus_1", "--json")
    assert len(Decided.model_validate_json(one.stdout).decisions) == 2
    await say("links", "cannot-link", "cus_1", "900")
    await say("links", "cannot-link", "cus_1", "901")
    refused = await say("review", "undo", "cus_1")
    assert refused.exit_code == 1
    assert "is several decisions" in refused.output
    every = await say("review", "undo", "cus_1", "--all", "--json")
    assert len(Decided.model_validate_json(every.stdout).decisions) == 2


async def test_a_matcher_that_does_not_answer_is_said(say: Say, stage: Stage) -> None:
    async def nothing(observation: DecisionObservation) -> None:
        stage.taken.append(observation)

    stage.take = nothing  # type: ignore[method-assign]
    result = await say("review", "decide", "cus_1", "--create", "--wait", "0.3")
    assert result.exit_code == 1
    assert "It is in the log" in result.stdout


async def test_links_are_closed_and_ruled_out_by_hand(say: Say, stage: Stage) -> None:
    told = await say("links", "unlink", "cus_3", "--json", "--by", "mara")
    assert told.exit_code == 0, told.output
    [made] = Decided.model_validate_json(told.stdout).decisions
    assert (made.action, made.customer, made.record) == ("unlink", THREE, FAR)
    for other, key in (("900", FIRM), ("cus_2", TWO)):
        told = await say("links", "cannot-link", "cus_3", other, "--json")
        [made] = Decided.model_validate_json(told.stdout).decisions
        assert (made.action, made.record) == ("cannot_link", key)
    nothing = await say("links", "unlink", "cus_1")
    assert nothing.exit_code == 1
    assert "linked to no CRM record" in nothing.output
    assert (await say("links", "cannot-link", "cus_1", "cus_1")).exit_code == 1
    assert (await say("links", "unlink", "cus_99")).exit_code == 1


async def test_the_history_of_a_record_tells_every_account_it_was_on(
    say: Say, stage: Stage
) -> None:
    await stage.unlink(FAR)
    proof = {
        "score": 2800, "probability": 0.94, "pieces": PIECES, "norm_version": 3,
        "model_version": "w7",
    }  # fmt: skip
    await stage.link(FAR, account_id(ONE), method="evidence", evidence="a rare name", proof=proof)
    result = await say("links", "history", "77", "--json")
    assert result.exit_code == 0, result.output
    first, second = LinkHistory.model_validate_json(result.stdout).intervals
    assert (first.account, first.closed_version is None) == (account_id(THREE), False)
    assert (second.method, second.score, second.model_version) == ("evidence", 2800, "w7")
    assert [one.weight for one in second.sentences] == [3.2, -0.4]
    assert "Nordlys Oy equals Nordlys" in second.sentences[0].sentence
    assert "a rare name" in (await say("links", "history", FAR)).stdout
    assert (await say("links", "history", "nobody")).exit_code == 1
    assert (await say("links", "show", "nobody")).exit_code == 1
