"""Batches, redelivery, crashes, rebuild: the same log gives the same accounts (design 6, 13)."""

import asyncio
import os
import sys
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from matcher.digest import digest
from matcher.rebuild import RebuildRefused, rebuild, rebuild_and_compare
from plumbline_runtime.observation_records import observation_record
from plumbline_runtime.producer import Message, Producer
from plumbline_runtime.settings import Settings
from plumbline_runtime.topics import ensure_topics
from plumbline_schemas.outputs import Rebuilt
from plumbline_schemas.topics import ACCOUNTS_EVENTS, ACCOUNTS_STATE, OBSERVATIONS, REFRESH_REQUESTS

pytestmark = pytest.mark.server

EMPTY = """
truncate matcher.workspaces, matcher.objects, matcher.accounts,
         matcher.identity_profiles, matcher.identity_keys,
         matcher.links, matcher.account_changes, matcher.outbox, matcher.decisions,
         matcher.rates, matcher.asked, runtime.offsets
"""


@pytest.fixture
def settings(bootstrap_servers: str, topic_prefix: str, database_url: str) -> Settings:
    return Settings(
        service="matcher",
        kafka_bootstrap_servers=bootstrap_servers,
        database_url=database_url,
        topic_prefix=topic_prefix,
        batch_max_records=7,
        publish_timeout_seconds=60,
    )


def story(kit: Any) -> Any:
    """Everything the fold knows: walks, ties, merges, ambiguity, ticks, catalogue, deletions."""
    log = kit.log()
    log.customer("cus_0", "zoe@early.example")
    log.config()
    log.add("product", "prod_1", {"name": "Growth"}, seen="walk", origin="walk")
    for n in range(6):
        log.customer(f"cus_{n}", f"ann@c{n}.example", seen="walk", origin="walk")
        log.subscription(f"sub_{n}", f"cus_{n}", 1000 * (n + 1), lookup_key=None)
        log.company(f"7{n}", f"c{n}.example")
    log.company("80", "c5.example")
    log.walked()
    log.invoice("in_0", "cus_0", status="open", next_payment_attempt=kit.start + timedelta(days=3))
    log.customer("cus_8", "bob@c1.example")
    log.subscription("sub_8", "cus_8", 5000)
    for quantity in (2, 3):
        tie = kit.start + timedelta(hours=1)
        log.subscription("sub_3", "cus_3", quantity, vendor_time_ms=int(tie.timestamp() * 1000))
    pause = {"behavior": "void", "resumes_at": kit.start + timedelta(days=2)}
    log.subscription("sub_2", "cus_2", 3000, pause_collection=pause)
    log.invoice(
        "in_4",
        "cus_4",
        status="open",
        collection_method="send_invoice",
        due_date=kit.start + timedelta(days=1),
    )
    log.tick(kit.start + timedelta(hours=2))
    log.tick(kit.start + timedelta(days=2))
    log.add("product", "prod_1", {"name": "Growth 2"})
    log.company("80", "elsewhere.example")
    log.add("customer", "cus_4", None, deleted=True)
    log.subscription("sub_0", "cus_0", 1000, status="canceled", ended_at=kit.start)
    log.company("91", "c0.example", merged_ids=["70"])
    body = {"action": "approve_plan", "decided_at": kit.start}
    log.add("decision", "first_write", body, connection="@", origin="console", event_id=None)
    log.config(personal_domains="match")
    log.observations += log.observations[3:9]
    return log


def priced(currency: str, **price: Any) -> dict[str, Any]:
    """A subscription of fifteen at one price."""
    plain = {"price_id": f"price_{currency}_{len(price)}", "currency": currency, **price}
    plain |= {"recurring": {"interval": "month"}, "lookup_key": "plan"}
    return {
        "currency": currency,
        "items": [{"item_id": "si_1", "quantity": 15, "price": plain}],
    }


