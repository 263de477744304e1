"""A record that comes back while the sender is at it: news of its return comes only once."""

from collections.abc import Sequence
from typing import Any

import pytest
from writeback.crm import OBJECT_NOT_FOUND, Answered, Sight, UpdateRow
from writeback.deploy import Deployment

pytestmark = pytest.mark.server

MRR = {"company": {"mrr": "pl_mrr", "last_synced_at": "pl_sync"}}


async def _linked(world: Any, crm: Any, account: Any) -> None:
    """Written once; the sender stopped, so that what follows is due in one round."""
    crm.put("1")
    await world.opened(fields=MRR)
    await world.states(account(1))
    await world.settle()
    await world.stop()


async def _deleted(world: Any, crm: Any) -> dict[str, str | None]:
    held: dict[str, str | None] = crm.records.pop(("company", "1"))
    crm.clock_ms += 1000  # the start of the read that found nothing
    await world.observe(world.sight("1", vendor_time_ms=crm.clock_ms))
    return held


async def _restored(world: Any, crm: Any, held: dict[str, str | None], *, moved: bool) -> None:
    crm.records["company", "1"] = held
    if moved:
        crm.put("1")
    await world.observe(world.sight("1"))


@pytest.mark.parametrize("moved", [True, False], ids=["newer updatedAt", "same updatedAt"])
async def test_news_between_the_choice_and_the_record(
    world: Any, crm: Any, account: Any, monkeypatch: pytest.MonkeyPatch, moved: bool
) -> None:
    """The round goes by what was on file when it began: no read, the record is gone."""
    await _linked(world, crm, account)
    held = [await _deleted(world, crm)]
    await world.states(account(2, mrr=4200))
    ensure = Deployment.ensure

    async def meanwhile(*args: Any) -> frozenset[str]:
        if held:
            await _restored(world, crm, held.pop(), moved=moved)
        return await ensure(*args)

    monkeypatch.setattr(Deployment, "ensure", meanwhile)
    await world.settle()
    assert not held
    assert crm.records["company", "1"]["pl_mrr"] == "42"
    assert (await world.effect("1"))["state"] == "applied"


@pytest.mark.parametrize("known", ["gone", "there", "never seen"])
async def test_news_during_a_read_that_finds_nothing(
    world: Any, crm: Any, account: Any, monkeypatch: pytest.MonkeyPatch, known: str
) -> None:
    await _linked(world, crm, account)
    held = [await _deleted(world, crm) if known == "gone" else crm.records.pop(("company", "1"))]
    await world.states(account(2, mrr=4200))
    await world.pool.execute("update writeback.records set seen_at = null")
    if known == "never seen":
        await world.pool.execute("delete from writeback.records")
    read_one = crm.read_one

    async def overtaken(kind: str, one: str, properties: Sequence[str]) -> Sight | None:
        found: Sight | None = await read_one(kind, one, properties)
        if held:
            await _restored(world, crm, held.pop(), moved=True)
        return found

    monkeypatch.setattr(crm, "read_one", overtaken)
    await world.settle()
    assert not held
    assert crm.records["company", "1"]["pl_mrr"] == "42"
    assert (await world.effect("1"))["state"] == "applied"


async def test_news_of_the_deletion_during_a_read(
    world: Any, crm: Any, account: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read saw the record, which was deleted before the read's end: nothing is written."""
    await _linked(world, crm, account)
    await world.states(account(2, mrr=4200))
    await world.pool.execute("update writeback.records set seen_at = null")
    read_many = crm.read_many

    async def overtaken(*args: Any) -> Any:
        found = await read_many(*args)
        if ("company", "1") in crm.records:
            await _deleted(world, crm)
        return found

    monkeypatch.setattr(crm, "read_many", overtaken)
    await world.settle()
    assert (await world.effect("1"))["state"] == "skipped"
    assert len(crm.rows()) == 1


async def test_news_during_a_write_that_finds_nothing(world: Any, crm: Any, account: Any) -> None:
    """Deleted and restored between two sights, and the write came in between."""
    await _linked(world, crm, account)
    await world.states(account(2, mrr=4200))

    async def not_found(_: Any, kind: str, rows: Sequence[UpdateRow]) -> list[Answered]:
        crm.put("1")
        await world.observe(world.sight(rows[0].id))
        word = OBJECT_NOT_FOUND
        return [Answered(row.id, "permanent", {}, None, "not found", word) for row in rows]

    crm.script = [not_found]
    await world.settle()
    assert crm.records["company", "1"]["pl_mrr"] == "42"
    assert (await world.effect("1"))["state"] == "applied"


async def test_a_write_that_finds_nothing_fails_without_news(
    world: Any, crm: Any, account: Any
) -> None:
    await _linked(world, crm, account)
    crm.row_faults["1"] = Answered("1", "permanent", {}, None, "not found", OBJECT_NOT_FOUND)
    await world.states(account(2, mrr=4200))
    await world.settle()
    assert (await world.effect("1"))["state"] == "failed"
    assert len(crm.rows()) == 2
