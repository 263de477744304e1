"""The catalogue, exchange rates and invoices reach the MRR; what is missing is asked for once."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from matcher.digest import digest
from plumbline_schemas.topics import ATTENTION, REFRESH_REQUESTS

pytestmark = pytest.mark.server

HALF = {"coupon_id": "co_1", "percent_off": "50", "duration": "forever"}
BARE = {"discounts": ["di_1"]}


def embedded(**coupon: Any) -> dict[str, Any]:
    """A discount with its coupon, without the products it is for."""
    discount = {"discount_id": "di_1", "coupon": "co_1", "coupon_object": {**HALF, **coupon}}
    return {"discounts": ["di_1"], "discount_objects": [discount]}


def ready(kit: Any, **config: Any) -> Any:
    log = kit.log()
    log.ready(**config)
    log.customer("cus_1")
    return log


async def mrr(bench: Any, kit: Any, log: Any, customer: str = "cus_1") -> tuple[Any, list[str]]:
    await bench.run(log)
    state = await bench.state(customer)
    found = kit.value(state, "mrr")
    return (None if found is None else found["minor"]), state["flags"]["incomplete"]


def asked(bench: Any) -> list[str]:
    return [m.key.split("/", 2)[2] for m in bench.topics.of(REFRESH_REQUESTS)]


async def test_a_coupon_read_late_completes_all_who_lack_it(bench: Any, kit: Any) -> None:
    log = ready(kit)
    log.customer("cus_2")
    log.subscription("sub_1", "cus_1", **embedded())
    log.subscription("sub_2", "cus_2", **embedded())
    assert await mrr(bench, kit, log) == (None, ["coupon:co_1"])
    assert asked(bench) == ["coupon/co_1"]
    log.add("coupon", "co_1", {**HALF, "applies_to": []}, seen="read", event_id=None)
    assert await mrr(bench, kit, log) == (5000, [])
    assert await mrr(bench, kit, log, "cus_2") == (5000, [])
    log.add("coupon", "co_1", {**HALF, "percent_off": "20"})
    log.add("coupon", "co_1", None, deleted=True)
    log.subscription("sub_1", "cus_1", **BARE)
    assert await mrr(bench, kit, log) == (8000, [])
    assert asked(bench) == ["coupon/co_1"]


async def test_a_coupon_that_is_gone_is_asked_of_who_has_it(bench: Any, kit: Any) -> None:
    log = ready(kit)
    log.add("coupon", "co_1", HALF)
    log.add("coupon", "co_1", HALF, deleted=True)
    log.subscription("sub_1", "cus_1", **embedded())
    assert await mrr(bench, kit, log) == (None, ["coupon:co_1"])
    assert asked(bench) == ["subscription/sub_1"]
    log.subscription("sub_1", "cus_1", seen="read", event_id=None, **embedded(applies_to=[]))
    assert await mrr(bench, kit, log) == (5000, [])
    log.subscription("sub_1", "cus_1", 20000, **embedded())
    assert await mrr(bench, kit, log) == (10000, [])
    assert asked(bench) == ["subscription/sub_1"]


async def test_a_customers_coupon_that_goes_before_it_is_told(bench: Any, kit: Any) -> None:
    log = ready(kit)
    log.add("coupon", "co_1", HALF)
    log.add("customer", "cus_1", {"email": "a@b.example", **embedded()})
    log.subscription("sub_1", "cus_1")
    assert await mrr(bench, kit, log) == (None, ["coupon:co_1"])
    assert asked(bench) == ["coupon/co_1"]
    log.add("coupon", "co_1", HALF, deleted=True)
    await bench.run(log)
    assert "customer/cus_1" in asked(bench)
    whole = {"email": "a@b.example", **embedded(applies_to=[])}
    log.add("customer", "cus_1", whole, seen="read", event_id=None)
    assert await mrr(bench, kit, log) == (5000, [])


async def test_an_answer_that_does_not_help_is_not_asked_for_again(bench: Any, kit: Any) -> None:
    log = ready(kit)
    log.subscription("sub_1", "cus_1", **embedded())
    log.add("coupon", "co_1", HALF, seen="read", event_id=None)
    log.subscription("sub_1", "cus_1", 20000, **embedded())
    assert await mrr(bench, kit, log) == (None, ["coupon:co_1"])
    assert asked(bench) == ["coupon/co_1"]
    log.add("coupon", "co_1", {**HALF, "name": "Half"})
    await bench.run(log)
    assert asked(bench) == ["coupon/co_1"] * 2


@pytest.mark.parametrize("late", [False, True])
async def test_a_discount_told_once_is_known_when_it_is_only_named(
    bench: Any, kit: Any, late: bool
) -> None:
    log = ready(kit)
    if late:
        log.subscription("sub_1", "cus_1", **BARE)
        assert await mrr(bench, kit, log) == (None, ["discount:di_1"])
        assert asked(bench) == ["subscription/sub_1"]
    before = {"vendor_time_ms": int(kit.start.timestamp() * 1000)} if late else {}
    log.subscription("sub_1", "cus_1", **embedded(applies_to=[]), **before)
    if not late:
        log.subscription("sub_1", "cus_1", **BARE)
    assert await mrr(bench, kit, log) == (5000, [])
    log.subscription("sub_1", "cus_1", 20000, **BARE)
    assert await mrr(bench, kit, log) == (10000, [])


async def test_a_paused_subscriptions_discount_is_asked_for_though_its_mrr_needs_none(
    bench: Any, kit: Any
) -> None:
    log = ready(kit)
    log.subscription("sub_1", "cus_1", status="paused", **BARE)
    assert await mrr(bench, kit, log) == (0, [])
    assert asked(bench) == ["subscription/sub_1"]
    told = embedded(applies_to=[])
    log.subscription("sub_1", "cus_1", status="paused", seen="read", event_id=None, **told)
    await bench.run(log)
    assert kit.value(await bench.state("cus_1"), "discount") == "50 % off forever"
    log.subscription("sub_2", "cus_1", status="paused", discounts=["di_2"])
    only_id = [{"discount_id": "di_2", "coupon": "co_2"}]
    log.subscription("sub_2", "cus_1", status="paused", discounts=["di_2"],
                     discount_objects=only_id)  # fmt: skip
    await bench.run(log)
    assert asked(bench) == ["subscription/sub_1", "subscription/sub_2", "coupon/co_2"]


async def test_a_customers_discount_reaches_its_subscriptions(bench: Any, kit: Any) -> None:
    log = ready(kit)
    log.subscription("sub_1", "cus_1")
    body = {"email": "a@b.example"}
    log.add("customer", "cus_1", {**body, **embedded()})
    assert await mrr(bench, kit, log) == (10000, ["coupon:co_1"])
    assert asked(bench) == ["coupon/co_1"]
    log.add("coupon", "co_1", {**HALF, "applies_to": []})
    assert await mrr(bench, kit, log) == (5000, [])
    log.add("coupon", "co_1", {**HALF, "percent_off": "10"})
    assert await mrr(bench, kit, log) == (9000, [])
    log.add("customer", "cus_1", body)
    assert await mrr(bench, kit, log) == (10000, [])


def tiered(price_id: str = "price_t") -> dict[str, Any]:
    return {
        "price_id": price_id,
        "currency": "eur",
        "billing_scheme": "tiered",
        "tiers_mode": "volume",
        "recurring": {"interval": "month"},
    }


async def test_tiers_told_by_a_read_outlive_the_next_event(bench: Any, kit: Any) -> None:
    log = ready(kit)
    item = {"item_id": "si_1", "quantity": 3, "price": tiered()}
    log.subscription("sub_1", "cus_1", items=[item])
    assert await mrr(bench, kit, log) == (None, ["tiers:price_t"])
    assert asked(bench) == ["price/price_t"]
    told = {**tiered(), "tiers": [{"up_to": None, "unit_amount": "100"}]}
    log.add("price", "price_t", told, seen="read", event_id=None)
    assert await mrr(bench, kit, log) == (300, [])
    log.add("price", "price_t", {**tiered(), "nickname": "T"})
    log.subscription("sub_1", "cus_1", items=[{**item, "quantity": 4}])
    assert await mrr(bench, kit, log) == (400, [])
    assert asked(bench) == ["price/price_t"]


async def test_a_page_of_items_is_read_again(bench: Any, kit: Any) -> None:
    log = ready(kit)
    log.subscription("sub_1", "cus_1", items_truncated=True)
    assert await mrr(bench, kit, log) == (None, ["items:sub_1"])
    answer = log.subscription("sub_1", "cus_1", 20000)
    log.observations[-1] = answer.model_copy(update={"seen": "read", "event_id": None})
    log.subscription("sub_1", "cus_1", items_truncated=True)
    assert await mrr(bench, kit, log) == (20000, ["items:sub_1"])
    assert asked(bench) == ["subscription/sub_1"] * 2


async def test_a_tax_rate_that_is_only_named_is_read(bench: Any, kit: Any) -> None:
    log = ready(kit)
    rate = {"tax_rate_id": "txr_1"}
    log.subscription("sub_1", "cus_1", 12000, default_tax_rates=[{**rate, "inclusive": True}])
    assert await mrr(bench, kit, log) == (None, ["tax:si_sub_1"])
    assert asked(bench) == ["tax_rate/txr_1"]
    log.add("tax_rate", "txr_1", {**rate, "inclusive": True, "percentage": "20"})
    assert await mrr(bench, kit, log) == (10000, [])


def rates(log: Any, revision: int, day: str, usd: str, name: str = "ecb") -> None:
    body = {"revision": revision, "days": {day: {"USD": usd}}}
    log.add(
        "rates", name, body, connection="@", origin="console", event_id=None,
        vendor_time_ms=revision,
    )  # fmt: skip


async def test_a_new_table_of_rates_moves_mrr_as_fx_only(bench: Any, kit: Any) -> None:
    log = ready(kit)
    log.customer("cus_2")
    price = {**tiered(), "currency": "usd", "tiers": [{"unit_amount": "10000"}]}
    items = [{"item_id": "si_1", "quantity": 1, "price": price}]
    log.subscription("sub_1", "cus_1", currency="usd", items=items)
    log.subscription("sub_2", "cus_2")
    assert await mrr(bench, kit, log) == (None, ["rate:USD"])
    rates(log, 10, "2026-05-29", "2")
    assert await mrr(bench, kit, log) == (5000, [])
    rates(log, 9, "2026-05-29", "8")
    rates(log, 11, "2026-06-01", "4", "ecb:2026")
    assert await mrr(bench, kit, log) == (2500, [])
    rates(log, 12, "2026-06-01", "5", "ecb:2026")
    assert await mrr(bench, kit, log) == (2000, [])
    assert await mrr(bench, kit, log, "cus_2") == (10000, [])
    rows = await bench.pool.fetch(
        """select movement from matcher.change_view
           where cause ->> 'key' like '%/rates/%' order by sequence"""
    )
    assert [row["movement"] for row in rows] == ["restated", "fx", "fx"]
    assert (await bench.state("cus_1"))["fields"]["mrr"]["cause"] == "tick", "nobody decided that"
    assert asked(bench) == []


async def test_a_policy_is_followed_and_restates(bench: Any, kit: Any) -> None:
    log = ready(kit)
    coupon = {**HALF, "duration": "once", "applies_to": []}
    log.subscription("sub_1", "cus_1", **embedded(**coupon))
    assert await mrr(bench, kit, log) == (10000, [])
    log.config(mrr="chartmogul")
    assert await mrr(bench, kit, log) == (5000, [])
    log.config(mrr={"base": "chartmogul", "once": "zero"})
    assert await mrr(bench, kit, log) == (10000, [])
    log.config(mrr={"base": "chartmogul", "of_a_later_version": 1})
    assert await mrr(bench, kit, log) == (10000, ["config"])
    moved = await bench.pool.fetch("select movement from matcher.change_view order by sequence")
    assert [row["movement"] for row in moved if row["movement"]] == ["new", "restated", "restated"]


async def test_what_makes_a_customer_at_risk_is_a_choice(bench: Any, kit: Any) -> None:
    log = ready(kit)
    log.subscription("sub_1", "cus_1", cancel_at_period_end=True)
    await bench.run(log)
    assert (await bench.state("cus_1"))["state"] == "at_risk"
    log.config(at_risk=["payment_trouble"])
    await bench.run(log)
    assert (await bench.state("cus_1"))["state"] == "active"


async def test_a_policy_sees_the_subscriptions_invoices(bench: Any, kit: Any) -> None:
    log = ready(kit, mrr="chartmogul")
    facts = {"subscription": "sub_1", "billing_reason": "subscription_create"}
    log.subscription("sub_1", "cus_1", collection_method="send_invoice")
    log.invoice("in_1", "cus_1", status="open", amount_paid=0, **facts)
    log.invoice("in_2", "cus_1", status="paid", subscription="sub_9")
    assert await mrr(bench, kit, log) == (0, [])
    log.invoice("in_1", "cus_1", **facts)
    assert await mrr(bench, kit, log) == (10000, [])
    log.config(mrr="baremetrics")
    log.subscription("sub_1", "cus_1", status="past_due")
    due = kit.start + timedelta(days=1)
    log.invoice("in_3", "cus_1", status="open", due_date=due, subscription="sub_1")
    assert await mrr(bench, kit, log) == (10000, [])
    log.tick(due + timedelta(days=31))
    assert await mrr(bench, kit, log) == (0, [])


async def test_a_person_hears_of_it_after_five_minutes(bench: Any, kit: Any) -> None:
    log = ready(kit)
    at = kit.start + timedelta(hours=1)

    async def heard() -> list[str]:
        await bench.run(log)
        items = [orjson.loads(m.value) for m in bench.topics.of(ATTENTION)]
        return [item["status"] for item in items if item["kind"] == "incomplete_value"]

    log.tick(at)
    log.subscription("sub_1", "cus_1", **embedded())
    log.tick(at + timedelta(minutes=4))
    assert await heard() == []
    counted = await bench.pool.fetchrow("select n, since from matcher.incomplete_view")
    assert (counted["n"], counted["since"]) == (1, at)
    log.tick(at + timedelta(minutes=5))
    log.tick(at + timedelta(minutes=6))
    assert await heard() == ["open"]
    log.add("coupon", "co_1", {**HALF, "applies_to": []})
    assert await heard() == ["open", "closed"]
    log.subscription("sub_1", "cus_1", items_truncated=True)
    log.subscription("sub_1", "cus_1")
    log.tick(at + timedelta(hours=1))
    assert await heard() == ["open", "closed"]
    assert await bench.pool.fetchval("select count(*) from matcher.incomplete_view") == 0
    before = await digest(bench.pool)
    sent = len(bench.topics.messages)
    await bench.rewind()
    await bench.run(log, size=2)
    assert (await digest(bench.pool), len(bench.topics.messages)) == (before, sent)
