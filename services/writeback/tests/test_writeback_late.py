"""A write without an answer is carried out after a newer one: noticed, mended, no person blamed."""

import ast
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import writeback
from plumbline_schemas.errors import Retryable
from writeback.effects import RecordId, fresh
from writeback.late import looked, unanswered

pytestmark = pytest.mark.server

MRR = {"company": {"mrr": "pl_mrr", "last_synced_at": "pl_sync"}}
LOOKS_AT_MOST = 3


def _reads(crm: Any) -> int:
    return sum(call == "read" for call, _ in crm.calls)


async def _opened(world: Any, crm: Any, account: Any, **policies: Any) -> Any:
    """A record that shows 1, written long ago; the sender runs."""
    world.settings = world.settings._replace(late_window=1.2)
    await world.opened(fields=MRR, **policies)
    crm.put("1")
    await world.states(account(1, mrr=100))
    await world.settle()
    return account


async def _until(done: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await done():
            await asyncio.sleep(0.02)


async def _certain(world: Any) -> bool:
    left = "select count(*) from writeback.effects where look_at is not null or state = 'pending'"
    return not await world.pool.fetchval(left)


@pytest.mark.parametrize("policy", ["overwrite", "keep", "queue"])
async def test_an_old_request_carried_out_last_is_overwritten(
    world: Any, crm: Any, account: Any, policy: str
) -> None:
    held: list[Any] = []

    async def slow(crm: Any, kind: str, rows: Any) -> Any:
        held.extend(rows)
        return Retryable("ReadTimeout", where="t")

    await _opened(world, crm, account, conflict=policy)
    crm.script = [slow]
    await world.states(account(2, mrr=200))
    await world.settle()
    await world.states(account(3, mrr=300))
    await world.settle()
    assert crm.records["company", "1"]["pl_mrr"] == "3"
    before = _reads(crm)
    for row in held:
        crm.write("company", row)
    assert crm.records["company", "1"]["pl_mrr"] == "2"
    await _until(lambda: _certain(world))
    assert crm.records["company", "1"]["pl_mrr"] == "3"
    assert 1 <= _reads(crm) - before <= LOOKS_AT_MOST
    assert await world.pool.fetchval("select count(*) from writeback.conflicts") == 0
    assert dict((await world.effect("1"))["late"]) == {}


async def test_a_killed_sender_leaves_an_unknown_answer_too(
    world: Any, crm: Any, account: Any
) -> None:
    held: list[Any] = []
    reached = asyncio.Event()

    async def hangs(crm: Any, kind: str, rows: Any) -> None:
        held.extend(rows)
        reached.set()
        await asyncio.sleep(60)

    await _opened(world, crm, account)
    crm.script = [hangs]
    await world.states(account(2, mrr=200))
    await reached.wait()
    await world.kill()
    await world.states(account(3, mrr=300))
    await world.settle()
    assert crm.records["company", "1"]["pl_mrr"] == "3"
    for row in held:
        crm.write("company", row)
    await _until(lambda: _certain(world))
    assert crm.records["company", "1"]["pl_mrr"] == "3"


async def test_an_unknown_answer_without_a_newer_value_costs_no_look(
    world: Any, crm: Any, account: Any
) -> None:
    await _opened(world, crm, account)
    crm.script = [Retryable("ReadTimeout", where="t")]
    await world.states(account(2, mrr=200))
    await world.settle()
    before = _reads(crm)
    await _until(lambda: _certain(world))
    assert _reads(crm) == before


async def test_without_an_unknown_answer_nothing_is_read(
    world: Any, crm: Any, account: Any
) -> None:
    await _opened(world, crm, account)
    before = _reads(crm)
    for version in range(2, 6):
        await world.states(account(version, mrr=version * 100))
        await world.settle()
    assert await _certain(world)
    assert _reads(crm) == before


async def test_a_person_who_edits_meanwhile_is_still_a_conflict(
    world: Any, crm: Any, account: Any
) -> None:
    await _opened(world, crm, account)
    crm.script = [Retryable("ReadTimeout", where="t")]
    await world.states(account(2, mrr=200))
    await world.settle()
    await world.states(account(3, mrr=300))
    await world.settle()
    crm.put("1", pl_mrr="77")
    await _until(lambda: _certain(world))
    assert crm.records["company", "1"]["pl_mrr"] == "3"
    observed = await world.pool.fetch("select observed from writeback.conflicts")
    assert [row["observed"] for row in observed] == ["77"]


async def test_looks_end_with_the_window(world: Any) -> None:
    now = await world.pool.fetchval("select clock_timestamp()")
    window = 12 * (second := (now - now.replace(microsecond=0)).resolution * 1_000_000)
    sent = fresh(RecordId("acme", "hubspot", "company", "1"), "acc", now)._replace(
        sending={"pl_mrr": "2", "pl_sync": "x"}, stamp={"pl_sync": "x"}, sending_since=now
    )
    effect = unanswered(sent, now, window)
    assert effect.late == {"pl_mrr": ["2"]}
    looks = []
    while effect.look_at is not None:
        looks.append((effect.look_at - now) // second)
        effect = looked(effect, effect.look_at, window)
    assert looks == [1, 3, 12]
    assert (effect.late, effect.late_until) == ({}, None)
    assert unanswered(sent._replace(sending_since=None), now, window).late == {}


def test_no_module_asks_the_hosts_clock() -> None:
    """Leases, due times and windows are decided by the database's time alone."""
    asked = [
        f"{path.name}:{node.lineno}"
        for path in sorted(Path(writeback.__file__).parent.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr)
        in {("datetime", "now"), ("datetime", "utcnow"), ("time", "time")}
    ]
    assert asked == []
