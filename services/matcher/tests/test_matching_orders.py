"""Who is linked to what, in whichever order the two sides arrive."""

from datetime import timedelta
from typing import Any

import pytest
from plumbline_schemas.topics import ACCOUNTS_STATE, ATTENTION

pytestmark = pytest.mark.server


async def test_company_after_customer(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    log.customer("cus_1", "ann@acme.example")
    log.subscription("sub_1", "cus_1")
    await bench.run(log)
    assert kit.crm_links(await bench.state("cus_1")) == []
    log.company("77", "www.acme.example")
    await bench.run(log)
    state = await bench.state("cus_1")
    assert kit.crm_links(state) == ["77"]
    assert kit.value(state, "mrr") == {"minor": 10000, "currency": "eur"}


async def test_customer_after_company(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    log.company("77", "acme.example")
    log.subscription("sub_1", "cus_1")
    log.customer("cus_1", "ann@mail.acme.example")
    await bench.run(log)
    state = await bench.state("cus_1")
    assert kit.crm_links(state) == ["77"]
    assert kit.value(state, "stripe_customer_id") == "cus_1"
    assert kit.value(state, "stripe_url").endswith("/test/customers/cus_1")


async def test_what_existed_before_is_matched_when_the_walks_are_complete(
    bench: Any, kit: Any
) -> None:
    log = kit.log()
    log.config()
    log.customer("cus_1", "ann@acme.example", origin="walk", seen="walk")
    log.customer("cus_2", "bob@beta.example", crm_id="78", origin="walk", seen="walk")
    log.company("77", "acme.example")
    log.company("78", "other.example")
    await bench.run(log)
    assert kit.crm_links(await bench.state("cus_1")) == []
    assert kit.crm_links(await bench.state("cus_2")) == ["78"]
    log.walked()
    await bench.run(log)
    assert kit.crm_links(await bench.state("cus_1")) == ["77"]


async def test_company_that_changes_its_domain(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    log.company("77", "old.example")
    log.customer("cus_1", "ann@acme.example")
    log.company("77", "acme.example")
    await bench.run(log)
    assert kit.crm_links(await bench.state("cus_1")) == ["77"]


async def test_a_link_survives_a_change_of_address(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    log.company("77", "acme.example")
    log.company("78", "beta.example")
    log.customer("cus_1", "ann@acme.example")
    log.customer("cus_1", "ann@beta.example")
    await bench.run(log)
    assert kit.crm_links(await bench.state("cus_1")) == ["77"]


@pytest.mark.parametrize("apart", [False, True])
async def test_a_new_record_takes_the_place_of_a_deleted_one(
    bench: Any, kit: Any, apart: bool
) -> None:
    """Whether both come in one batch or not."""
    log = kit.log()
    log.ready()
    log.company("77", "acme.example")
    log.customer("cus_1", "ann@acme.example")
    await bench.run(log)
    log.company("77", "acme.example", deleted=True)
    if apart:
        await bench.run(log)
        assert kit.crm_links(await bench.state("cus_1")) == []
    log.company("78", "acme.example")
    await bench.run(log)
    assert kit.crm_links(await bench.state("cus_1")) == ["78"]


async def test_a_restored_record_gets_its_customer_back(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    log.company("77", "acme.example")
    log.customer("cus_1", "ann@acme.example")
    log.company("77", "acme.example", deleted=True)
    log.company("77", "acme.example")
    await bench.run(log)
    assert kit.crm_links(await bench.state("cus_1")) == ["77"]


@pytest.mark.parametrize("policy", ["skip", "match"])
async def test_personal_domains(bench: Any, kit: Any, policy: str) -> None:
    log = kit.log()
    log.ready(personal_domains=policy)
    log.company("77", "gmail.com")
    log.customer("cus_1", "ann@gmail.com")
    await bench.run(log)
    expected = ["77"] if policy == "match" else []
    assert kit.crm_links(await bench.state("cus_1")) == expected


async def test_two_records_on_a_domain_are_ambiguous_until_one_leaves(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    log.company("77", "acme.example")
    log.company("78", "acme.example")
    log.customer("cus_1", "ann@acme.example")
    await bench.run(log)
    state = await bench.state("cus_1")
    assert (kit.crm_links(state), state["flags"]["ambiguous"]) == ([], True)
    assert kit.value(state, "ambiguous") is True
    assert await bench.pool.fetchval("select count(*) from matcher.attention_view") == 1
    log.company("78", "beta.example")
    await bench.run(log)
    state = await bench.state("cus_1")
    assert (kit.crm_links(state), state["flags"]["ambiguous"]) == (["77"], False)
    items = [message.value for message in bench.topics.of(ATTENTION)]
    assert [b'"closed"' in item for item in items] == [False, True]
    assert await bench.pool.fetchval("select count(*) from matcher.attention_view") == 0


@pytest.mark.parametrize("company_first", [True, False])
async def test_two_customers_on_one_record_become_one_account(
    bench: Any, kit: Any, company_first: bool
) -> None:
    log = kit.log()
    log.ready()
    if company_first:
        log.company("77", "acme.example")
    log.customer("cus_2", "ann@acme.example")
    log.subscription("sub_2", "cus_2", 20000)
    await bench.run(log)
    founded_first = (await bench.state("cus_2"))["id"]
    log.customer("cus_1", "bob@acme.example")
    log.subscription("sub_1", "cus_1", 10000)
    if not company_first:
        log.company("77", "acme.example")
    await bench.run(log)
    state = await bench.state("cus_1")
    assert state["id"] == founded_first
    assert kit.crm_links(state) == ["77"]
    assert kit.value(state, "mrr") == {"minor": 30000, "currency": "eur"}
    assert kit.value(state, "stripe_customer_id") == "cus_1;cus_2"
    assert kit.value(state, "ambiguous") is True
    gone = await bench.pool.fetchrow(
        "select account_id, state from matcher.accounts where merged_into is not null"
    )
    assert (gone["state"]["links"], gone["state"]["merged_into"]) == ([], founded_first)
    published = [m.value for m in bench.topics.of(ACCOUNTS_STATE) if m.key == gone["account_id"]]
    assert published[-1] is None
    movements = await bench.pool.fetch(
        "select mrr_after - coalesce(mrr_before, 0) as moved from matcher.account_changes "
        "where movement = 'transfer'"
    )
    assert sum(row["moved"] for row in movements) == 0


async def test_a_crm_merge_moves_the_link_to_the_survivor(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    log.company("77", "acme.example")
    log.company("78", "beta.example")
    log.customer("cus_1", "ann@acme.example")
    log.subscription("sub_1", "cus_1")
    log.customer("cus_2", "bob@beta.example")
    log.subscription("sub_2", "cus_2")
    log.company("90", "acme.example", merged_ids=["77", "78"])
    await bench.run(log)
    state = await bench.state("cus_2")
    assert state["id"] == (await bench.state("cus_1"))["id"]
    assert kit.crm_links(state) == ["90"]
    assert kit.value(state, "mrr")["minor"] == 20000


async def test_a_deleted_record_is_no_candidate_and_a_restored_one_is(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    log.company("77", "acme.example")
    log.company("77", deleted=True)
    log.customer("cus_1", "ann@acme.example")
    await bench.run(log)
    assert kit.crm_links(await bench.state("cus_1")) == []
    log.company("77", "acme.example")
    await bench.run(log)
    assert kit.crm_links(await bench.state("cus_1")) == ["77"]


async def test_links_keep_their_opening_version(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    log.company("77", "acme.example")
    log.customer("cus_1", "ann@acme.example")
    await bench.run(log)
    opened = {link["key"]: link["opened_version"] for link in (await bench.state("cus_1"))["links"]}
    log.subscription("sub_1", "cus_1")
    log.tick(kit.start + timedelta(days=1))
    await bench.run(log)
    state = await bench.state("cus_1")
    assert state["version"] > max(opened.values())
    assert {link["key"]: link["opened_version"] for link in state["links"]} == opened
