"""Records are created once, whatever happens in between; and not while anything speaks against."""

import asyncio
from typing import Any
from unittest.mock import AsyncMock

import pytest
from plumbline_connectors.hubspot.outcomes import BatchRefused
from plumbline_connectors.hubspot.properties import PropertyProblem
from plumbline_schemas.fields import ACCOUNT_ID_PROPERTY
from plumbline_schemas.topics import REFRESH_REQUESTS, WRITEBACK_OUTCOMES

pytestmark = pytest.mark.server


def wish(account: Any, version: int = 1, name: str = "A", **changes: Any) -> Any:
    """A state of an account without a record that wants one."""
    wanted = {
        "kind": "company",
        "name": f"Company {name}",
        "domain": f"{name.lower()}.example",
        "lock": f"domain:{name.lower()}.example",
        "customers": [f"cus_{name}"],
        "by": "policy",
    }
    return account(version, links=(), name=name, wanted_record=wanted | changes)


async def states_of(world: Any) -> dict[str, str]:
    rows = await world.pool.fetch("select account_id, state from writeback.creations")
    return {row["account_id"][4]: row["state"] for row in rows}


async def until(world: Any, **wanted: str) -> None:
    async with asyncio.timeout(10):
        while await states_of(world) != wanted:
            await asyncio.sleep(0.01)


async def test_a_record_is_made_and_written_once_it_is_linked(world: Any, account: Any) -> None:
    await world.opened()
    await world.states(wish(account))
    await world.start()
    await until(world, A="created")
    [(_, made)] = world.crm.records.items()
    assert made == {
        "name": "Company A",
        "domain": "a.example",
        ACCOUNT_ID_PROPERTY: "acc_" + "A" * 26,
    }
    asked = [message for topic, message in await world.publish() if topic is REFRESH_REQUESTS]
    assert [message.key for message in asked] == ["acme/hubspot/company/7000"]
    told = [message for topic, message in world.notes.published if topic is WRITEBACK_OUTCOMES]
    assert b'"created"' in told[0].value
    await world.states(account(2, links=(("company", "7000", 2),)))
    await world.settle()
    assert await states_of(world) == {"A": "done"}
    assert world.crm.records["company", "7000"]["plumbline_mrr"] == "83.33"
    assert len(world.crm.created()) == 1


@pytest.mark.parametrize("policy", [{"first_write": "plan"}, {"dry_run": True}])
async def test_nothing_is_made_before_the_gate_opens(
    world: Any, account: Any, policy: dict[str, Any]
) -> None:
    await world.opened(**policy)
    await world.states(wish(account))
    await world.start()
    plan = await world.pool.fetch("select * from writeback.plan_view where state = 'held'")
    assert [(row["record_key"], row["desired"]["name"]) for row in plan] == [
        ("acme/hubspot/company/new:acc_" + "A" * 26, "Company A")
    ]
    assert await world.counts() == {"held": 1}
    await asyncio.sleep(0.2)
    assert world.crm.created() == []
    if "dry_run" not in policy:
        await world.observe(world.approval())
        await until(world, A="created")


async def test_a_wish_that_is_taken_back_makes_nothing(world: Any, account: Any) -> None:
    await world.opened()
    await world.states(wish(account), account(2, links=()))
    await world.start()
    await asyncio.sleep(0.2)
    assert (await states_of(world), world.crm.created()) == ({}, [])


@pytest.mark.parametrize("step", ["taken", "lost"])
async def test_a_call_without_an_answer_makes_one_record(
    world: Any, account: Any, step: str
) -> None:
    world.crm.creating = [step, step]
    await world.opened()
    await world.states(wish(account))
    await world.start()
    await until(world, A="created")
    assert len(world.crm.created()) == 1


@pytest.mark.parametrize("step", ["taken", "lost"])
async def test_a_wish_taken_back_while_a_call_is_out(world: Any, account: Any, step: str) -> None:
    """What came of the call is looked for; a record that was made is left to the CRM's people."""
    world.crm.put("1")

    async def call() -> str:
        await world.states(account(2, links=(("company", "1", 2),)))
        return step

    world.crm.creating = [call]
    await world.opened()
    await world.states(wish(account))
    await world.start()
    await until(world, **({"A": "done"} if step == "taken" else {}))
    assert len(world.crm.created()) == (step == "taken")


async def test_a_record_that_came_meanwhile_is_read_and_nothing_is_made(
    world: Any, account: Any
) -> None:
    world.crm.put("1", domain="a.example")
    world.crm.put("2", plumbline_stripe_customer_id="cus_B")
    await world.opened()
    await world.states(wish(account), wish(account, name="B"))
    await world.start()
    async with asyncio.timeout(10):
        while ("failed_effect", subject("A")) not in await world.attention():
            await asyncio.sleep(0.01)
    await until(world, A="failed", B="failed")
    assert world.crm.created() == []
    asked = {message.key for topic, message in await world.publish() if topic is REFRESH_REQUESTS}
    assert asked == {"acme/hubspot/company/1", "acme/hubspot/company/2"}
    await world.states(account(2, links=(("company", "1", 2),)))
    assert (await world.attention())["failed_effect", subject("A")] == "closed"


