"""The CRM fails in every way it knows; nothing is lost, nothing is hammered, nothing said twice."""

import asyncio
from typing import Any

import pytest
from plumbline_connectors.hubspot.properties import PropertyProblem
from plumbline_schemas.errors import Retryable, Unauthorized
from plumbline_schemas.topics import ATTENTION
from writeback.crm import Answered, BatchRefused

pytestmark = pytest.mark.server

MRR = {"company": {"mrr": "pl_mrr", "last_synced_at": "pl_sync"}}
FAILED = ("failed_effect", "acme/hubspot/company/1")


def _refused(vendor_id: str, category: str | None, *, permanent: bool = False) -> Answered:
    status = "permanent" if permanent else "retry"
    return Answered(vendor_id, status, {}, None, "said no", category)


async def _three(world: Any, crm: Any, account: Any) -> None:
    await world.opened(fields=MRR)
    for n in (1, 2, 3):
        crm.put(str(n))
    await world.states(*(
        account(n, mrr=n * 100, links=[("company", str(n), n)], name=name)
        for n, name in ((1, "A"), (2, "B"), (3, "C"))
    ))  # fmt: skip


@pytest.mark.parametrize("category", ["VALIDATION_ERROR", "OBJECT_NOT_FOUND", "MISSING_SCOPES"])
async def test_a_permanent_row_fails_at_once_and_alone(
    world: Any, crm: Any, account: Any, category: str
) -> None:
    crm.row_faults = {"1": _refused("1", category, permanent=True)}
    await _three(world, crm, account)
    await world.settle()
    assert await world.counts() == {"failed": 1}
    assert (await world.attention())[FAILED] == "open"
    assert [crm.records["company", str(n)].get("pl_mrr") for n in (1, 2, 3)] == [None, "2", "3"]
    assert len(crm.updates()) == 1
    assert {one["result"] for one in await world.outcomes()} == {"failed", "written"}
    crm.row_faults = {}
    await world.states(account(9, mrr=900))  # a new value is a new try
    await world.settle()
    assert await world.counts() == {}
    assert (await world.attention())[FAILED] == "closed"


@pytest.mark.parametrize("category", ["RATE_LIMITS", "CONFLICT", "SOMETHING_NEW", None])
async def test_other_rows_are_tried_again_with_key_and_body_unchanged(
    world: Any, crm: Any, account: Any, category: str | None
) -> None:
    crm.row_faults = {"1": _refused("1", category)}
    await _three(world, crm, account)
    await world.start()
    while len(crm.updates()) < 2:
        await asyncio.sleep(0.005)
    crm.row_faults = {}
    await world.settle()
    assert crm.records["company", "1"]["pl_mrr"] == "1"
    tries = [row for row in crm.rows() if row.id == "1"]
    assert len(tries) > 1
    assert {(row.trace_id, tuple(row.properties.items())) for row in tries} == {
        (tries[0].trace_id, tuple(tries[0].properties.items()))
    }
    assert len([row for row in crm.rows() if row.id == "2"]) == 1


async def test_an_unknown_category_becomes_attention_after_a_bounded_number(
    world: Any, crm: Any, account: Any
) -> None:
    crm.row_faults = {"1": _refused("1", "SOMETHING_NEW")}
    await _three(world, crm, account)
    await world.settle()
    assert len([row for row in crm.rows() if row.id == "1"]) == world.settings.row_attempts
    assert await world.counts() == {"failed": 1}
    await world.publish()
    [message] = world.attention_published()
    assert message.key == "acme/failed_effect/acme/hubspot/company/1"
    await world.publish()
    assert len(world.attention_published()) == 1
    assert all(topic is not ATTENTION or message.value for topic, message in world.notes.published)


async def test_a_row_that_is_not_mentioned_is_tried_again(
    world: Any, crm: Any, account: Any
) -> None:
    crm.script = [[_refused("1", None), _refused("2", None), _refused("3", None)]]
    await _three(world, crm, account)
    await world.settle()
    assert crm.records["company", "3"]["pl_mrr"] == "3"


async def test_too_many_requests_throttle_the_budget_and_lose_nothing(
    world: Any, crm: Any, account: Any
) -> None:
    limit = Retryable("slow down", where="t", status=429, retry_after=0.2, rate_limited=True)
    crm.script = [limit, limit]
    await _three(world, crm, account)
    began = asyncio.get_running_loop().time()
    await world.settle()
    assert asyncio.get_running_loop().time() - began > 0.4
    assert world.budget.throttles == [0.2, 0.2]
    assert len(crm.updates()) == 3
    keys = [{row.trace_id for row in batch} for batch in crm.updates()]
    assert keys[0] == keys[1] == keys[2]
    assert sum(call == "read" for call, _ in crm.calls) == 1  # it said that it took nothing


async def test_an_answer_that_never_came_is_looked_for_first(
    world: Any, crm: Any, account: Any
) -> None:
    async def taken_unheard(crm: Any, kind: str, rows: Any) -> Any:
        for row in rows:
            crm.write(kind, row)
        return Retryable("ReadTimeout", where="t")

    crm.script = [taken_unheard]
    await _three(world, crm, account)
    await world.settle()
    assert len(crm.updates()) == 1
    assert crm.records["company", "1"]["pl_mrr"] == "1"


