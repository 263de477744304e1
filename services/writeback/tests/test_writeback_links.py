"""Links that open, close and move; records that go away and come back."""

from typing import Any

import pytest

pytestmark = pytest.mark.server

MRR = {"company": {"mrr": "pl_mrr", "last_synced_at": "pl_sync"}}


async def _linked(world: Any, crm: Any, account: Any) -> None:
    crm.put("1")
    await world.opened(fields=MRR)
    await world.states(account(1))
    await world.settle()


async def test_an_account_without_crm_links_wants_nothing(world: Any, account: Any) -> None:
    await world.opened()
    links = [{"key": "acme/stripe/customer/cus_1", "method": "founder", "evidence": "",
              "opened_version": 1}]  # fmt: skip
    await world.states(account(1, links=[]), account(2, name="B", links=[]),
                       account(3, name="C").model_copy(update={"links": ()}))  # fmt: skip
    await world.states(account(4, links=[]).model_validate(
        account(4).model_dump() | {"links": links}))  # fmt: skip
    assert await world.pool.fetchval("select count(*) from writeback.effects") == 0


async def test_a_closed_link_blanks_our_fields(world: Any, crm: Any, account: Any) -> None:
    await _linked(world, crm, account)
    await world.states(account(2, links=[]))
    await world.settle()
    assert crm.records["company", "1"] == {"pl_mrr": "", "pl_sync": ""}
    assert len(crm.rows()) == 2


@pytest.mark.parametrize("order", ["old first", "new first"])
async def test_a_link_that_moves_takes_the_other_account_s_values(
    world: Any, crm: Any, account: Any, order: str
) -> None:
    await _linked(world, crm, account)
    world.settings = world.settings._replace(blank_delay=2.0)  # as in operation
    gone = account(5, links=[])
    taken = account(5, mrr=100, links=[("company", "1", 5)], name="B")
    for state in (gone, taken) if order == "old first" else (taken, gone):
        await world.states(state)
    await world.settle()
    assert crm.records["company", "1"]["pl_mrr"] == "1"
    assert [row.properties["pl_mrr"] for row in crm.rows()] == ["83.33", "1"]  # never blanked
    assert (await world.effect("1"))["account_id"] == taken.id
    await world.states(account(9, mrr=1, links=[("company", "1", 1)]))  # an older link of A
    await world.settle()
    assert crm.records["company", "1"]["pl_mrr"] == "1"
    assert len(crm.rows()) == 2


async def test_a_merge_moves_the_record(world: Any, crm: Any, account: Any) -> None:
    await _linked(world, crm, account)
    survivor = account(7, mrr=200, links=[("company", "1", 7)], name="B")
    away = account(7, links=[], merged_into=survivor.id)
    await world.states(away, away.id)
    await world.states(survivor)
    await world.settle()
    assert crm.records["company", "1"]["pl_mrr"] == "2"


async def test_a_tombstone_closes_what_is_left(world: Any, crm: Any, account: Any) -> None:
    await _linked(world, crm, account)
    await world.states(account(1).id, "acc_unknown")
    await world.settle()
    assert crm.records["company", "1"]["pl_mrr"] == ""
    erased = await world.pool.fetchval("select state from writeback.accounts")
    assert erased is None
    await world.states(account(1).id, account(1))  # again, and the state it follows
    await world.settle()
    assert len(crm.rows()) == 2


async def test_a_link_that_opens_again_is_written_again(world: Any, crm: Any, account: Any) -> None:
    await _linked(world, crm, account)
    await world.states(account(2, links=[]))
    await world.settle()
    await world.states(account(3, links=[("company", "1", 3)]))
    await world.settle()
    assert crm.records["company", "1"]["pl_mrr"] == "83.33"


async def test_a_record_that_is_gone_is_skipped_and_never_created(
    world: Any, crm: Any, account: Any
) -> None:
    await world.opened(fields=MRR)
    await world.states(account(1))
    await world.settle()
    item = ("failed_effect", "acme/hubspot/company/1")
    assert crm.rows() == []
    assert (await world.effect("1"))["state"] == "skipped"
    assert (await world.attention())[item] == "open"
    assert [one["result"] for one in await world.outcomes()] == ["skipped"]
    crm.put("1")
    await world.observe(world.sight("1"))
    await world.settle()
    assert crm.records["company", "1"]["pl_mrr"] == "83.33"
    assert (await world.attention())[item] == "closed"


async def test_an_archived_record_is_left_alone_and_revived(
    world: Any, crm: Any, account: Any
) -> None:
    await _linked(world, crm, account)
    held = crm.records.pop(("company", "1"))
    floored = crm.times["company", "1"] // 1000 * 1000
    await world.observe(world.sight("1", vendor_time_ms=floored))
    await world.settle()
    await world.states(account(2, mrr=4200))
    await world.settle()
    assert len(crm.rows()) == 1
    assert (await world.effect("1"))["state"] == "skipped"
    crm.records["company", "1"] = held  # restored: HubSpot moves no updatedAt
    await world.observe(world.sight("1"))
    await world.settle()
    assert crm.records["company", "1"]["pl_mrr"] == "42"


async def test_a_record_merged_away_is_skipped(world: Any, crm: Any, account: Any) -> None:
    await _linked(world, crm, account)
    await world.pool.execute("update writeback.records set seen_at = null")
    crm.records.pop(("company", "1"))
    await world.states(account(2, mrr=1))
    await world.settle()
    assert (await world.effect("1"))["state"] == "skipped"
    await world.states(account(3, mrr=1, links=[("company", "2", 3)]))
    crm.put("2")
    await world.settle()
    assert crm.records["company", "2"]["pl_mrr"] == "0.01"
    assert (await world.attention())["failed_effect", "acme/hubspot/company/1"] == "closed"


async def test_two_accounts_at_once(world: Any, crm: Any, account: Any) -> None:
    await world.opened(fields=MRR)
    for n in range(1, 4):
        crm.put(str(n))
    await world.states(
        account(1, links=[("company", "1", 1), ("company", "2", 1)]),
        account(2, mrr=100, links=[("company", "3", 2)], name="B"),
    )
    await world.settle()
    held = [crm.records["company", str(n)]["pl_mrr"] for n in range(1, 4)]
    assert held == ["83.33", "83.33", "1"]
