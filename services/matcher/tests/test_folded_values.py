"""What one account shows after some records, and what is asked for and told on the way."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from plumbline_runtime.records import Record
from plumbline_schemas.accounts import AccountState
from plumbline_schemas.events import AccountEvent
from plumbline_schemas.topics import (
    ACCOUNTS_EVENTS,
    ACCOUNTS_STATE,
    ATTENTION,
    DECISIONS,
    OBSERVATIONS,
    REFRESH_REQUESTS,
)

pytestmark = pytest.mark.server


async def started(bench: Any, kit: Any) -> Any:
    log = kit.log()
    log.ready()
    log.add("product", "prod_1", {"name": "Growth"})
    log.company("77", "acme.example")
    log.customer("cus_1", "ann@acme.example")
    await bench.run(log)
    return log


def event_types(bench: Any) -> list[str]:
    return [
        AccountEvent.model_validate_json(m.value).type for m in bench.topics.of(ACCOUNTS_EVENTS)
    ]


async def test_a_life(bench: Any, kit: Any) -> None:
    log = await started(bench, kit)
    assert event_types(bench) == ["account.created", "account.linked"]

    async def after(expected_state: str, expected_status: str, mrr: int) -> None:
        await bench.run(log)
        state = await bench.state("cus_1")
        assert state["state"] == kit.value(state, "state") == expected_state
        assert kit.value(state, "payment_status") == expected_status
        assert kit.value(state, "mrr")["minor"] == mrr

    log.subscription("sub_1", "cus_1", status="trialing")
    await after("trial", "none", 0)
    log.subscription("sub_1", "cus_1")
    log.invoice("in_1", "cus_1", subscription="sub_1")
    await after("active", "paid", 10000)
    log.subscription("sub_1", "cus_1", 15000)
    await after("active", "paid", 15000)
    retry = kit.start + timedelta(days=3)
    log.invoice("in_2", "cus_1", status="open", amount_paid=0, next_payment_attempt=retry)
    await after("at_risk", "failing", 15000)
    log.invoice("in_2", "cus_1", finalized_at=kit.start + timedelta(days=1))
    await after("active", "paid", 15000)
    log.subscription("sub_1", "cus_1", 15000, status="canceled", ended_at=kit.start)
    await after("churned", "paid", 0)
    log.subscription("sub_2", "cus_1", 9000)
    await after("active", "paid", 9000)
    movements = await bench.pool.fetch(
        "select movement from matcher.change_view where movement is not null order by sequence"
    )
    assert [row["movement"] for row in movements] == ["new", "expansion", "churn", "reactivation"]
    assert event_types(bench).count("account.mrr_changed") == 4
    assert {"account.payment_failed", "account.payment_recovered"} <= set(event_types(bench))


async def test_published_states_validate_and_carry_their_version(bench: Any, kit: Any) -> None:
    log = await started(bench, kit)
    log.subscription("sub_1", "cus_1")
    await bench.run(log)
    message = bench.topics.of(ACCOUNTS_STATE)[-1]
    state = AccountState.model_validate_json(message.value)
    headers = dict(message.headers)
    assert headers["ce_sequence"] == str(state.version).encode()
    assert headers["ce_id"] == f"{state.id}:{state.version}".encode()
    assert state.fields["mrr"].event_id == log.observations[-1].event_id
    assert state.fields["mrr"].rule == "mrr.sum"
    assert state.received_at == log.observations[-1].received_at
    stored = await bench.pool.fetchval("select version from matcher.account_view")
    assert stored == state.version


async def test_states_go_out_once_per_account_and_batch(bench: Any, kit: Any) -> None:
    log = await started(bench, kit)
    sent = len(bench.topics.of(ACCOUNTS_STATE))
    for amount in (1000, 2000, 3000):
        log.subscription("sub_1", "cus_1", amount)
    await bench.run(log)
    assert len(bench.topics.of(ACCOUNTS_STATE)) == sent + 1
    assert await bench.pool.fetchval("select count(*) from matcher.change_view") == 4


async def test_an_undecided_tie_asks_for_a_later_read(bench: Any, kit: Any) -> None:
    log = await started(bench, kit)
    same = int((kit.start + timedelta(hours=1)).timestamp() * 1000)
    log.subscription("sub_1", "cus_1", 1000, vendor_time_ms=same)
    tie = log.subscription("sub_1", "cus_1", 2000, vendor_time_ms=same)
    await bench.run(log)
    asked = [orjson.loads(m.value) for m in bench.topics.of(REFRESH_REQUESTS)]
    assert [(one["key"], one["reason"]) for one in asked] == [
        ("acme/stripe/subscription/sub_1", "tie")
    ]
    assert asked[0]["not_before"] > tie.received_at.isoformat()[:19]
    assert kit.value(await bench.state("cus_1"), "mrr")["minor"] == 2000


async def test_an_unknown_customer_and_product_are_read(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    log.subscription("sub_1", "cus_9", lookup_key=None)
    await bench.run(log)
    asked = {m.key for m in bench.topics.of(REFRESH_REQUESTS)}
    assert asked == {"acme/stripe/customer/cus_9", "acme/stripe/product/prod_1"}
    state = await bench.state("cus_9")
    assert state["flags"]["incomplete"] == ["product:prod_1"]
    log.add("product", "prod_1", {"name": "Growth"})
    await bench.run(log)
    state = await bench.state("cus_9")
    assert (kit.value(state, "plan"), state["flags"]["incomplete"]) == ("Growth", [])
    assert bench.topics.of(ATTENTION) == []


async def test_a_renamed_product_folds_its_dependants(bench: Any, kit: Any) -> None:
    log = await started(bench, kit)
    log.subscription("sub_1", "cus_1", lookup_key=None)
    log.add("product", "prod_1", {"name": "Growth 2027"})
    await bench.run(log)
    assert kit.value(await bench.state("cus_1"), "plan") == "Growth 2027"


async def test_ticks_move_values_without_events(bench: Any, kit: Any) -> None:
    log = await started(bench, kit)
    pause = {"behavior": "void", "resumes_at": kit.start + timedelta(days=2)}
    log.subscription("sub_1", "cus_1", pause_collection=pause)
    log.tick(kit.start + timedelta(days=1))
    await bench.run(log)
    assert kit.value(await bench.state("cus_1"), "mrr")["minor"] == 0
    due = await bench.pool.fetchval("select due_at from matcher.accounts")
    assert due == kit.start + timedelta(days=2)
    log.tick(kit.start + timedelta(days=2))
    log.tick(kit.start + timedelta(hours=1))
    await bench.run(log)
    state = await bench.state("cus_1")
    assert kit.value(state, "mrr")["minor"] == 10000
    assert await bench.pool.fetchval("select due_at from matcher.accounts") is None
    cause = await bench.pool.fetchval(
        "select cause from matcher.change_view order by sequence desc limit 1"
    )
    assert cause["key"] == "acme/@/tick/clock"


async def test_another_currency_is_incomplete_until_the_workspace_changes(
    bench: Any, kit: Any
) -> None:
    log = await started(bench, kit)
    log.subscription("sub_1", "cus_1")
    log.config(currency="usd")
    await bench.run(log)
    state = await bench.state("cus_1")
    assert state["flags"]["incomplete"] == ["rate:EUR"]
    assert kit.value(state, "mrr") == {"minor": 10000, "currency": "eur"}
    log.config(currency="eur")
    await bench.run(log)
    assert (await bench.state("cus_1"))["flags"]["incomplete"] == []


async def test_without_configuration_mrr_waits(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.customer("cus_1")
    log.subscription("sub_1", "cus_1")
    await bench.run(log)
    state = await bench.state("cus_1")
    assert (kit.value(state, "mrr"), state["flags"]["incomplete"]) == (None, ["config"])
    log.config()
    await bench.run(log)
    state = await bench.state("cus_1")
    assert (kit.value(state, "mrr")["minor"], state["flags"]["incomplete"]) == (10000, [])
    movement = await bench.pool.fetchval("select max(movement) from matcher.change_view")
    assert movement == "opening"


async def test_a_deleted_customer_keeps_its_link(bench: Any, kit: Any) -> None:
    log = await started(bench, kit)
    log.subscription("sub_1", "cus_1")
    log.add("customer", "cus_1", None, deleted=True, event_type="customer.deleted")
    await bench.run(log)
    state = await bench.state("cus_1")
    assert kit.crm_links(state) == ["77"]
    assert (state["state"], kit.value(state, "mrr")["minor"]) == ("churned", 0)
    assert (kit.value(state, "plan"), kit.value(state, "stripe_customer_id")) == (
        "plan_10000",
        "cus_1",
    )
    assert state["fields"]["state"]["event_type"] == "customer.deleted"


async def test_decisions_are_copied_once(bench: Any, kit: Any) -> None:
    log = await started(bench, kit)
    body = {"action": "approve_plan", "decided_at": kit.start}
    facts = {"connection": "@", "origin": "console", "event_id": None}
    log.add("decision", "first_write", body, vendor_time_ms=5, **facts)
    log.add("decision", "first_write", body, vendor_time_ms=5, **facts)
    log.add("decision", "first_write", body, vendor_time_ms=4, **facts)
    await bench.run(log)
    assert [m.key for m in bench.topics.of(DECISIONS)] == ["acme/@/decision/first_write"]


async def test_bad_records_go_to_the_dead_letters_and_the_log_goes_on(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    log.customer("cus_1", email="ann@acme.example\x00")
    log.customer("cus_2")
    records = kit.records(log.observations)
    for value in (None, b"\xff\x00", b"[]", b'{"kind":"teapot"}', b'{"kind":"tick"}'):
        records.append(Record(OBSERVATIONS.name, 0, len(records), 0, None, value, ()))
    await bench.fold(records)
    assert bench.dead.reasons == [
        "invalid",
        "invalid",
        "not_json",
        "invalid",
        "unknown_kind",
        "invalid",
    ]
    assert await bench.position() == len(records)
    assert (await bench.state("cus_2"))["state"] == "prospect"


async def test_workspaces_of_one_partition_are_folded_apart(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    log.customer("cus_1", "ann@acme.example")
    log.company("77", "acme.example", vendor_time_ms=1)
    other = [o.model_copy(update={"workspace": "beta"}) for o in log.observations]
    mixed = [one for pair in zip(log.observations, other, strict=True) for one in pair]
    await bench.fold(kit.records(mixed))
    rows = await bench.pool.fetch("select workspace, sequence from matcher.workspaces order by 1")
    assert [tuple(row) for row in rows] == [("acme", 2), ("beta", 2)]