async def test_a_refused_batch_is_halved_down_to_the_guilty_row(
    world: Any, crm: Any, account: Any
) -> None:
    async def strict(crm: Any, kind: str, rows: Any) -> Any:
        crm.script.insert(0, strict)
        if any(row.id == "41" for row in rows):
            return BatchRefused("no", where="t", status=400, category="VALIDATION_ERROR")
        return None

    await world.opened(fields=MRR)
    for n in range(100):
        crm.put(str(n))
    crm.script = [strict]
    await world.states(*(
        account(n + 1, links=[("company", str(n), 1)], id=f"acc_{n:026d}") for n in range(100)
    ))  # fmt: skip
    await world.settle()
    crm.script.clear()
    assert await world.counts() == {"failed": 1}
    assert (await world.effect("41"))["state"] == "failed"
    written = [key for key, held in crm.records.items() if held.get("pl_mrr")]
    assert len(written) == 99
    assert len(crm.updates()) < 20
    assert world.budget.granted["write"] >= len(crm.updates())


async def test_refused_credentials_stop_the_connection_and_lose_nothing(
    world: Any, crm: Any, account: Any
) -> None:
    crm.script = [Unauthorized("HTTP 401", where="t", status=401)] * 2
    await _three(world, crm, account)
    await world.start()
    item = ("connection_refused", "hubspot")
    async with asyncio.timeout(5):
        while (await world.attention()).get(item) != "open":
            await asyncio.sleep(0.01)
    assert "refused" in world.notes.conditions["credentials:acme/hubspot"][1]
    assert await world.counts() == {"pending": 3}
    await world.settle()
    assert len(crm.updates()) == 3
    async with asyncio.timeout(5):
        while (await world.attention())[item] != "closed":
            await asyncio.sleep(0.01)
        while world.notes.conditions["credentials:acme/hubspot"] != (True, ""):
            await asyncio.sleep(0.01)


async def test_killed_between_call_and_commit_the_same_body_goes_again(
    world: Any, crm: Any, account: Any
) -> None:
    reached = asyncio.Event()

    async def hangs(crm: Any, kind: str, rows: Any) -> None:
        reached.set()
        await asyncio.sleep(60)

    crm.script = [hangs]
    await _three(world, crm, account)
    await world.start()
    await reached.wait()
    await world.kill()
    await world.settle()
    first, second = crm.updates()
    assert [(r.trace_id, r.properties) for r in first] == [
        (r.trace_id, r.properties) for r in second
    ]
    assert crm.records["company", "1"]["pl_mrr"] == "1"


async def test_killed_after_the_vendor_took_it_nothing_is_sent_again(
    world: Any, crm: Any, account: Any
) -> None:
    reached = asyncio.Event()

    async def hangs(crm: Any, kind: str, rows: Any) -> None:
        for row in rows:
            crm.write(kind, row)
        reached.set()
        await asyncio.sleep(60)

    crm.script = [hangs]
    await _three(world, crm, account)
    await world.start()
    await reached.wait()
    await world.kill()
    await world.settle()
    assert len(crm.updates()) == 1
    assert await world.counts() == {}


async def test_a_newer_value_during_a_call_is_not_lost_and_has_its_own_key(
    world: Any, crm: Any, account: Any
) -> None:
    async def newer(crm: Any, kind: str, rows: Any) -> None:
        await world.states(account(7, mrr=700))

    crm.script = [newer]
    await _three(world, crm, account)
    await world.settle()
    assert crm.records["company", "1"]["pl_mrr"] == "7"
    tries = [row for row in crm.rows() if row.id == "1"]
    assert [row.properties["pl_mrr"] for row in tries] == ["1", "7"]
    assert tries[0].trace_id != tries[1].trace_id


async def test_a_property_that_does_not_fit_is_left_out_and_told(
    world: Any, crm: Any, account: Any
) -> None:
    problem = PropertyProblem("pl_plan", "unfit_type", "number", "string")
    crm.problems = [problem]
    fields = {"company": {"mrr": "pl_mrr", "plan": "pl_plan"}}
    crm.put("1")
    await world.opened(fields=fields)
    await world.states(account(1))
    await world.settle()
    item = ("property_mismatch", "hubspot/company/pl_plan")
    assert [dict(row.properties) for row in crm.rows()] == [{"pl_mrr": "83.33"}]
    assert (await world.attention())[item] == "open"
    await world.stop()
    crm.problems = []
    await world.start()  # mended, and seen as the mapping is deployed again
    await world.states(account(2, mrr=100))
    await world.settle()
    assert crm.records["company", "1"] == {"pl_mrr": "1", "pl_plan": "growth_monthly"}
    assert (await world.attention())[item] == "closed"


async def test_only_one_sender_leads(world: Any, crm: Any, account: Any) -> None:
    await world.start()
    await world.start()
    await _three(world, crm, account)
    await world.settle()
    await asyncio.sleep(0.1)
    assert len(crm.rows()) == 3
