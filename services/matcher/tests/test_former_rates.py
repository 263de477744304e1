"""A month with other exchange rates: what they move is fx, whatever record comes first in it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from console.ledger.history import account_history
from console.ledger.reading import Asked, read_ledger
from matcher.digest import digest
from plumbline_schemas.topics import ACCOUNTS_EVENTS

pytestmark = pytest.mark.server

JULY = datetime(2026, 7, 3, tzinfo=UTC)


def dollars(minor: int) -> dict[str, Any]:
    price = {"price_id": f"price_{minor}", "lookup_key": "plan", "currency": "usd"}
    price |= {"unit_amount": str(minor), "recurring": {"interval": "month"}}
    return {"currency": "usd", "items": [{"item_id": "si_1", "quantity": 1, "price": price}]}


def book(kit: Any, **config: Any) -> Any:
    log = kit.log()
    log.ready(**config)
    days = {"2026-05-29": {"USD": "2"}, "2026-07-01": {"USD": "4"}}
    body = {"revision": 1, "days": days}
    log.add("rates", "ecb", body, connection="@", origin="console", event_id=None)
    log.customer("cus_1")
    log.subscription("sub_1", "cus_1", **dollars(10_000))
    return log


async def booked(bench: Any) -> list[tuple[str, int, int]]:
    async with bench.pool.acquire() as db:
        ledger = await read_ledger(db, Asked())
    return [(entry.kind, entry.before, entry.after) for entry in ledger.entries]


def moves(bench: Any) -> int:
    told = [message.value for message in bench.topics.of(ACCOUNTS_EVENTS)]
    return sum(b"account.mrr_changed" in value for value in told)


async def test_a_tick_into_a_month_with_other_rates_is_fx(bench: Any, kit: Any) -> None:
    log = book(kit)
    await bench.run(log)
    state = await bench.state("cus_1")
    assert state["originals"] == {"usd": {"mrr": "10000", "rate": "1/2", "day": "2026-05-29"}}
    log.tick(JULY)
    await bench.run(log)
    assert await booked(bench) == [("new", 0, 5_000), ("fx", 5_000, 2_500)]
    assert moves(bench) == 1
    state = await bench.state("cus_1")
    assert state["originals"]["usd"] == {"mrr": "10000", "rate": "1/4", "day": "2026-07-01"}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (12_000, [("expansion", 5_000, 6_000), ("fx", 6_000, 3_000)]),
        (20_000, [("expansion", 5_000, 10_000), ("fx", 10_000, 5_000)]),
        (8_000, [("contraction", 5_000, 4_000), ("fx", 4_000, 2_000)]),
    ],
)
async def test_a_customers_change_after_the_turn_is_split(
    bench: Any, kit: Any, after: int, expected: Any
) -> None:
    log = book(kit)
    time = int(JULY.timestamp() * 1000)
    log.subscription("sub_1", "cus_1", vendor_time_ms=time, **dollars(after))
    await bench.run(log)
    assert (await booked(bench))[1:] == expected
    state = await bench.state("cus_1")
    async with bench.pool.acquire() as db:
        history, _ = await account_history(db, state["id"])
    assert history.changes[-1].movement == expected[0][0]
    before = await digest(bench.pool)
    await bench.rewind()
    await bench.run(log)
    assert await digest(bench.pool) == before


async def test_churn_after_the_turn_is_churn_alone(bench: Any, kit: Any) -> None:
    log = book(kit)
    over = {"status": "canceled", "ended_at": JULY, "vendor_time_ms": int(JULY.timestamp() * 1000)}
    log.subscription("sub_1", "cus_1", **dollars(10_000), **over)
    await bench.run(log)
    assert await booked(bench) == [("new", 0, 5_000), ("churn", 5_000, 0)]


async def test_rates_of_the_day_a_subscription_began_move_nothing(bench: Any, kit: Any) -> None:
    log = book(kit, mrr="profitwell")
    log.subscription("sub_1", "cus_1", **dollars(10_000), start_date=JULY.replace(month=6))
    log.tick(JULY)
    await bench.run(log)
    assert {kind for kind, *_ in await booked(bench)} == {"new"}
    assert (await bench.state("cus_1"))["originals"]["usd"]["rate"] is None
