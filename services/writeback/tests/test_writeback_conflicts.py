"""A person's edit of a field we own: overwritten, kept or queued; our own echo is no news."""

from typing import Any

import pytest

pytestmark = pytest.mark.server

MRR = {"company": {"mrr": "pl_mrr", "last_synced_at": "pl_sync"}}


async def _written(world: Any, crm: Any, account: Any, conflict: str) -> None:
    crm.put("1", pl_mrr="")
    await world.opened(conflict=conflict, fields=MRR)
    await world.states(account(1))
    await world.settle()
    await world.observe(world.sight("1"))
    assert crm.records["company", "1"]["pl_mrr"] == "83.33"


async def _conflicts(world: Any) -> list[tuple[str, str, str]]:
    rows = await world.pool.fetch("select * from writeback.conflict_view order by at")
    return [(row["observed"], row["desired"], row["resolution"]) for row in rows]


async def test_overwrite(world: Any, crm: Any, account: Any) -> None:
    await _written(world, crm, account, "overwrite")
    crm.put("1", pl_mrr="5")
    await world.observe(world.sight("1"))
    await world.settle()
    assert crm.records["company", "1"]["pl_mrr"] == "83.33"
    assert await _conflicts(world) == [("5", "83.33", "overwritten")]
    results = [one["result"] for one in await world.outcomes()]
    assert results == ["written", "conflict", "written"]
    first, second = crm.rows()
    assert first.trace_id != second.trace_id
    crm.put("1", pl_mrr="5")  # the same edit once more is news once more
    await world.observe(world.sight("1"))
    await world.settle()
    assert len(await _conflicts(world)) == 2


async def test_keep_until_our_value_changes(world: Any, crm: Any, account: Any) -> None:
    await _written(world, crm, account, "keep")
    crm.put("1", pl_mrr="5")
    await world.observe(world.sight("1"))
    await world.settle()
    await world.states(account(2))
    await world.observe(world.sight("1"))
    await world.settle()
    assert crm.records["company", "1"]["pl_mrr"] == "5"
    assert await _conflicts(world) == [("5", "83.33", "kept")]
    await world.states(account(3, mrr=9900))
    await world.settle()
    assert crm.records["company", "1"]["pl_mrr"] == "99"


async def test_queue_is_attention_until_resolved(world: Any, crm: Any, account: Any) -> None:
    await _written(world, crm, account, "queue")
    crm.put("1", pl_mrr="5")
    await world.observe(world.sight("1"))
    await world.settle()
    item = ("conflict", "acme/hubspot/company/1")
    assert await world.counts() == {"held": 1}
    assert (await world.attention())[item] == "open"
    await world.states(account(2, mrr=9900))
    await world.settle()
    assert crm.records["company", "1"]["pl_mrr"] == "5"
    crm.put("1", pl_mrr="99")  # the person gives way
    await world.observe(world.sight("1"))
    await world.settle()
    assert await world.counts() == {}
    assert (await world.attention())[item] == "closed"
    assert len(crm.rows()) == 1


async def test_queue_holds_back_only_the_edited_field(world: Any, crm: Any, account: Any) -> None:
    crm.put("1")
    await world.opened(conflict="queue", fields={"company": {"mrr": "pl_mrr", "plan": "pl_plan"}})
    await world.states(account(1))
    await world.settle()
    crm.put("1", pl_mrr="5", pl_plan="growth_monthly")
    await world.observe(world.sight("1"))
    await world.states(account(2, fields={
        "mrr": {"value": {"minor": 100, "currency": "usd"}, "rule": "t", "version": 2},
        "plan": {"value": "pro", "rule": "t", "version": 2},
    }))  # fmt: skip
    await world.settle()
    assert crm.records["company", "1"] == {"pl_mrr": "5", "pl_plan": "pro"}
    await world.observe(world.config(conflict="overwrite", fields=
        {"company": {"mrr": "pl_mrr", "plan": "pl_plan"}}))  # fmt: skip
    await world.settle()
    assert crm.records["company", "1"]["pl_mrr"] == "1"


