"""What of a connection counts, and customers of several Stripe accounts behind one CRM record."""

from typing import Any

import pytest
from matcher.digest import digest
from plumbline_schemas.topics import REFRESH_REQUESTS

pytestmark = pytest.mark.server


def connections(**scope: Any) -> list[dict[str, Any]]:
    return [
        {"name": "stripe", "kind": "stripe", "mode": "test", "scope": scope},
        {"name": "hubspot", "kind": "hubspot"},
    ]


def price(product: str, amount: int) -> dict[str, Any]:
    return {
        "price_id": f"price_{product}_{amount}",
        "product": product,
        "product_name": product,
        "lookup_key": f"key_{product}",
        "currency": "eur",
        "unit_amount": str(amount),
        "recurring": {"interval": "month"},
    }


def items(**amounts: int) -> list[dict[str, Any]]:
    return [
        {"item_id": f"si_{product}", "quantity": 1, "price": price(product, amount)}
        for product, amount in amounts.items()
    ]


async def seen(bench: Any, kit: Any, log: Any) -> tuple[Any, ...]:
    await bench.run(log)
    state = await bench.state("cus_1")
    return (
        kit.value(state, "mrr")["minor"], kit.value(state, "plan"), state["stage"],
        kit.value(state, "payment_status"),
    )  # fmt: skip


async def test_a_change_of_scope_derives_every_account_anew_without_a_call(
    bench: Any, kit: Any
) -> None:
    log = kit.log()
    log.ready(connections=connections())
    log.customer("cus_1")
    log.subscription("sub_1", "cus_1", items=items(a=1000, b=200))
    log.subscription("sub_2", "cus_1", items=items(b=30))
    log.invoice("in_1", "cus_1", subscription="sub_1")
    everything = (1230, "key_a", "paying", "paid")
    assert await seen(bench, kit, log) == everything
    log.config(connections=connections(products=["b"]))
    assert await seen(bench, kit, log) == (230, "key_b", "paying", "paid")
    log.config(connections=connections(lookup_keys=["key_a"]))
    assert await seen(bench, kit, log) == (1000, "key_a", "paying", "paid")
    log.config(connections=connections(products=["c"]))
    assert await seen(bench, kit, log) == (0, None, "prospect", "none")
    log.subscription("sub_2", "cus_1", items=items(c=7))
    assert await seen(bench, kit, log) == (7, "key_c", "activated", "none")
    log.subscription("sub_2", "cus_1", items=items(b=30))
    log.config(connections=connections())
    assert await seen(bench, kit, log) == everything
    assert bench.topics.of(REFRESH_REQUESTS) == []
    rows = await bench.pool.fetch(
        """select movement from matcher.change_view
           where movement is not null and cause ->> 'key' like '%/config/%' order by sequence"""
    )
    assert {row["movement"] for row in rows} == {"restated"}
    before = await digest(bench.pool)
    await bench.rewind()
    await bench.run(log, size=1)
    assert await digest(bench.pool) == before


async def test_a_cut_page_of_items_may_hold_what_is_in_scope(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready(connections=connections(products=["a"]))
    log.customer("cus_1")
    log.subscription("sub_1", "cus_1", items=items(b=200), items_truncated=True)
    await bench.run(log)
    assert (await bench.state("cus_1"))["flags"]["incomplete"] == ["items:sub_1"]
    assert [m.key for m in bench.topics.of(REFRESH_REQUESTS)] == ["acme/stripe/subscription/sub_1"]


async def test_customers_of_two_stripe_accounts_share_one_record(bench: Any, kit: Any) -> None:
    log = kit.log()
    second = {"name": "stripe2", "kind": "stripe", "mode": "test", "scope": {"products": ["b"]}}
    log.config(connections=[*connections(), second])
    log.walked("stripe", "stripe2", "hubspot")
    log.company("77", "acme.example")
    log.customer("cus_1", "ann@acme.example")
    log.subscription("sub_1", "cus_1", items=items(a=1000))
    log.customer("cus_1", "bob@acme.example", connection="stripe2")
    other = log.subscription("sub_1", "cus_1", items=items(a=100, b=20))
    key = "acme/stripe2/customer/cus_1"
    log.observations[-1] = other.model_copy(update={"connection": "stripe2", "parent_key": key})
    await bench.run(log)
    state = await bench.state("cus_1")
    assert kit.value(state, "mrr")["minor"] == 1020
    customers = {link["key"] for link in state["links"] if "/customer/" in link["key"]}
    assert customers == {"acme/stripe/customer/cus_1", key}
