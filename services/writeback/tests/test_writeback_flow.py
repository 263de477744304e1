"""Account states become writes, once and only when something differs."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from plumbline_schemas.topics import WRITEBACK_OUTCOMES

pytestmark = pytest.mark.server


async def test_an_account_reaches_its_record(world: Any, crm: Any, account: Any) -> None:
    crm.put("1", name="Acme")
    await world.opened()
    await world.states(account(1))
    await world.settle()
    held = crm.records["company", "1"]
    assert held["plumbline_mrr"] == "83.33"
    assert held["plumbline_plan"] == "growth_monthly"
    assert held["plumbline_payment_status"] == "paid"
    assert held["plumbline_state"] == "active"
    assert held["plumbline_ambiguous"] == "false"
    assert held["plumbline_billing_started_at"] == "2026-09-21T14:00:00.000Z"
    # what the account does not know is empty already, so it is not sent
    sent = crm.rows()[0].properties
    assert "plumbline_stripe_url" not in sent
    assert abs((datetime.fromisoformat(sent["plumbline_last_synced_at"]) - datetime.now(UTC))
               .total_seconds()) < 10  # fmt: skip
    assert set(sent) <= {f"plumbline_{name}" for name in world_fields()}
    assert held["name"] == "Acme"
    assert await world.counts() == {}


def world_fields() -> list[str]:
    from plumbline_schemas.fields import FIELDS

    return list(FIELDS)


async def test_only_what_changed_is_sent(world: Any, crm: Any, account: Any) -> None:
    crm.put("1")
    await world.opened()
    await world.states(account(1))
    await world.settle()
    await world.states(account(2, mrr=10000))
    await world.settle()
    assert set(crm.rows()[-1].properties) == {"plumbline_mrr", "plumbline_last_synced_at"}
    assert crm.records["company", "1"]["plumbline_mrr"] == "100"


async def test_a_burst_of_changes_is_one_write(world: Any, crm: Any, account: Any) -> None:
    crm.put("1")
    await world.opened()
    await world.states(*(account(version, mrr=version * 100) for version in range(1, 60)))
    await world.states(account(60, mrr=4242))
    await world.settle()
    assert [len(batch) for batch in crm.updates()] == [1]
    assert crm.records["company", "1"]["plumbline_mrr"] == "42.42"


async def test_the_same_values_again_are_not_sent(world: Any, crm: Any, account: Any) -> None:
    crm.put("1")
    await world.opened()
    await world.states(account(1))
    await world.settle()
    await world.kill()
    crm.calls.clear()
    await world.states(account(2), account(3))
    await world.settle()
    await world.observe(world.sight("1"))  # our own write coming back
    await world.settle()
    assert crm.rows() == []


async def test_values_that_are_there_already_are_not_written(
    world: Any, crm: Any, account: Any
) -> None:
    crm.put("1", plumbline_mrr="83.330", plumbline_plan="growth_monthly",
            plumbline_payment_status="paid", plumbline_state="active", plumbline_stage="paying",
            plumbline_billing_started_at="1789999200000", plumbline_stripe_customer_id="cus_A",
            plumbline_ambiguous="false")  # fmt: skip
    await world.opened()
    await world.states(account(1))
    await world.settle()
    assert crm.rows() == []
    assert (await world.effect("1"))["state"] == "applied"
    assert [one["result"] for one in await world.outcomes()] == ["unchanged"]


async def test_redelivery_from_the_start_writes_nothing(world: Any, crm: Any, account: Any) -> None:
    crm.put("1")
    crm.put("2")
    await world.opened()
    await world.observe(world.sight("1"), world.sight("2"))
    await world.states(account(1), account(2, links=[("company", "2", 2)], name="B"))
    await world.settle()
    await world.observe(world.sight("1"))
    await world.states(account(3, mrr=500), account(4, links=[]))
    await world.settle()
    await world.kill()
    before = dict(crm.records)
    crm.calls.clear()
    await world.redeliver()
    await world.settle()
    await asyncio.sleep(0.2)
    assert crm.rows() == []
    assert crm.records == before
    assert await world.counts() == {}


async def test_idle_to_call_takes_less_than_a_tenth_of_a_second(
    world: Any, crm: Any, account: Any
) -> None:
    crm.put("1")
    await world.opened()
    await world.states(account(1))
    await world.settle()
    taken = []
    for version in range(2, 8):
        await asyncio.sleep(0.1)
        calls, began = len(crm.updates()), time.perf_counter()
        await world.states(account(version, mrr=version))
        while len(crm.updates()) == calls:
            await asyncio.sleep(0.001)
        taken.append(time.perf_counter() - began)
    assert sorted(taken)[len(taken) // 2] < 0.1


async def test_outcomes_leave_by_the_outbox(world: Any, crm: Any, account: Any) -> None:
    crm.put("1")
    await world.opened()
    await world.states(account(1))
    await world.settle()
    published = await world.publish()
    [outcome] = [message for topic, message in published if topic is WRITEBACK_OUTCOMES]
    assert outcome.key == account(1).id
    document = outcome.value.decode()
    assert '"result":"written"' in document
    assert '"latency_ms":' in document
    assert await world.outcomes() == []


async def test_urgent_accounts_go_first(world: Any, crm: Any, account: Any) -> None:
    for number in range(150):
        crm.put(str(number))
    await world.opened()
    await world.states(*(
        account(n + 1, links=[("company", str(n), n + 1)], id=f"acc_{n:026d}",
                status="past_due" if n == 149 else "paid")
        for n in range(150)
    ))  # fmt: skip
    await world.settle()
    first, second = crm.updates()
    assert first[0].id == "149"
    assert (len(first), len(second)) == (100, 50)


async def test_contacts_are_written_only_when_mapped(world: Any, crm: Any, account: Any) -> None:
    crm.put("7", kind="contact")
    links = [("contact", "7", 1)]
    await world.opened()
    await world.states(account(1, links=links))
    await world.settle()
    assert crm.rows() == []
    await world.observe(world.config(fields={"contact": {"mrr": "pl_mrr"}}))
    await world.settle()
    assert [dict(row.properties) for row in crm.rows()] == [{"pl_mrr": "83.33"}]


async def test_a_record_that_cannot_be_read_is_a_dead_letter(world: Any, account: Any) -> None:
    await world.opened()
    await world.raw("accounts", b"acc_x", b"{")
    await world.raw("accounts", b"acc_\xff", None)
    await world.raw("crm", b"acme/hubspot/company/1", b'{"kind": "company"}')
    await world.raw("crm", b"no key", b"[]")
    assert [reason for _, reason in world.notes.dead] == ["invalid"] * 4


async def test_the_views_tell_what_is_wanted_and_seen(world: Any, crm: Any, account: Any) -> None:
    crm.put("1", plumbline_mrr="1")
    await world.opened(first_write="plan")
    await world.observe(world.sight("1"))
    await world.states(account(1))
    [row] = await world.pool.fetch("select * from writeback.plan_view")
    assert row["record_key"] == "acme/hubspot/company/1"
    assert (row["desired"]["plumbline_mrr"], row["seen"]["plumbline_mrr"]) == ("83.33", "1")
    assert row["state"] == "held"
    await world.observe(world.approval())
    await world.settle()
    [row] = await world.pool.fetch("select * from writeback.desired_values")
    held = crm.records["company", "1"]
    for name, value in row["properties"].items():
        assert (held.get(name) or "") == value
    assert row["properties"]["plumbline_last_synced_at"]
