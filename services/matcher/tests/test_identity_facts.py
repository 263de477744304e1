"""Tax ids, towns and countries as evidence in the service, and after an upgrade."""

from typing import Any

import pytest
from matcher.digest import digest
from matcher.handle import Matcher

pytestmark = pytest.mark.server

VAT = "DE136695976"


async def linked(bench: Any, kit: Any, customer: str) -> list[str]:
    return kit.crm_links(await bench.state(customer))


async def method_of(bench: Any, record: str) -> str:
    found: str = await bench.pool.fetchval(
        "select method from matcher.link_history where key like '%/' || $1", record
    )
    return found


def read_of(log: Any, customer: str, email: str, *tax_ids: str, **facts: Any) -> None:
    """A read tells the customer's tax ids; its events do not."""
    body = {"email": email, "tax_ids": tax_ids}
    log.add("customer", customer, body, seen="read", event_id=None, **facts)


@pytest.mark.parametrize("size", [1, 500])
async def test_a_tax_id_links(bench: Any, kit: Any, size: int) -> None:
    log = kit.log()
    log.ready()
    log.company("77", "brantov.example", tax_ids=["DE 136 695 976"])
    log.customer("cus_1", "ann@else.example")
    read_of(log, "cus_1", "ann@else.example", VAT)
    log.customer("cus_1", "ann@elsewhere.example")
    await bench.run(log, size=size)
    assert await linked(bench, kit, "cus_1") == ["77"]
    assert await method_of(bench, "77") == "tax_id"


@pytest.mark.parametrize("size", [1, 2, 500])
async def test_an_event_takes_no_tax_id_away_and_a_late_company_finds_it(
    bench: Any, kit: Any, size: int
) -> None:
    log = kit.log()
    log.ready()
    read_of(log, "cus_1", "ann@else.example", VAT)
    log.customer("cus_1", "ann@elsewhere.example")
    log.company("77", "brantov.example", tax_ids=[VAT])
    await bench.run(log, size=size)
    assert await linked(bench, kit, "cus_1") == ["77"]


@pytest.mark.parametrize("size", [1, 500])
async def test_a_tax_id_that_was_removed_finds_nothing(bench: Any, kit: Any, size: int) -> None:
    log = kit.log()
    log.ready()
    read_of(log, "cus_1", "ann@else.example", VAT)
    read_of(log, "cus_1", "ann@else.example")
    log.company("77", "brantov.example", tax_ids=[VAT])
    await bench.run(log, size=size)
    assert await linked(bench, kit, "cus_1") == []


async def test_the_metadata_may_hold_the_tax_id(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    log.company("77", "brantov.example", tax_ids=[VAT])
    log.add("customer", "cus_1", {"email": "ann@else.example", "tax_id": VAT})
    await bench.run(log)
    assert await linked(bench, kit, "cus_1") == ["77"]


@pytest.mark.parametrize(("country", "links"), [("Germany", ["77"]), ("Austria", [])])
async def test_name_and_town_link_where_the_country_agrees(
    bench: Any, kit: Any, country: str, links: list[str]
) -> None:
    """The customer writes from a free mailbox: the town is what corroborates the name."""
    log = kit.log()
    log.ready()
    log.company("77", name="Brantov Quilmark", city="Oldenburg", country=country)
    body = {"email": "brq@gmail.com", "name": "Brantov Quilmark"}
    place = {"city": "Oldenburg" if links else "Graz", "country": "DE"}
    log.add("customer", "cus_1", {**body, **place})
    await bench.run(log)
    assert await linked(bench, kit, "cus_1") == links


async def test_an_upgrade_makes_the_keys_anew(bench: Any, kit: Any) -> None:
    """Profiles of other rules: they are made from the objects before the next record."""
    log = kit.log()
    log.ready()
    read_of(log, "cus_1", "ann@else.example", VAT)
    log.customer("cus_2", "bob@gmail.com")
    await bench.run(log)
    before = await digest(bench.pool)
    await bench.pool.execute("delete from matcher.identity_keys")
    await bench.pool.execute("update matcher.identity_profiles set keys = '{}', names = '{}'")
    await bench.pool.execute("update matcher.workspaces set index_basis = '4/skip'")
    bench.matcher = Matcher(bench.pool, bench.dead, bench.outbox)
    log.customer("cus_2", "bob@gmail.com", vendor_time_ms=1)
    await bench.run(log)
    assert await digest(bench.pool) == before
    log.company("77", "brantov.example", tax_ids=[VAT])
    await bench.run(log)
    assert await linked(bench, kit, "cus_1") == ["77"]