def billing(kit: Any) -> Any:
    """A book with coupons, tiers, other currencies and their rates, refunds, planned ends."""
    log = kit.log()
    log.ready()
    for number in range(8):
        log.customer(f"cus_{number}", f"ann@c{number}.example")
        log.company(f"7{number}", f"c{number}.example")
    days = {"2026-05-29": {"USD": "1.25", "JPY": "160"}, "2026-07-01": {"USD": "1.10"}}
    rates = {"connection": "@", "origin": "console", "event_id": None}
    log.add("rates", "ecb", {"revision": 1, "days": days}, **rates)
    half = {"coupon_id": "half", "percent_off": "50", "duration": "forever"}
    embedded = {"discount_id": "di_1", "coupon": "half", "coupon_object": half}
    discounted = {"discounts": ["di_1"], "discount_objects": [embedded]}
    log.subscription("sub_0", "cus_0", 9000, **discounted)
    tiers = [{"up_to": 10, "unit_amount": "1000"}, {"unit_amount": "800"}]
    tiered = priced("eur", billing_scheme="tiered", tiers_mode="graduated")
    log.subscription("sub_1", "cus_1", **tiered, **discounted)
    log.subscription("sub_2", "cus_2", **priced("usd", unit_amount="2000"))
    log.subscription("sub_3", "cus_3", **priced("jpy", unit_amount="500"))
    log.subscription("sub_4", "cus_4", cancel_at_period_end=True, cancel_at=kit.start)
    for number in range(5):
        log.invoice(f"in_{number}", f"cus_{number}", currency="usd" if number == 2 else "eur")
    given = {"currency": "usd", "amount": 9000, "amount_refunded": 900}
    log.add("charge", "ch_2", given, customer="cus_2")
    note = {"currency": "eur", "amount": 500, "post_payment_amount": 500, "refunded_amount": 0}
    log.add("credit_note", "cn_1", note, customer="cus_1")
    log.add("coupon", "half", {**half, "applies_to": []}, seen="read", event_id=None)
    told = tiered["items"][0]["price"]
    log.add("price", told["price_id"], {**told, "tiers": tiers}, seen="read", event_id=None)
    log.tick(kit.start + timedelta(days=18))
    log.subscription("sub_2", "cus_2", **priced("usd", unit_amount="2500"))
    log.add("charge", "ch_2", {**given, "invoiced": False}, customer="cus_2", seen="read")
    log.add("coupon", "half", {**half, "percent_off": "20", "applies_to": []})
    days["2026-07-01"]["JPY"] = "170"
    log.add("rates", "ecb", {"revision": 2, "days": days}, **rates)
    log.subscription("sub_4", "cus_4")
    log.subscription("sub_5", "cus_3", 700, status="trialing", default_payment_method="pm_1")
    log.config(mrr="chartmogul", currency="usd")
    log.observations += log.observations[7:40]
    return log


BOOKS = pytest.mark.parametrize("told", [story, billing])


@pytest.mark.parametrize(("size", "fan_out"), [(1, 500), (7, 2), (500, 1)])
@BOOKS
async def test_results_do_not_depend_on_batch_boundaries(
    pool: asyncpg.Pool, kit: Any, size: int, fan_out: int, told: Any
) -> None:
    log = told(kit)
    one = kit.bench(pool, fan_out_accounts=fan_out)
    await one.run(log, size=size)
    found = await digest(pool)
    changes = await one.changes()
    await pool.execute(EMPTY)
    other = kit.bench(pool)
    await other.run(log)
    assert await digest(pool) == found
    assert await other.changes() == changes > 20


@BOOKS
async def test_redelivery_from_the_first_record_changes_publishes_and_asks_nothing(
    bench: Any, kit: Any, told: Any
) -> None:
    log = told(kit)
    await bench.run(log)
    before, sent = await digest(bench.pool), len(bench.topics.messages)
    await bench.rewind()
    await bench.run(log, size=7)
    assert await digest(bench.pool) == before
    assert len(bench.topics.messages) == sent


async def test_the_billing_book_holds_what_makes_it_hard(bench: Any, kit: Any) -> None:
    """Worked out by hand, at the last rates and under policy plumbline."""
    log = billing(kit)
    log.config(currency="eur")
    await bench.run(log)
    found = [(await bench.state(f"cus_{number}"))["fields"] for number in range(5)]
    assert [one["mrr"]["value"]["minor"] for one in found] == [7200, 11200, 34091, 4412, 10000]
    assert [one["ltv"]["value"]["minor"] for one in found] == [10000, 9500, 9091, 10000, 10000]
    rows = await bench.pool.fetch(
        "select distinct movement from matcher.change_view where movement is not null"
    )
    assert {row["movement"] for row in rows} >= {"new", "expansion", "fx", "restated"}
    asked = {message.key.split("/", 2)[2] for message in bench.topics.of(REFRESH_REQUESTS)}
    assert {"coupon/half", "charge/ch_2", "payment_method/pm_1"} < asked


