"""Review items, and what people decide about matches."""

import json
import random
from typing import Any

import pytest
from matcher.digest import digest
from plumbline_schemas.topics import ATTENTION

pytestmark = pytest.mark.server

TABLES = (
    "accounts", "links", "account_changes", "objects", "workspaces", "identity_profiles",
    "identity_keys", "outbox", "decisions", "rulings",
)  # fmt: skip


async def open_items(bench: Any) -> dict[tuple[str, str], dict[str, Any]]:
    rows = await bench.pool.fetch("select kind, subject, details from matcher.attention_view")
    return {(row["kind"], row["subject"].rpartition("/")[2]): row["details"] for row in rows}


async def linked(bench: Any, kit: Any, customer: str) -> list[str]:
    return kit.crm_links(await bench.state(customer))


def torn(log: Any) -> None:
    """A customer whose name is another record's than its domain."""
    log.ready()
    log.company("77", "brantov.example", name="Brantov Robotics")
    log.company("78", "quilmark.example", name="Quilmark Foods")
    log.customer("cus_1", "ap@brantov.example", name="Quilmark Foods")
    log.subscription("sub_1", "cus_1", 9000)


async def test_a_review_item_tells_what_speaks_for_each(bench: Any, kit: Any) -> None:
    log = kit.log()
    torn(log)
    await bench.run(log)
    details = (await open_items(bench))[("review_match", "cus_1")]
    assert details["customer"] == "acme/stripe/customer/cus_1"
    assert details["mrr"] == {"minor": 9000, "currency": "eur"}
    assert (details["name"], details["group"]) == ("Quilmark Foods", "brantov.example")
    assert {one["record"][-2:] for one in details["candidates"]} == {"77", "78"}
    for one in details["candidates"]:
        assert one["evidence"][0]["sentence"]
    log.subscription("sub_1", "cus_1", 12000)
    await bench.run(log)
    items = [json.loads(message.value) for message in bench.topics.of(ATTENTION)]
    assert [item["details"]["mrr"] and item["details"]["mrr"]["minor"] for item in items] == [
        0, 9000, 12000,
    ]  # fmt: skip


async def test_with_leave_nobody_is_asked(bench: Any, kit: Any) -> None:
    log = kit.log()
    torn(log)
    log.config(unmatched="leave")
    await bench.run(log)
    assert await open_items(bench) == {}


@pytest.mark.parametrize("size", [1, 500])
async def test_a_person_links_and_takes_it_back(bench: Any, kit: Any, size: int) -> None:
    log = kit.log()
    torn(log)
    log.person("link", "cus_1", "78")
    await bench.run(log, size=size)
    assert await linked(bench, kit, "cus_1") == ["78"]
    assert await open_items(bench) == {}
    history = await bench.pool.fetchrow(
        "select method, decided_by, opened_at from matcher.link_history where key like '%/78'"
    )
    assert (history["method"], history["decided_by"]) == ("person", "ann")
    log.person("link", "cus_1", "78", withdrawn=True)
    await bench.run(log, size=size)
    assert await linked(bench, kit, "cus_1") == []
    assert list(await open_items(bench)) == [("review_match", "cus_1")]