async def test_an_edit_seen_only_by_the_read_before_a_write(
    world: Any, crm: Any, account: Any
) -> None:
    await _written(world, crm, account, "overwrite")
    crm.put("1", pl_mrr="5")
    await world.pool.execute("update writeback.records set seen_at = seen_at - interval '61 s'")
    await world.states(account(2, mrr=9900))
    await world.settle()
    assert crm.records["company", "1"]["pl_mrr"] == "99"
    assert await _conflicts(world) == [("5", "99", "overwritten")]


async def test_a_record_seen_lately_is_not_read_again(world: Any, crm: Any, account: Any) -> None:
    await _written(world, crm, account, "overwrite")
    reads = world.budget.granted["read"]
    await world.states(account(2, mrr=1))
    await world.settle()
    assert world.budget.granted["read"] == reads


async def test_an_older_sight_is_no_edit(world: Any, crm: Any, account: Any) -> None:
    crm.put("1", pl_mrr="")
    stale = world.sight("1")
    await world.opened(fields=MRR)
    await world.states(account(1))
    await world.settle()
    await world.observe(stale)
    await world.settle()
    assert len(crm.rows()) == 1


async def test_sights_that_share_an_instant_are_settled_by_a_read(
    world: Any, crm: Any, account: Any
) -> None:
    crm.frozen = True
    crm.put("1", pl_mrr="")
    before = world.sight("1")
    await world.opened(fields=MRR)
    await world.observe(before)
    await world.states(account(1))
    await world.settle()
    await world.observe(before)  # as old as our write, but from before it
    await world.settle()
    assert len(crm.rows()) == 1
    crm.put("1", pl_mrr="5")  # as old as our write, but after it
    await world.observe(world.sight("1"))
    await world.settle()
    assert crm.records["company", "1"]["pl_mrr"] == "83.33"
    assert len(await _conflicts(world)) == 1


async def test_an_edit_while_our_call_is_in_the_air_is_noticed(
    world: Any, crm: Any, account: Any
) -> None:
    await _written(world, crm, account, "overwrite")

    async def edited_meanwhile(crm: Any, kind: str, rows: Any) -> Any:
        answers = [crm._update(kind, row) for row in rows]
        crm.put("1", pl_mrr="5")
        await world.observe(world.sight("1"))
        return answers

    crm.script = [edited_meanwhile]
    await world.states(account(2, mrr=9900))
    await world.settle()
    assert crm.records["company", "1"]["pl_mrr"] == "99"
    assert await _conflicts(world) == [("5", "99", "overwritten")]
    assert len(crm.rows()) == 3


async def test_a_sight_from_before_our_call_that_arrives_during_it_is_no_edit(
    world: Any, crm: Any, account: Any
) -> None:
    await _written(world, crm, account, "overwrite")

    async def late(crm: Any, kind: str, rows: Any) -> None:
        await world.observe(world.sight("1"))

    crm.script = [late]
    await world.states(account(2, mrr=9900))
    await world.settle()
    assert len(crm.rows()) == 2
    assert await _conflicts(world) == []


async def test_a_value_that_the_vendor_renders_in_its_own_way_is_not_rewritten(
    world: Any, crm: Any, account: Any
) -> None:
    crm.put("1")

    await world.opened(fields={"company": {"plan": "pl_plan"}})
    await world.observe(world.sight("1"))
    original = crm._update

    def shortened(kind: str, row: Any) -> Any:
        answer = original(kind, row)
        crm.records[kind, row.id]["pl_plan"] = "growth"
        return answer._replace(properties={"pl_plan": "growth"})

    crm._update = shortened
    await world.states(account(1))
    await world.settle()
    await world.observe(world.sight("1", vendor_time_ms=crm.clock_ms + 5))
    await world.settle()
    assert len(crm.rows()) == 1
    assert await _conflicts(world) == []
