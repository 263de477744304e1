"""Every billing field in the account's state: what moves it, by events and by ticks alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from console.ledger.reading import Asked, read_ledger
from plumbline_schemas.topics import ACCOUNTS_EVENTS, REFRESH_REQUESTS
from plumbline_schemas.typed_events import ACCOUNT_EVENT_ADAPTER

pytestmark = pytest.mark.server


async def started(bench: Any, kit: Any, **changes: Any) -> Any:
    log = kit.log()
    log.ready(**changes)
    log.customer("cus_1", "ann@acme.example")
    await bench.run(log)
    return log


def renewing(kit: Any, days: float, amount: int = 10000) -> list[dict[str, Any]]:
    price = {
        "price_id": "price_1",
        "lookup_key": "growth",
        "currency": "eur",
        "unit_amount": str(amount),
        "recurring": {"interval": "month"},
    }
    end = kit.start + timedelta(days=days)
    return [{"item_id": "si_1", "quantity": 1, "price": price, "current_period_end": end}]


async def shown(bench: Any, kit: Any, log: Any, *names: str) -> list[Any]:
    await bench.run(log)
    state = await bench.state("cus_1")
    return [kit.value(state, name) for name in names]


def told(bench: Any, *types: str) -> list[dict[str, Any]]:
    """Published events of these types, each checked against its model."""
    found = [orjson.loads(message.value) for message in bench.topics.of(ACCOUNTS_EVENTS)]
    for one in found:
        ACCOUNT_EVENT_ADAPTER.validate_python(one)
    return [one for one in found if one["type"] in types]


async def movements(bench: Any) -> list[str]:
    rows = await bench.pool.fetch(
        "select movement from matcher.change_view where movement is not null order by sequence"
    )
    return [row["movement"] for row in rows]


async def test_a_refund_and_a_credit_note_lower_the_lifetime_value(bench: Any, kit: Any) -> None:
    log = await started(bench, kit)
    log.subscription("sub_1", "cus_1")
    log.invoice("in_1", "cus_1", subscription="sub_1", paid_at=kit.start)
    log.add("charge", "ch_1", {"currency": "eur", "amount": 10000}, customer="cus_1")
    names = ("ltv", "last_payment_at")
    assert await shown(bench, kit, log, *names) == [
        {"minor": 10000, "currency": "eur"},
        "2026-06-15T12:00:00Z",
    ]
    refund = {"currency": "eur", "amount": 10000, "amount_refunded": 4000}
    log.add("charge", "ch_1", refund, customer="cus_1")
    assert (await shown(bench, kit, log, "ltv"))[0]["minor"] == 6000
    note = {"currency": "eur", "amount": 1000, "post_payment_amount": 1000, "refunded_amount": 0}
    log.add("credit_note", "cn_1", note, customer="cus_1")
    state = await bench.state("cus_1")
    assert (await shown(bench, kit, log, "ltv"))[0]["minor"] == 5000
    state = await bench.state("cus_1")
    assert state["fields"]["ltv"]["object"] == "cn_1"
    assert await movements(bench) == ["new"]


async def test_a_refund_of_a_plain_payment_is_none_of_the_lifetime_value(
    bench: Any, kit: Any
) -> None:
    log = await started(bench, kit)
    log.invoice("in_1", "cus_1")
    refund = {"currency": "eur", "amount": 900, "amount_refunded": 900}
    log.add("charge", "ch_1", refund, customer="cus_1")
    assert (await shown(bench, kit, log, "ltv"))[0]["minor"] == 9100
    assert [m.key for m in bench.topics.of(REFRESH_REQUESTS)] == ["acme/stripe/charge/ch_1"]
    told = {**refund, "invoiced": False}
    log.add("charge", "ch_1", told, customer="cus_1", seen="read", event_id=None)
    log.add("charge", "ch_2", told, customer="cus_1")
    assert (await shown(bench, kit, log, "ltv"))[0]["minor"] == 10000
    assert len(bench.topics.of(REFRESH_REQUESTS)) == 1


async def test_a_card_expires_by_ticks_alone(bench: Any, kit: Any) -> None:
    log = await started(bench, kit)
    log.subscription("sub_1", "cus_1")
    card = {"type": "card", "exp_month": 8, "exp_year": 2026}
    log.add("payment_method", "pm_1", card, customer="cus_1")
    expires = "2026-09-01T00:00:00Z"
    assert await shown(bench, kit, log, "payment_method_expires_at") == [expires]
    due = await bench.pool.fetchval("select due_at from matcher.accounts")
    assert due == datetime(2026, 8, 2, tzinfo=UTC)
    log.tick(due - timedelta(seconds=1))
    await bench.run(log)
    assert told(bench, "account.card_expiring") == []
    for at in (due, due + timedelta(days=1), due + timedelta(days=40)):
        log.tick(at)
    await bench.run(log)
    (event,) = told(bench, "account.card_expiring")
    assert event["details"] == {
        "customer": "acme/stripe/customer/cus_1",
        "expires_at": "2026-09-01T00:00:00Z",
    }
    gone = log.add("payment_method", "pm_1", None, customer="cus_1", deleted=True)
    assert gone.deleted
    assert await shown(bench, kit, log, "payment_method_expires_at") == [None]


async def test_a_default_card_that_was_never_seen_is_read_once(bench: Any, kit: Any) -> None:
    log = await started(bench, kit)
    body = {"email": "ann@acme.example", "default_payment_method": "pm_1"}
    log.add("customer", "cus_1", body)
    await bench.run(log)
    assert bench.topics.of(REFRESH_REQUESTS) == []  # nothing is charged
    log.subscription("sub_1", "cus_1", default_payment_method="pm_2")
    log.subscription("sub_2", "cus_1")
    log.invoice("in_1", "cus_1", subscription="sub_1")
    await bench.run(log)
    asked = [message.key for message in bench.topics.of(REFRESH_REQUESTS)]
    assert asked == ["acme/stripe/payment_method/pm_1", "acme/stripe/payment_method/pm_2"]
    card = {"type": "card", "exp_month": 8, "exp_year": 2026}
    log.add("payment_method", "pm_2", card, customer="cus_1", seen="read", event_id=None)
    names = ("payment_method_expires_at",)
    assert await shown(bench, kit, log, *names) == ["2026-09-01T00:00:00Z"]
    log.add("payment_method", "pm_1", {"type": "sepa_debit"}, customer="cus_1", seen="read")
    log.subscription("sub_1", "cus_1", 9000, default_payment_method="pm_2")
    assert await shown(bench, kit, log, *names) == ["2026-09-01T00:00:00Z"]
    assert len(bench.topics.of(REFRESH_REQUESTS)) == 2


async def test_a_renewal_date_moves_and_is_announced_once_each(bench: Any, kit: Any) -> None:
    log = await started(bench, kit)
    log.subscription("sub_1", "cus_1", items=renewing(kit, 20))
    names = ("next_renewal_at", "billing_interval", "subscription_status")
    assert await shown(bench, kit, log, *names) == ["2026-07-05T12:00:00Z", "month", "active"]
    for days in (12, 13, 14, 14.5):
        log.tick(kit.start + timedelta(days=days))
    log.subscription("sub_1", "cus_1", items=renewing(kit, 50))
    assert (await shown(bench, kit, log, *names))[0] == "2026-08-04T12:00:00Z"
    for days in (42, 43, 44):
        log.tick(kit.start + timedelta(days=days))
    await bench.run(log)
    events = told(bench, "account.renewal_approaching")
    assert [one["details"]["renews_at"] for one in events] == [
        "2026-07-05T12:00:00Z",
        "2026-08-04T12:00:00Z",
    ]


async def test_a_planned_cancellation_and_its_undo(bench: Any, kit: Any) -> None:
    log = await started(bench, kit)
    items = renewing(kit, 20)
    names = ("mrr", "mrr_ending", "planned_cancellation_at", "state")
    money = {"minor": 10000, "currency": "eur"}
    nothing = {"minor": 0, "currency": "eur"}
    log.subscription("sub_1", "cus_1", items=items)
    assert await shown(bench, kit, log, *names) == [money, nothing, None, "active"]
    log.subscription("sub_1", "cus_1", items=items, cancel_at_period_end=True)
    ends = "2026-07-05T12:00:00Z"
    assert await shown(bench, kit, log, *names) == [money, money, ends, "at_risk"]
    log.subscription("sub_1", "cus_1", items=items)
    assert await shown(bench, kit, log, *names) == [money, nothing, None, "active"]
    log.subscription("sub_1", "cus_1", items=items, cancel_at_period_end=True)
    over = {"status": "canceled", "ended_at": kit.start + timedelta(days=20)}
    log.subscription("sub_1", "cus_1", items=items, cancel_at_period_end=True, **over)
    assert await shown(bench, kit, log, *names) == [nothing, nothing, None, "churned"]
    assert await movements(bench) == [
        *("new", "planned_cancellation", "planned_cancellation_undone"),
        *("planned_cancellation", "churn"),
    ]
    planned, undone, _ = told(bench, "account.cancellation_planned", "account.cancellation_undone")
    for event in (planned, undone):
        assert event["details"] == {
            "subscription": "acme/stripe/subscription/sub_1",
            "ends_at": ends,
            "mrr_ending": money,
        }
    assert undone["cause"]["event_id"] == log.observations[-3].event_id


async def test_a_cancellation_planned_while_mrr_moves_is_told_beside_it(
    bench: Any, kit: Any
) -> None:
    log = await started(bench, kit)
    log.subscription("sub_1", "cus_1", items=renewing(kit, 20))
    log.subscription("sub_1", "cus_1", items=renewing(kit, 20, 4000), cancel_at_period_end=True)
    log.subscription("sub_1", "cus_1", items=renewing(kit, 20, 5000))
    await bench.run(log)
    assert await movements(bench) == ["new", "contraction", "expansion"]
    found = told(
        bench,
        *("account.mrr_changed", "account.cancellation_planned", "account.cancellation_undone"),
    )
    assert [(event["type"], event["movement"]) for event in found] == [
        ("account.mrr_changed", "new"),
        ("account.mrr_changed", "contraction"),
        ("account.cancellation_planned", "planned_cancellation"),
        ("account.mrr_changed", "expansion"),
        ("account.cancellation_undone", "planned_cancellation_undone"),
    ]
    assert [found[n]["details"]["mrr_ending"]["minor"] for n in (2, 4)] == [4000, 5000]
    async with bench.pool.acquire() as db:
        ledger = await read_ledger(db, Asked())
    assert [(entry.kind, entry.amount) for entry in ledger.entries] == [
        ("new", 10000),
        ("contraction", -6000),
        ("planned_cancellation", 0),
        ("expansion", 1000),
        ("planned_cancellation_undone", 0),
    ]


async def test_the_second_of_two_that_end_is_undone_with_its_own_end(bench: Any, kit: Any) -> None:
    log = await started(bench, kit)
    for name, days in (("sub_1", 5), ("sub_2", 20)):
        log.subscription(name, "cus_1", items=renewing(kit, days), cancel_at_period_end=True)
    log.subscription("sub_2", "cus_1", items=renewing(kit, 20))
    await bench.run(log)
    (undone,) = told(bench, "account.cancellation_undone")
    assert undone["details"]["subscription"] == "acme/stripe/subscription/sub_2"
    assert undone["details"]["ends_at"] == "2026-07-05T12:00:00Z"


async def test_a_subscription_that_comes_before_its_customer_is_news_all_the_same(
    bench: Any, kit: Any
) -> None:
    log = kit.log()
    log.ready()
    log.subscription("sub_1", "cus_1")
    log.customer("cus_1", "ann@acme.example")
    await bench.run(log)
    (moved,) = told(bench, "account.mrr_changed")
    assert (moved["movement"], moved["before"]) == ("new", None)
    assert moved["after"]["value"] == {"minor": 10000, "currency": "eur"}
    assert [event["before"] for event in told(bench, "account.state_changed")] == [None]


async def test_the_end_of_a_trial_is_announced(bench: Any, kit: Any) -> None:
    log = await started(bench, kit)
    ends = kit.start + timedelta(days=14)
    log.subscription("sub_1", "cus_1", status="trialing", trial_end=ends)
    for days in (10.9, 11, 12):
        log.tick(kit.start + timedelta(days=days))
    await bench.run(log)
    (event,) = told(bench, "account.trial_ending")
    assert event["details"]["ends_at"] == "2026-06-29T12:00:00Z"
    assert event["cause"]["key"] == "acme/@/tick/clock"


async def test_expanded_and_back_and_a_replay_finds_the_same(bench: Any, kit: Any) -> None:
    log = await started(bench, kit)
    log.subscription("sub_1", "cus_1", 10000)
    log.invoice("in_1", "cus_1", subscription="sub_1")
    assert await shown(bench, kit, log, "stage") == ["paying"]
    log.subscription("sub_1", "cus_1", 15000)
    assert await shown(bench, kit, log, "stage", "state") == ["expanded", "active"]
    log.subscription("sub_1", "cus_1", 10000)
    assert await shown(bench, kit, log, "stage") == ["paying"]
    log.subscription("sub_2", "cus_1", 1)
    assert await shown(bench, kit, log, "stage") == ["expanded"]
    state = await bench.state("cus_1")
    assert state["baselines"] == {"acme/stripe/customer/cus_1": {"eur": "10000"}}
    changes = await bench.changes()
    await bench.rewind()
    await bench.run(log, size=2)
    assert (await bench.changes(), await bench.state("cus_1")) == (changes, state)


async def test_expanded_does_not_depend_on_when_the_first_payment_is_told(
    bench: Any, kit: Any
) -> None:
    for name, late in (("cus_2", False), ("cus_3", True)):
        log = kit.log()
        log.ready()
        log.customer(name)
        first = log.subscription(f"sub_{name}", name, 10000)
        paid = kit.start + timedelta(seconds=len(log.observations) + 1)
        if not late:
            log.invoice(f"in_{name}", name, finalized_at=None, paid_at=paid)
        time = first.vendor_time_ms + 3_600_000
        log.subscription(f"sub_{name}", name, 12000, vendor_time_ms=time)
        if late:
            log.invoice(f"in_{name}", name, finalized_at=None, paid_at=paid)
        await bench.pool.execute("update runtime.offsets set next_offset = 0")
        await bench.run(log)
        state = await bench.state(name)
        assert (state["stage"], list(state["baselines"].values())) == (
            "expanded",
            [{"eur": "10000"}],
        )


async def test_risks_that_are_switched_off(bench: Any, kit: Any) -> None:
    log = await started(bench, kit, at_risk=("payment_trouble",))
    log.subscription("sub_1", "cus_1", cancel_at_period_end=True)
    assert await shown(bench, kit, log, "stage") == ["activated"]
    log.config()
    assert await shown(bench, kit, log, "stage") == ["at_risk"]


async def test_attempts_on_open_invoices_are_counted(bench: Any, kit: Any) -> None:
    log = await started(bench, kit)
    log.subscription("sub_1", "cus_1")
    tried = {"status": "open", "amount_paid": 0, "subscription": "sub_1"}
    log.invoice("in_1", "cus_1", **tried, attempt_count=2)
    assert await shown(bench, kit, log, "failed_payment_count") == [2]
    log.invoice("in_1", "cus_1", subscription="sub_1", attempt_count=3)
    assert await shown(bench, kit, log, "failed_payment_count") == [0]