async def test_not_this_one_is_never_asked_again(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    log.company("77", "brantov.example", name="Brantov Robotics")
    log.customer("cus_1", "ap@brantov.example", name="Brantov Robotics")
    await bench.run(log)
    assert await linked(bench, kit, "cus_1") == ["77"]
    log.person("cannot_link", "cus_1", "77")
    log.company("77", "brantov.example", name="Brantov Robotics GmbH")
    await bench.run(log)
    assert await linked(bench, kit, "cus_1") == []
    assert await open_items(bench) == {}
    log.person("cannot_link", "cus_1", "77", withdrawn=True)
    await bench.run(log)
    assert await linked(bench, kit, "cus_1") == ["77"]


def shared(log: Any) -> None:
    log.ready()
    log.company("77", "brantov.example", name="Brantov Robotics")
    log.customer("cus_1", "ap@brantov.example")
    log.customer("cus_2", "it@brantov.example")
    for number in (1, 2):
        log.subscription(f"sub_{number}", f"cus_{number}", 1000 * number)


async def test_split_parts_a_shared_account_and_comes_back(bench: Any, kit: Any) -> None:
    log = kit.log()
    shared(log)
    await bench.run(log)
    assert kit.value(await bench.state("cus_1"), "mrr")["minor"] == 3000
    [details] = (await open_items(bench)).values()
    assert details["record"] == "acme/hubspot/company/77"
    log.person("split", "cus_1")
    await bench.run(log)
    one, two = await bench.state("cus_1"), await bench.state("cus_2")
    assert (kit.crm_links(one), kit.crm_links(two)) == ([], ["77"])
    assert [kit.value(state, "mrr")["minor"] for state in (one, two)] == [1000, 2000]
    assert one["id"] != two["id"]
    moved = await bench.pool.fetch(
        "select mrr_before, mrr_after from matcher.account_changes where movement = 'transfer'"
    )
    assert sum(row["mrr_after"] - row["mrr_before"] for row in moved) == 0
    log.person("split", "cus_1", withdrawn=True)
    await bench.run(log)
    assert kit.value(await bench.state("cus_2"), "mrr")["minor"] == 3000


async def test_the_winner_keeps_the_record(bench: Any, kit: Any) -> None:
    log = kit.log()
    shared(log)
    log.person("pick_winner", "cus_2")
    await bench.run(log)
    assert await linked(bench, kit, "cus_2") == ["77"]
    assert await linked(bench, kit, "cus_1") == []
    assert ("ambiguous_match", "cus_1") not in await open_items(bench)
    assert kit.value(await bench.state("cus_2"), "ambiguous") is False


async def test_kept_together_is_not_asked_again(bench: Any, kit: Any) -> None:
    log = kit.log()
    shared(log)
    log.person("keep_merged", "cus_1")
    log.subscription("sub_3", "cus_2", 500)
    await bench.run(log)
    assert await open_items(bench) == {}
    assert kit.value(await bench.state("cus_1"), "ambiguous") is True


async def test_an_agencys_domain_links_nobody(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    log.company("77", "ledgerly.example", name="Ostfold Wexholm")
    log.customer("cus_1", "one@ledgerly.example")
    log.customer("cus_2", "two@ledgerly.example")
    await bench.run(log)
    assert await linked(bench, kit, "cus_1") == ["77"]
    log.person("agency", "cus_2")
    await bench.run(log)
    assert await linked(bench, kit, "cus_1") == []
    assert await linked(bench, kit, "cus_2") == []
    log.person("agency", "cus_2", withdrawn=True)
    await bench.run(log)
    assert await linked(bench, kit, "cus_2") == ["77"]


async def test_news_question_a_link_and_do_not_break_it(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    log.company("77", "brantov.example", name="Brantov Robotics")
    log.company("78", "quilmark.example", name="Quilmark Foods")
    log.customer("cus_1", "ap@brantov.example", name="Brantov Robotics")
    log.customer("cus_1", "ap@quilmark.example", name="Quilmark Foods")
    await bench.run(log)
    assert await linked(bench, kit, "cus_1") == ["77"]
    assert list(await open_items(bench)) == [("questioned_link", "cus_1")]
    log.customer("cus_1", "ap@brantov.example", name="Brantov Robotics")
    await bench.run(log)
    assert await open_items(bench) == {}


async def test_every_links_score_comes_from_its_pieces(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    log.company("77", "brantov.example", name="Brantov Robotics", phone="+49 30 1234567")
    log.customer("cus_1", "ap@brantov.example", name="Brantov Robotics", phone="0301234567")
    await bench.run(log)
    [proof] = [
        json.loads(row["proof"]) if isinstance(row["proof"], str) else row["proof"]
        for row in await bench.pool.fetch("select proof from matcher.links where proof is not null")
    ]
    assert proof["score"] == proof["bias"] + sum(piece[3] for piece in proof["pieces"])


async def test_a_record_that_is_to_be_created_asks_nobody(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    log.customer("cus_1", "ap@brantov.example", name="Brantov Robotics")
    log.person("create", "cus_1")
    await bench.run(log)
    assert await open_items(bench) == {}
    assert (await bench.state("cus_1"))["wanted_record"]["by"] == "person"
    log.company("77", "brantov.example", name="Brantov Robotics")
    await bench.run(log)
    assert await linked(bench, kit, "cus_1") == ["77"]
    assert (await bench.state("cus_1"))["wanted_record"] is None


def any_history(kit: Any, seed: int, steps: int = 30) -> Any:
    """Customers, companies and people's decisions in random order; equal seeds make equal ones."""
    chance = random.Random(seed)
    log = kit.log()
    if chance.random() < 0.5:
        log.ready()
    else:
        log.config()
    customers, companies = [f"cus_{n}" for n in range(5)], [f"{70 + n}" for n in range(4)]
    names = ("Brantov Robotics", "Quilmark Foods", "Wexholm Dorlund", None)
    domains = ("brantov.example", "quilmark.example", "wexholm.example")
    alone = ("split", "pick_winner", "keep_merged", "agency")
    pair = ("link", "not_this", "cannot_link", "unlink", "subsidiary")
    for step in range(steps):
        if step == 12:
            log.walked()
        what, customer, company = (
            chance.random(),
            chance.choice(customers),
            chance.choice(companies),
        )
        if what < 0.35:
            mail = f"{chance.choice('ab')}@{chance.choice(domains)}"
            log.customer(customer, mail, name=chance.choice(names))
        elif what < 0.6:
            log.company(company, chance.choice(domains), name=chance.choice(names))
        elif what < 0.66:
            log.company(company, chance.choice(domains), deleted=True)
        elif what < 0.75:
            log.subscription(f"sub_{customer}", customer, chance.choice((1000, 2000)))
        elif what < 0.85:
            log.person(chance.choice(alone), customer, withdrawn=chance.random() < 0.3)
        else:
            action = chance.choice(pair)
            log.person(action, customer, company, withdrawn=chance.random() < 0.3)
    return log


@pytest.mark.parametrize("seed", range(6))
async def test_any_history_of_decisions_ends_the_same(bench: Any, kit: Any, seed: int) -> None:
    log = any_history(kit, seed)
    found = []
    for size in (1, 4, len(log.observations)):
        await bench.pool.execute("truncate " + ", ".join(f"matcher.{name}" for name in TABLES))
        await bench.rewind()
        await bench.run(log, size=size)
        assert bench.dead.reasons == []
        found.append(await digest(bench.pool))
    assert len(set(found)) == 1
