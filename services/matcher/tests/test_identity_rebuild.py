"""Links, reviews, decisions and merges come back from the log; an upgrade makes profiles anew."""

import random
from typing import Any

import asyncpg
import pytest
from matcher.digest import digest
from matcher.identity_index import PostgresIndex
from matcher.rebuild import rebuild_and_compare
from plumbline_domain.identity.profile import Party, record_profile
from plumbline_domain.identity.text import NORM_VERSION
from plumbline_runtime.observation_records import observation_record
from plumbline_runtime.producer import Message, Producer
from plumbline_runtime.settings import Settings
from plumbline_runtime.topics import ensure_topics
from plumbline_schemas.topics import OBSERVATIONS

pytestmark = pytest.mark.server

FIRMS = ("brantov", "quilmark", "wexholm", "ostfold", "dorlund", "kelnesse", "zinrick", "murvella")
INDEX = """
select coalesce(md5(string_agg(format('%s|%s|%s|%s', side, id, norm_version, profile), '/'
                               order by side, id)), '') || (
    select md5(string_agg(format('%s|%s', key, id), '/' order by key, id))
    from matcher.identity_keys)
from matcher.identity_profiles
"""


@pytest.fixture
def settings(bootstrap_servers: str, topic_prefix: str, database_url: str) -> Settings:
    return Settings(
        service="matcher",
        kafka_bootstrap_servers=bootstrap_servers,
        database_url=database_url,
        topic_prefix=topic_prefix,
        batch_max_records=11,
        publish_timeout_seconds=60,
    )


def decided(kit: Any) -> Any:
    """Every way to a link, every question and every decision, some of them taken back."""
    log = kit.log()
    log.config()
    for number, firm in enumerate(FIRMS):
        name = f"{firm.title()} GmbH"
        if number != 3:  # comes late
            log.company(f"7{number}", f"{firm}.example", name=name)
        for one, written in enumerate((name, firm.upper(), None)):
            log.customer(f"cus_{number}{one}", f"{'abc'[one]}p@{firm}.example", name=written)
            log.subscription(f"sub_{number}{one}", f"cus_{number}{one}", 1000 * (one + 1))
    log.company("90", "parent.example", name="Parent Holding")
    log.customer("cus_90", "ann@gmail.com", crm_id="90")
    log.walked()
    log.company("73", "ostfold.example", name="Ostfold GmbH")
    log.customer("cus_91", "ap@brantov.example", name="Quilmark GmbH")  # torn: asked
    log.subscription("sub_91", "cus_91", 7700)
    log.customer("cus_10", "ap@elsewhere.example", name="Quilmark GmbH")  # keeps its link
    log.customer("cus_20", "ap@brantov.example", name="Brantov GmbH")  # questioned
    log.person("link", "cus_91", "71")
    log.person("split", "cus_41")
    log.person("cannot_link", "cus_52", "75")
    log.person("agency", "cus_62")
    log.person("keep_merged", "cus_70")
    log.person("pick_winner", "cus_01")
    log.company("80", "wexholm.example", name="Wexholm GmbH", merged_ids=["72", "76"])
    log.company("81", "kelnesse.example", name="Kelnesse GmbH", merged_ids=["75"])
    log.company("74", "dorlund.example", deleted=True)
    log.person("split", "cus_41", withdrawn=True)
    log.person("link", "cus_91", "71", withdrawn=True)
    log.person("unlink", "cus_90", "90")
    log.company("74", "dorlund.example", name="Dorlund GmbH")
    log.config(identity={"domains": {"murvella.example": "hub"}})
    return log


async def test_what_matchers_decided_comes_back_from_the_log(
    bench: Any, kit: Any, settings: Settings
) -> None:
    log = decided(kit)
    again = log.observations[5:]
    random.Random(1).shuffle(again)
    log.observations += again
    await ensure_topics(settings.kafka_bootstrap_servers, settings.topic_prefix)
    producer = Producer(settings)
    await producer.start()
    try:
        records = [Message(*observation_record(one)) for one in log.observations]
        await producer.publish_many(OBSERVATIONS, records)
    finally:
        await producer.stop()
    await bench.run(log, size=3)
    assert bench.dead.reasons == []
    counts = await bench.pool.fetchrow(
        """select count(distinct method) as methods,
                  count(*) filter (where closed_version is not null) as closed,
                  (select count(*) from matcher.rulings) as rulings,
                  (select count(*) from matcher.accounts where merged_into is not null) as merged
           from matcher.links"""
    )
    assert counts["methods"] >= 4
    assert min(counts["closed"], counts["rulings"], counts["merged"]) > 3
    compared = await rebuild_and_compare(settings)
    assert (compared.different, compared.equal) == ((), True)
    assert compared.records == len(log.observations)


async def test_an_upgrade_makes_the_profiles_of_before_anew(bench: Any, kit: Any) -> None:
    """Rows of an older version: other keys, a profile that is gone, none where there should be."""
    log = decided(kit)
    await bench.run(log)
    settled, index = await digest(bench.pool), await bench.pool.fetchval(INDEX)
    await older(bench.pool)
    assert await bench.pool.fetchval(INDEX) != index
    bench.matcher = type(bench)(bench.pool).matcher
    log.subscription("sub_91", "cus_91", 7700, vendor_time_ms=1)  # nothing new
    await bench.run(log)
    assert await digest(bench.pool) == settled
    assert await bench.pool.fetchval(INDEX) == index
    log.customer("cus_99", "ap@zinrick.example", name="Zinrick")  # 76 went into 80
    log.customer("cus_98", "dp@dorlund.example", name="Dorlund")
    await bench.run(log)
    assert kit.crm_links(await bench.state("cus_99")) == []
    assert kit.crm_links(await bench.state("cus_98")) == ["74"]


@pytest.mark.parametrize("size", [1, 500])
async def test_a_record_told_of_after_its_merge_is_no_candidate(
    bench: Any, kit: Any, size: int
) -> None:
    log = kit.log()
    log.ready()
    log.company("80", "wexholm.example", name="Wexholm GmbH", merged_ids=["72"])
    log.company("72", "zinrick.example", name="Zinrick GmbH")
    log.customer("cus_1", "ap@zinrick.example", name="Zinrick")
    log.customer("cus_2", "ann@gmail.com", crm_id="72")
    await bench.run(log, size=size)
    assert kit.crm_links(await bench.state("cus_1")) == []
    assert kit.crm_links(await bench.state("cus_2")) == ["80"]


async def older(pool: asyncpg.Pool) -> None:
    """The tables as a version with other rules may have left them."""
    async with pool.acquire() as conn, conn.transaction():
        index = PostgresIndex(conn, "acme")  # type: ignore[arg-type]
        wrong = record_profile(Party("hubspot/company/71", name="Another name"))
        await index.put("record", [wrong])
        await index.remove("customer", ["stripe/customer/cus_00", "stripe/customer/cus_91"])
        await conn.execute("update matcher.identity_profiles set norm_version = norm_version - 1")
        await conn.execute(
            "update matcher.workspaces set index_basis = $1", f"{NORM_VERSION - 1}/skip"
        )
