"""The mass-change brake: a wrong key must not churn the book; customers' own events go on."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest

pytestmark = pytest.mark.server

FIELDS = {"company": {"mrr": "pl_mrr", "state": "pl_state", "payment_status": "pl_pay"}}
ITEM = ("mass_change", "hubspot")


@pytest.fixture
def book(world: Any, crm: Any, account: Any) -> Callable[..., Any]:
    """States of accounts n, each on record n; fields say what changed them."""

    def state(n: int, version: int, cause: str | None, *, mrr: int, **changes: Any) -> Any:
        made = account(
            version, mrr=mrr, links=[("company", str(n), 1)], id=f"acc_{n:026d}",
            origin="walk" if cause == "walk" else "webhook",
            state="churned" if mrr == 0 else "active", cause=cause, **changes,
        )  # fmt: skip
        lived = made.fields["mrr"].model_copy(update={"value": made.state, "cause": cause})
        fields = {
            name: value.model_copy(update={"cause": cause}) for name, value in made.fields.items()
        }
        return made.model_copy(update={"fields": {**fields, "state": lived}})

    return state


async def _opened(world: Any, crm: Any, book: Any, size: int, **policies: Any) -> None:
    """A book of `size` paying customers, all written."""
    for n in range(size):
        crm.put(str(n))
    await world.opened(fields=FIELDS, **policies)
    await world.states(*(book(n, n + 1, "event", mrr=100) for n in range(size)))
    await world.settle()
    assert len(crm.rows()) == size
    crm.calls.clear()


async def _turn(
    world: Any, book: Any, records: Iterable[int], cause: str, version: int = 10_000
) -> None:
    await world.states(*(book(n, version + n, cause, mrr=0) for n in records))


def _churned(crm: Any) -> set[str]:
    return {one for (_, one), held in crm.records.items() if held.get("pl_state") == "churned"}


@pytest.mark.parametrize("cause", ["walk", "read", "config"])
async def test_a_mass_is_held_before_its_first_is_written(
    world: Any, crm: Any, book: Any, cause: str
) -> None:
    await _opened(world, crm, book, 60)
    world.doubt_delay = 30.0
    for n in range(0, 60, 5):  # as a walk sees them: a few at a time
        await _turn(world, book, range(n, n + 5), cause)
    await world.settle()
    assert _churned(crm) == set()
    assert await world.counts() == {"held": 60}
    assert (await world.attention())[ITEM] == "open"
    row = await world.effect("7")
    assert (row["state"], row["held_by"], row["doubt"]) == ("held", "mass_change", "turned")
    plan = await world.pool.fetch("select * from writeback.plan_view where state = 'held'")
    assert len(plan) == 60


async def test_events_of_customers_are_never_held(world: Any, crm: Any, book: Any) -> None:
    await _opened(world, crm, book, 60)
    await _turn(world, book, range(60), "event")
    await world.settle()
    assert len(_churned(crm)) == 60
    assert ITEM not in await world.attention()


async def test_a_tick_that_ends_planned_cancellations_is_no_walk(
    world: Any, crm: Any, book: Any
) -> None:
    await _opened(world, crm, book, 30)
    await _turn(world, book, range(30), "tick")
    await world.settle()
    assert len(_churned(crm)) == 30


async def test_the_first_twenty_within_the_hour_may_pass_and_count(
    world: Any, crm: Any, book: Any
) -> None:
    await _opened(world, crm, book, 60)
    await _turn(world, book, range(20), "walk")
    await world.settle()
    assert len(_churned(crm)) == 20
    await world.kill()  # a restart gives nothing anew
    await _turn(world, book, range(20, 22), "walk")
    await world.settle()
    assert len(_churned(crm)) == 20
    assert await world.counts() == {"held": 2}
    # an hour later by the database's clock the allowance is there again, for what is new
    await world.observe(world.approval())
    await world.settle()
    await world.pool.execute("update writeback.doubted_writes set at = at - interval '61 minutes'")
    await _turn(world, book, range(22, 42), "walk")
    await world.settle()
    assert len(_churned(crm)) == 42
    assert await world.pool.fetchval("select count(*) from writeback.doubted_writes") == 20


async def test_two_percent_of_a_large_book(world: Any, crm: Any, book: Any) -> None:
    await _opened(world, crm, book, 1200)
    await _turn(world, book, range(24), "walk")
    await world.settle()
    assert len(_churned(crm)) == 24
    await _turn(world, book, range(24, 25), "walk")
    await world.settle()
    assert await world.counts() == {"held": 1}


async def test_approval_writes_them_and_closes_the_item(world: Any, crm: Any, book: Any) -> None:
    await _opened(world, crm, book, 40)
    await _turn(world, book, range(40), "walk")
    await world.settle()
    assert await world.counts() == {"held": 40}
    await world.observe(world.approval())
    await world.settle()
    assert len(_churned(crm)) == 40
    assert await world.counts() == {}
    assert (await world.attention())[ITEM] == "closed"
    await world.redeliver()
    await world.settle()
    assert len(crm.rows()) == 40


async def test_a_customers_own_event_frees_its_record(world: Any, crm: Any, book: Any) -> None:
    await _opened(world, crm, book, 40)
    await _turn(world, book, range(40), "walk")
    await world.states(book(3, 20_000, "event", mrr=4200))
    await world.settle()
    assert crm.records["company", "3"]["pl_mrr"] == "42"
    assert await world.counts() == {"held": 39}
    assert (await world.attention())[ITEM] == "open"
    # the right key comes back: the walk restates the book, nothing was ever wrong in the CRM
    await world.states(*(book(n, 30_000 + n, "walk", mrr=100) for n in range(40) if n != 3))
    await world.settle()
    assert await world.counts() == {}
    assert (await world.attention())[ITEM] == "closed"
    assert [row.id for row in crm.rows()] == ["3"]


async def test_one_more_is_held_while_others_wait(world: Any, crm: Any, book: Any) -> None:
    await _opened(world, crm, book, 60)
    await _turn(world, book, range(25), "walk")
    await world.states(*(book(n, 20_000 + n, "event", mrr=4200) for n in range(10)))
    await _turn(world, book, [30], "read", 30_000)
    await world.settle()
    assert await world.counts() == {"held": 16}


async def test_a_sight_does_not_free_a_held_record(world: Any, crm: Any, book: Any) -> None:
    await _opened(world, crm, book, 30)
    await _turn(world, book, range(30), "walk")
    crm.put("1", pl_mrr="5")
    await world.observe(*(world.sight(str(n)) for n in range(30)))
    await world.settle()
    assert await world.counts() == {"held": 30}
    crm.put("1", pl_mrr="0", pl_state="churned")  # a person did it by hand
    await world.observe(world.sight("1"))
    assert await world.counts() == {"held": 29}


async def test_a_configuration_that_moves_the_book_waits(world: Any, crm: Any, book: Any) -> None:
    await _opened(world, crm, book, 30)
    moved = {"company": FIELDS["company"] | {"mrr": "annualrevenue"}}
    await world.observe(world.config(fields=moved))
    await world.settle()
    assert crm.rows() == []
    assert await world.counts() == {"held": 30}
    assert (await world.effect("7"))["doubt"] == "mapped"
    await world.observe(world.approval())
    await world.settle()
    assert {row.properties["annualrevenue"] for row in crm.rows()} == {"1"}


async def test_values_that_a_configuration_restates_wait_too(
    world: Any, crm: Any, book: Any
) -> None:
    await _opened(world, crm, book, 30)
    await world.states(*(book(n, 10_000 + n, "config", mrr=250) for n in range(30)))
    await world.settle()
    assert await world.counts() == {"held": 30}
    assert (await world.effect("7"))["doubt"] == "moved"


@pytest.mark.parametrize(("moved", "held"), [(1, 0), (2, 2)])
async def test_a_configuration_may_move_two_percent(
    world: Any, crm: Any, book: Any, moved: int, held: int
) -> None:
    """Twenty are a small thing for a walk; the configuration has no such floor (design 7)."""
    await _opened(world, crm, book, 60)
    await world.states(*(book(n, 10_000 + n, "config", mrr=250) for n in range(moved)))
    await world.settle()
    assert (await world.counts()).get("held", 0) == held


async def test_exchange_rates_move_any_number(world: Any, crm: Any, book: Any) -> None:
    await _opened(world, crm, book, 30)
    await world.states(*(book(n, 10_000 + n, "tick", mrr=250) for n in range(30)))
    await world.settle()
    assert {crm.records["company", str(n)]["pl_mrr"] for n in range(30)} == {"2.50"}


async def test_a_configuration_that_fills_a_blank_moves_nothing(
    world: Any, crm: Any, book: Any
) -> None:
    for n in range(30):
        crm.put(str(n))
    await world.opened(fields=FIELDS)
    unknown = {"mrr": book(0, 1, "event", mrr=1).fields["mrr"].model_copy(update={"value": None})}
    states = [book(n, n + 1, "event", mrr=1) for n in range(30)]
    await world.states(
        *(one.model_copy(update={"fields": {**one.fields, **unknown}}) for one in states)
    )
    await world.settle()
    assert crm.records["company", "7"].get("pl_mrr", "") == ""
    assert crm.records["company", "7"]["pl_state"] == "active"
    await world.states(*(book(n, 20_000 + n, "config", mrr=250) for n in range(30)))
    await world.settle()
    assert {crm.records["company", str(n)]["pl_mrr"] for n in range(30)} == {"2.50"}


async def test_walks_that_only_correct_amounts_go_on(world: Any, crm: Any, book: Any) -> None:
    await _opened(world, crm, book, 30)
    await world.states(*(book(n, 10_000 + n, "walk", mrr=250) for n in range(30)))
    await world.settle()
    assert {crm.records["company", str(n)]["pl_mrr"] for n in range(30)} == {"2.50"}


async def test_a_walk_that_takes_all_links_away_is_held(world: Any, crm: Any, book: Any) -> None:
    await _opened(world, crm, book, 30)
    lost = [book(n, 10_000 + n, "walk", mrr=100) for n in range(30)]
    await world.states(*(one.model_copy(update={"links": ()}) for one in lost))
    await world.settle()
    assert await world.counts() == {"held": 30}
    assert crm.records["company", "7"]["pl_mrr"] == "1"


async def test_the_first_writes_are_no_mass_change(world: Any, crm: Any, book: Any) -> None:
    for n in range(40):
        crm.put(str(n), pl_state="active", pl_mrr="1")
    await world.opened(fields=FIELDS)
    await world.states(*(book(n, n + 1, "walk", mrr=0) for n in range(40)))
    await world.settle()
    assert len(_churned(crm)) == 40


async def test_the_delay_ends_when_there_are_few(world: Any, crm: Any, book: Any) -> None:
    await _opened(world, crm, book, 5)
    world.doubt_delay = 0.3
    began = asyncio.get_running_loop().time()
    await _turn(world, book, range(3), "walk")
    await world.settle()
    assert asyncio.get_running_loop().time() - began > 0.3
    assert len(_churned(crm)) == 3