async def test_a_crash_between_commit_and_publication_loses_nothing(bench: Any, kit: Any) -> None:
    log = story(kit)
    bench.topics.down = True
    await bench.run(log)
    assert bench.topics.messages == []
    row = await bench.pool.fetchrow("select * from matcher.outbox_view")
    assert row["published_up_to"] < row["sequence"]
    bench.topics.down = False
    await bench.outbox.flush_all()
    row = await bench.pool.fetchrow("select * from matcher.outbox_view")
    assert row["published_up_to"] == row["sequence"]
    states = {m.key for m in bench.topics.of(ACCOUNTS_STATE)}
    known = await bench.pool.fetch("select account_id from matcher.accounts")
    assert states == {account["account_id"] for account in known}
    events = [dict(m.headers)["ce_sequence"] for m in bench.topics.of(ACCOUNTS_EVENTS)]
    assert [int(n) for n in events] == sorted(int(n) for n in events)
    assert await bench.pool.fetchval("select count(*) from matcher.outbox") == 0


async def test_a_crash_within_a_fan_out_repeats_and_skips_nothing(
    pool: asyncpg.Pool, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = story(kit)
    whole = kit.bench(pool)
    await whole.run(log)
    expected = await digest(pool)
    await pool.execute(EMPTY)
    import matcher.fan_out as module

    steps = 0
    apply = module.apply

    async def failing(*args: Any, **kwargs: Any) -> None:
        nonlocal steps
        steps += 1
        if steps % 3 == 0:
            raise OSError("pulled the plug")
        await apply(*args, **kwargs)

    monkeypatch.setattr(module, "apply", failing)
    crashes = 0
    bench = kit.bench(pool, fan_out_accounts=2)
    while True:
        try:
            await bench.run(log, size=50)
        except OSError:
            crashes += 1
            if crashes % 2:
                bench = kit.bench(pool, fan_out_accounts=2)
            continue
        break
    assert crashes > 3
    assert await digest(pool) == expected


@BOOKS
async def test_rebuild_from_the_log_gives_the_same_digest(
    pool: asyncpg.Pool, kit: Any, settings: Settings, told: Any
) -> None:
    log = told(kit)
    await publish(settings, log)
    await kit.bench(pool).run(log)
    expected = await digest(pool)
    seen: list[tuple[int, int]] = []
    beside = await rebuild_and_compare(settings, progress=lambda *step: seen.append(step))
    assert (beside.digest, beside.compared_with, beside.equal) == (expected, expected, True)
    assert seen[-1] == (len(log.observations), len(log.observations))
    with pytest.raises(RebuildRefused, match="not empty"):
        await rebuild(settings)
    await pool.execute(EMPTY)
    in_place = await rebuild_and_compare(settings)
    assert (in_place.digest, in_place.compared_with) == (expected, None)
    row = await pool.fetchrow("select * from matcher.outbox_view")
    assert row["published_up_to"] == row["sequence"]
    await pool.execute("update matcher.accounts set version = version + 1")
    changed = await rebuild_and_compare(settings)
    assert (changed.equal, changed.different) == (False, ("accounts",))


async def test_rebuild_compares_what_both_have_folded(
    pool: asyncpg.Pool, kit: Any, settings: Settings
) -> None:
    """What came after the matcher stopped (an echo, a tick) is no difference."""
    log = story(kit)
    await kit.bench(pool).run(log)
    folded = len(log.observations)
    log.customer("cus_late", "eve@late.example")
    await publish(settings, log)
    compared = await rebuild_and_compare(settings)
    assert (compared.records, compared.equal, compared.different) == (folded, True, ())


async def test_rebuild_as_a_process_prints_its_result(
    pool: asyncpg.Pool, kit: Any, settings: Settings
) -> None:
    log = story(kit)
    await publish(settings, log)
    await kit.bench(pool).run(log)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "matcher.rebuild",
        stdout=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "PLUMBLINE_TOPIC_PREFIX": settings.topic_prefix,
            "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
            "DATABASE_URL": settings.database_url,
        },
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    assert Rebuilt.model_validate_json(printed.splitlines()[-1]).equal is True


async def publish(settings: Settings, log: Any) -> None:
    await ensure_topics(settings.kafka_bootstrap_servers, settings.topic_prefix)
    producer = Producer(settings)
    await producer.start()
    try:
        records = [Message(*observation_record(o)) for o in log.observations]
        await producer.publish_many(OBSERVATIONS, records)
    finally:
        await producer.stop()


async def test_a_zombie_is_fenced(bench: Any, kit: Any) -> None:
    from plumbline_runtime.records import Batch, Fenced

    log = story(kit)
    await bench.run(log)
    records = kit.records(log.observations)
    zombie = kit.bench(bench.pool)
    with pytest.raises(Fenced):
        await zombie.matcher.handle(Batch(OBSERVATIONS, 0, records[:9], group="matcher"))