async def test_a_record_with_the_domain_among_others_is_not_doubled(
    world: Any, account: Any
) -> None:
    """The words of a list find more than the very domain: what is found is compared."""
    world.crm.put("1", domain="old.example", hs_additional_domains="www.a.example;third.example")
    world.crm.put("2", domain="else.example", hs_additional_domains="not-b.example;b.example.test")
    await world.opened()
    await world.states(wish(account), wish(account, name="B"))
    await world.start()
    await until(world, A="failed", B="created")
    asked = {message.key for topic, message in await world.publish() if topic is REFRESH_REQUESTS}
    assert "acme/hubspot/company/1" in asked
    assert "acme/hubspot/company/2" not in asked


async def test_a_crm_without_further_domains_is_searched_by_the_first(
    world: Any, account: Any
) -> None:
    search = world.crm.search

    async def narrow(kind: str, sought: Any) -> Any:
        if any(one.listed for one in sought):
            raise BatchRefused("no such property", where="acme/hubspot", status=400)
        return await search(kind, sought)

    world.crm.search = narrow
    world.crm.put("1", domain="a.example")
    await world.opened()
    await world.states(wish(account), wish(account, name="B"))
    await world.start()
    await until(world, A="failed", B="created")


def subject(name: str) -> str:
    return f"acme/hubspot/company/new:acc_{name * 26}"


async def test_two_of_one_domain_are_made_one_after_the_other(world: Any, account: Any) -> None:
    """The second waits until the first is linked: by then it has been decided with it."""
    await world.opened()
    same = {"domain": "a.example", "lock": "domain:a.example"}
    await world.states(wish(account), wish(account, name="B", **same))
    await world.start()
    await until(world, A="created", B="pending")
    await asyncio.sleep(0.2)
    assert len(world.crm.created()) == 1
    await world.states(account(3, links=(("company", "7000", 3),)))
    await world.states(account(4, name="B", links=()))
    await until(world, A="done")
    assert len(world.crm.created()) == 1


async def test_two_senders_make_one_record(world: Any, account: Any) -> None:
    await world.opened()
    await world.states(*(wish(account, name=name) for name in "ABCDE"))
    await asyncio.gather(world.start(), world.start())
    await until(world, **dict.fromkeys("ABCDE", "created"))
    assert len(world.crm.created()) == 5
    assert sum(call == "create" for call, _ in world.crm.calls) == 1


async def test_delivered_again_nothing_more_is_made(world: Any, account: Any) -> None:
    await world.opened()
    await world.states(wish(account), account(2, links=(("company", "7000", 2),)))
    await world.states(wish(account, 3))
    await world.start()
    await until(world, A="created")
    await world.states(account(4, links=(("company", "7000", 4),)))
    await world.settle()
    await world.redeliver()
    await world.settle()
    assert len(world.crm.created()) == 1
    assert sum(call == "create" for call, _ in world.crm.calls) == 1


async def test_what_the_crm_refuses_is_told(world: Any, account: Any) -> None:
    refused = BatchRefused("name is not allowed", where="acme/hubspot", status=400)
    world.crm.creating = [refused, refused]
    await world.opened()
    await world.states(wish(account), wish(account, name="B"))
    await world.start()
    async with asyncio.timeout(10):
        while "failed" not in (found := await states_of(world)).values():
            await asyncio.sleep(0.01)
    await until(world, **{name: state for name, state in found.items() if state == "failed"} | {
        name: "created" for name, state in found.items() if state != "failed"
    })  # fmt: skip
    failed = [name for name, state in found.items() if state == "failed"]
    assert (await world.attention())["failed_effect", subject(failed[0])] == "open"


async def test_without_a_property_of_unique_values_nothing_is_made(
    world: Any, account: Any
) -> None:
    await world.opened()
    await world.states(wish(account))
    world.crm.problems = [PropertyProblem(ACCOUNT_ID_PROPERTY, "not_unique", "any", "unique")]
    await world.start()
    name = f"hubspot/company/{ACCOUNT_ID_PROPERTY}"
    async with asyncio.timeout(10):
        while ("property_mismatch", name) not in await world.attention():
            await asyncio.sleep(0.01)
    assert await states_of(world) == {"A": "pending"}
    assert world.crm.created() == []


async def test_a_policy_that_would_make_many_waits_for_a_person(world: Any, account: Any) -> None:
    await world.opened()
    names = "ABCDEFGHJKMNPQRSTVWXYZ"
    wishes = [wish(account, name=name) for name in names]
    await world.states(*(one.model_copy(update={"cause": "config"}) for one in wishes))
    await world.start()
    await asyncio.sleep(0.2)
    assert await states_of(world) == dict.fromkeys(names, "held")
    assert (await world.attention())["mass_change", "hubspot"] == "open"
    await world.observe(world.approval())
    await until(world, **dict.fromkeys(names, "created"))
    assert len(world.crm.created()) == len(names)
    assert (await world.attention())["mass_change", "hubspot"] == "closed"


async def test_a_search_that_is_refused_closes_nothing_off(world: Any, account: Any) -> None:
    """The property it looks by was deleted: it is made again, and what can be written is."""
    refused = BatchRefused("no such property", where="acme/hubspot", status=400)
    broken = AsyncMock(side_effect=refused)
    search, world.crm.search = world.crm.search, broken
    world.crm.put("1")
    await world.opened()
    await world.states(wish(account), account(1, name="B"))
    await world.start()
    async with asyncio.timeout(10):
        while not broken.await_count or "plumbline_mrr" not in world.crm.records["company", "1"]:
            await asyncio.sleep(0.01)
    world.crm.search = search
    await until(world, A="created")
    assert ("connection_refused", "hubspot") not in await world.attention()
    made = [kind for call, kind in world.crm.calls if call == "ensure"]
    assert made.count("company account id") >= 2
