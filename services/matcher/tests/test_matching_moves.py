"""Customers move between domains, companies too, records merge and go: any batches, one result."""

import random
from typing import Any

import pytest
from matcher.digest import digest

pytestmark = pytest.mark.server

DOMAINS = ("alpha.example", "beta.example", "gamma.example")
CUSTOMERS = ("cus_1", "cus_2", "cus_3", "cus_4")
COMPANIES = ("71", "72", "73", "74")


def _any_log(kit: Any, seed: int, steps: int = 24) -> Any:
    """A random history; equal seeds make equal ones."""
    chance = random.Random(seed)
    log = kit.log()
    log.ready()
    for _ in range(steps):
        step = chance.random()
        domain = chance.choice(DOMAINS)
        company = chance.choice(COMPANIES)
        if step < 0.45:
            customer = chance.choice(CUSTOMERS)
            crm_id = chance.choice((None, None, None, company))
            log.customer(customer, f"{chance.choice('ab')}@{domain}", crm_id=crm_id)
        elif step < 0.55:
            name, customer = chance.choice(CUSTOMERS), chance.choice(CUSTOMERS)
            log.subscription(f"sub_{name}", customer, chance.choice((1000, 2000)))
        elif step < 0.8:
            log.company(company, domain)
        elif step < 0.9:
            log.company(company, domain, deleted=True)
        else:
            others = [one for one in COMPANIES if one != company]
            gone = chance.choice(others)
            log.company(gone, deleted=True)
            log.company(company, domain, merged_ids=[gone])
    return log


async def _empty(bench: Any) -> None:
    tables = (
        "accounts", "links", "account_changes", "objects", "workspaces", "identity_profiles",
        "identity_keys", "outbox", "decisions",
    )  # fmt: skip
    await bench.pool.execute("truncate " + ", ".join(f"matcher.{name}" for name in tables))
    await bench.rewind()


async def _result(bench: Any, log: Any, size: int) -> str:
    await _empty(bench)
    await bench.run(log, size=size)
    assert bench.dead.reasons == []
    return await digest(bench.pool)


@pytest.mark.parametrize("block", range(4))
async def test_any_history_ends_the_same_whatever_the_batches(
    bench: Any, kit: Any, block: int
) -> None:
    for seed in range(block * 10, block * 10 + 10):
        log = _any_log(kit, seed)
        one_by_one = await _result(bench, log, 1)
        for size in (2, 3, 7, len(log.observations)):
            assert await _result(bench, log, size) == one_by_one, (seed, size)


@pytest.mark.parametrize("size", [1, 500])
async def test_an_object_of_another_customer_founds_nothing_twice(
    bench: Any, kit: Any, size: int
) -> None:
    """A vendor that starts anew under old ids: the subscription stays with its first customer."""
    log = kit.log()
    log.ready()
    log.company("71", "alpha.example")
    log.customer("cus_1", "ann@alpha.example")
    log.subscription("sub_1", "cus_1", 1000)
    await bench.run(log)
    log.customer("cus_1", "ann@beta.example")
    log.subscription("sub_1", "cus_2", 3000)
    log.customer("cus_2", "bob@alpha.example")
    await bench.run(log, size=size)
    assert bench.dead.reasons == []
    state = await bench.state("cus_1")
    assert kit.value(state, "mrr")["minor"] == 3000
    assert (await bench.state("cus_2"))["id"] == state["id"]
