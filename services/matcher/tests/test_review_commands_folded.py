"""The review queue as the matcher fills it, answered at the command line and folded as it comes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from console.main import app
from plumbline_runtime.topics import ensure_topics
from plumbline_schemas.observations import decode_observation
from plumbline_schemas.review_outputs import (
    Decided,
    LinkHistory,
    LinksShown,
    ReviewItem,
    ReviewList,
)
from typer.testing import CliRunner, Result

pytestmark = pytest.mark.server
Say = Callable[..., Awaitable[Result]]


@pytest.fixture(scope="session")
async def kafka(bootstrap_servers: str) -> tuple[str, str]:
    """Kafka's address and the prefix of these tests' topics."""
    await ensure_topics(bootstrap_servers, "folded-")
    return bootstrap_servers, "folded-"


def book(kit: Any) -> Any:
    """Two companies of one domain, and one that two customers share."""
    log = kit.log()
    log.ready()
    log.company("901", "twins.example", name="Nordlys Energia")
    log.company("902", "twins.example", name="Nordlys Shipping")
    log.company("903", "fjell.example", name="Fjell")
    for customer, email in (
        ("cus_1", "ap@twins.example"),
        ("cus_2", "pay@twins.example"),
        ("cus_3", "a@fjell.example"),
        ("cus_4", "b@fjell.example"),
    ):
        log.add("customer", customer, {"email": email})
        log.subscription(f"sub_{customer}", customer, 10_000 if customer == "cus_2" else 5_000)
    return log


@pytest.fixture
async def say(
    kit: Any,
    bench: Any,
    database_url: str,
    kafka: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Say]:
    """The command line over a book; what it decides goes through Kafka to the matcher."""
    servers, prefix = kafka
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", servers)
    monkeypatch.setenv("PLUMBLINE_TOPIC_PREFIX", prefix)
    log = book(kit)
    await bench.run(log)
    consumer = AIOKafkaConsumer(f"{prefix}observations.v1", bootstrap_servers=servers)
    await consumer.start()
    await consumer.seek_to_end()
    for partition in consumer.assignment():
        await consumer.position(partition)

    async def listen() -> None:
        async for record in consumer:
            log.observations.append(decode_observation(record.value))
            await bench.run(log)

    async def run(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, list(words))

    listening = asyncio.create_task(listen())
    yield run
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await consumer.stop()


async def queue(say: Say) -> dict[str, ReviewItem]:
    """Open items by the vendor ids they are about."""
    result = await say("review", "list", "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    found = ReviewList.model_validate_json(result.stdout)
    return {
        "+".join(sorted(key.rpartition("/")[2] for key in (one.customers or [one.subject]))): one
        for group in found.groups
        for one in group.items
    }


async def told(say: Say, *words: str) -> Decided:
    result = await say(*words, "--json", "--by", "mara")
    assert result.exit_code == 0, (result.output, result.exception)
    return Decided.model_validate_json(result.stdout)


def records(said: Decided) -> dict[str, list[str]]:
    """CRM records of each customer named in what came of it."""
    return {
        str(one.customer).rpartition("/")[2]: [key.rpartition("/")[2] for key in one.records]
        for one in said.settled
    }


async def test_the_queue_holds_what_the_matcher_asks(say: Say) -> None:
    found = await queue(say)
    assert set(found) == {"cus_1", "cus_2", "cus_3+cus_4"}
    asked = found["cus_2"]
    assert (asked.kind, asked.group) == ("review_match", "twins.example")
    assert asked.mrr is not None
    assert asked.mrr.minor == 10_000
    assert {one.name for one in asked.candidates} == {"Nordlys Energia", "Nordlys Shipping"}
    assert all(piece.sentence for one in asked.candidates for piece in one.evidence)
    shared = found["cus_3+cus_4"]
    assert (shared.kind, shared.group) == ("ambiguous_match", "fjell.example")
    text = (await say("review", "show", asked.id)).stdout
    assert "Nordlys Shipping" in text


async def test_an_answer_links_and_its_undoing_asks_again(say: Say) -> None:
    item = (await queue(say))["cus_2"]
    said = await told(say, "review", "decide", item.id, "--link", "902")
    assert (said.settled[0].status, records(said)) == ("closed", {"cus_2": ["902"]})
    links = LinksShown.model_validate_json((await say("links", "show", "cus_2", "--json")).stdout)
    assert ("person", "mara") in {(one.method, one.decided_by) for one in links.links}
    undone = await told(say, "review", "undo", item.id)
    assert records(undone) == {"cus_2": []}
    assert (await queue(say))["cus_2"].id == item.id
    history = await say("links", "history", "acme/hubspot/company/902", "--json")
    [interval] = LinkHistory.model_validate_json(history.stdout).intervals
    assert interval.closed_version is not None


async def test_a_domain_is_answered_at_once(say: Say) -> None:
    said = await told(say, "review", "decide", "cus_1", "--not-this", "all", "--group")
    assert [one.status for one in said.settled] == ["closed", "closed"]
    assert set(await queue(say)) == {"cus_3+cus_4"}


async def test_an_agencys_domain_asks_nothing_any_more(say: Say) -> None:
    said = await told(say, "review", "decide", "cus_1", "--agency")
    assert said.settled[0].status == "closed"
    assert said.also_closed == 1
    assert set(await queue(say)) == {"cus_3+cus_4"}


async def test_customers_of_one_record_are_split_kept_or_one_wins(say: Say) -> None:
    item = (await queue(say))["cus_3+cus_4"]
    split = await told(say, "review", "decide", item.id, "--split", "cus_4")
    assert records(split) == {"cus_3": ["903"], "cus_4": []}
    await told(say, "review", "undo", "cus_4")
    assert "cus_3+cus_4" in await queue(say)
    kept = await told(say, "review", "decide", item.id, "--keep-merged")
    assert records(kept) == {"cus_3": ["903"], "cus_4": ["903"]}
    assert "cus_3+cus_4" not in await queue(say)
    await told(say, "review", "undo", item.id)
    won = await told(say, "review", "decide", item.id, "--winner", "cus_4")
    assert records(won) == {"cus_3": [], "cus_4": ["903"]}


async def test_a_link_that_nobody_asked_about_is_closed_for_good(say: Say, bench: Any) -> None:
    said = await told(say, "links", "unlink", "cus_3")
    assert records(said)["cus_3"] == []
    await bench.rewind()
    links = await say("links", "history", "cus_3", "--json")
    found = LinkHistory.model_validate_json(links.stdout)
    assert [one.action for one in found.decisions] == ["unlink"]
