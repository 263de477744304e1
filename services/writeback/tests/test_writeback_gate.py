"""Nothing is written before the books are known and, unless the policy is auto, a person agreed."""

import asyncio
from typing import Any

import pytest
from writeback import queue

pytestmark = pytest.mark.server


async def _idle(world: Any) -> None:
    await world.start()
    await asyncio.sleep(0.3)


async def test_nothing_is_written_before_every_walk_is_complete(
    world: Any, crm: Any, account: Any
) -> None:
    crm.put("1")
    stripe, hubspot = world.walks()
    await world.states(account(1))
    await world.observe(world.config(), stripe)
    await _idle(world)
    assert crm.rows() == []
    assert (await world.effect("1"))["state"] == "held"
    assert await world.counts() == {"pending": 1}  # work under way, not a person's
    await world.observe(hubspot)
    await world.settle()
    assert len(crm.rows()) == 1


async def test_a_plan_waits_for_approval(world: Any, crm: Any, account: Any) -> None:
    crm.put("1")
    await world.opened(first_write="plan")
    await world.states(account(1))
    await _idle(world)
    assert crm.rows() == []
    assert await world.counts() == {"held": 1}
    assert (await world.attention())["plan_approval", "first_write"] == "open"
    await world.states(account(2, mrr=777))
    await world.observe(world.approval())
    await world.settle()
    assert crm.records["company", "1"]["plumbline_mrr"] == "7.77"
    assert (await world.attention())["plan_approval", "first_write"] == "closed"
    assert "latency_ms" not in (await world.outcomes())[-1]  # a person's pause is no latency


async def test_approval_lasts(world: Any, crm: Any, account: Any) -> None:
    crm.put("1")
    await world.opened(first_write="plan")
    await world.observe(world.approval())
    await world.states(account(1))
    await world.settle()
    await world.observe(world.config(first_write="plan", timezone="Europe/Berlin"))
    await world.states(account(2, mrr=1))
    await world.settle()
    assert len(crm.rows()) == 2


async def test_a_dry_run_never_sends(world: Any, crm: Any, account: Any) -> None:
    crm.put("1")
    await world.opened(dry_run=True)
    await world.observe(world.approval())
    await world.states(account(1))
    await _idle(world)
    assert crm.rows() == []
    assert await world.counts() == {"held": 1}
    await world.observe(world.config(dry_run=False))
    await world.settle()
    assert len(crm.rows()) == 1


async def test_a_held_effect_that_would_change_nothing_is_in_no_plan(
    world: Any, crm: Any, account: Any
) -> None:
    crm.put("1", plumbline_mrr="83.33")
    await world.opened(first_write="plan", fields={"company": {"mrr": "plumbline_mrr"}})
    await world.observe(world.sight("1"))
    await world.states(account(1))
    assert await world.counts() == {}
    crm.put("1", plumbline_mrr="1")
    await world.observe(world.sight("1"))
    assert await world.counts() == {"held": 1}


async def test_a_new_connection_closes_the_gate_until_its_walk(
    world: Any, crm: Any, account: Any
) -> None:
    crm.put("1")
    await world.opened()
    connections = [{"name": n, "kind": k} for n, k in
                   (("stripe", "stripe"), ("eu", "stripe"), ("hubspot", "hubspot"))]  # fmt: skip
    await world.observe(world.config(connections=connections))
    await world.states(account(1))
    await _idle(world)
    assert crm.rows() == []
    await world.observe(world.own("walk", "initial", {}, "eu"))
    await world.settle()
    assert len(crm.rows()) == 1


async def test_states_before_any_configuration_are_remembered(
    world: Any, crm: Any, account: Any
) -> None:
    crm.put("1")
    await world.states(account(1))
    await world.opened(fields={"company": {"mrr": "their_mrr", "last_synced_at": "their_sync"}})
    await world.settle()
    assert set(crm.rows()[0].properties) == {"their_mrr", "their_sync"}


async def test_a_new_mapping_is_carried_out_and_an_older_configuration_ignored(
    world: Any, crm: Any, account: Any
) -> None:
    crm.put("1")
    older = world.config(fields={"company": {"plan": "old_plan"}})
    await world.opened(fields={"company": {"mrr": "pl_mrr"}})
    await world.states(account(1))
    await world.settle()
    await world.observe(older)
    await world.observe(world.config(fields={"company": {"mrr": "pl_mrr", "plan": "pl_plan"}}))
    await world.settle()
    assert [set(row.properties) for row in crm.rows()] == [{"pl_mrr"}, {"pl_plan"}]


async def test_a_mapping_that_changes_while_a_round_is_chosen(
    world: Any, crm: Any, account: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the new mapping wants is never judged by the old one, which would want nothing."""
    crm.put("1")
    await world.opened(fields={"company": {"mrr": "pl_mrr"}})
    await world.states(account(1))
    await world.settle()
    chosen = asyncio.Event()
    later = [world.config(fields={"company": {"mrr": "pl_mrr", "plan": "pl_plan"}})]
    due = queue.due

    async def overtaken(*args: Any, **limits: Any) -> list[queue.Due]:
        if later:
            await world.observe(later.pop())
            chosen.set()
        return await due(*args, **limits)

    monkeypatch.setattr(queue, "due", overtaken)
    async with asyncio.timeout(10):
        await chosen.wait()
    await world.settle()
    assert [set(row.properties) for row in crm.rows()] == [{"pl_mrr"}, {"pl_plan"}]


async def test_an_approved_plan_of_many_records_keeps_its_batches(
    world: Any, crm: Any, account: Any
) -> None:
    await world.opened(first_write="plan")
    for n in range(120):
        crm.put(str(n))
    await world.states(*(
        account(n + 1, links=[("company", str(n), 1)], id=f"acc_{n:026d}") for n in range(120)
    ))  # fmt: skip
    await world.observe(world.approval())
    await world.settle()
    assert sorted(len(batch) for batch in crm.updates()) == [20, 100]
