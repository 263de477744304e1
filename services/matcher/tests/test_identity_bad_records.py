"""What no one should type, folded by the service: no dead letter, no crash, no link on junk.

The character NUL never gets here: connectors take it out (`plumbline_connectors.decoding`).
"""

from typing import Any

import pytest
from matcher.digest import digest

pytestmark = pytest.mark.server

NAMES = [
    "", " ", "test", "TEST 123", "asdf", "n/a", "N.A.", "none", "-", "???", "0", "xxx",
    "+49 30 1234567", "(030) 123 45 67", "B" * 10_000, "\U0001f680" * 5_000, "\U0001f642",
    "\u05e9\u05dc\u05d5\u05dd \u05ea\u05e2\u05e9\u05d9\u05d5\u05ea",
    "\u0634\u0631\u0643\u0629 \u0627\u0644\u0631\u0645\u0627\u0644",
    "\u0645\u062c\u0645\u0648\u0639\u0629 Wexstad", "\u202eWexstad", "Wex\u0001stad", "\x1b\x1b",
    "\u200bWexstad\u200b", "e\u0301" * 400, "'; drop table matcher.links; --", "{}", "null", "\\",
]  # fmt: skip
HOSTS = [
    "", "co.uk", "com", "127.0.0.1", "[::1]", "[2001:db8::1]", "localhost", "xn--zz--.example",
    "xn--\u00e4.example", "a..example", "-", "linkedin.com", "\x01", "\u2024", "a" * 10_000,
    "http://[broken", "gmail.com",
]  # fmt: skip
EMAILS = [
    "no-at-sign", "two@@wexstad.example", "a@b@wexstad.example", "@", "ann@", "@wexstad.example",
    *(f"ann@{host}" for host in HOSTS), "a" * 10_000 + "@wexstad.example", "\u202e@\u202e",
    '"ann smith"@wexstad.example', "Ann <ann@wexstad.example",
]  # fmt: skip
PHONES = ["", "0", "000000000", "call me", "+" * 50, "9" * 10_000, "\U0001f642", "\x01"]


async def quiet(bench: Any, log: Any) -> None:
    """Nothing was linked, lost or refused, and folding the log again tells the same."""
    await bench.run(log)
    links = await bench.pool.fetch(
        "select key from matcher.links where key like '%/company/%' and closed_version is null"
    )
    assert links == []
    customers = {o.key for o in log.observations if o.kind == "customer"}
    founded = await bench.pool.fetch(
        "select key from matcher.links where key like '%/customer/%' and closed_version is null"
    )
    assert {row["key"] for row in founded} == customers
    assert bench.dead.reasons == []
    before = await digest(bench.pool)
    log.observations += log.observations[2:]
    await bench.run(log)
    assert await digest(bench.pool) == before
    assert bench.dead.reasons == []


def record(log: Any, number: int, *domains: str, **facts: Any) -> None:
    """A company with what is bad, between good ones."""
    log.company(str(1000 + number), *domains, **facts)


async def test_names_of_no_company_link_nobody(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    for number, name in enumerate(NAMES):
        record(log, number, name=name)
        log.customer(f"cus_{number}", f"ann{number}@gmail.com", name=name, company=name)
    await quiet(bench, log)


async def test_addresses_that_are_none_link_nobody(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    for number, email in enumerate(EMAILS):
        host, other = email.rpartition("@")[2], email.replace("ann@", "bob@")
        record(log, number, host, name=f"Quilmark {number}", email=other)
        log.customer(f"cus_{number}", email)
    await quiet(bench, log)


async def test_hosts_that_nobody_owns_link_nobody(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    for number, host in enumerate(HOSTS):
        record(log, number, host, f"https://{host}/x", name=None)
        log.customer(f"cus_{number}", f"bob@{host}", name=host)
    await quiet(bench, log)


async def test_numbers_that_call_nobody_link_nobody(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    for number, phone in enumerate(PHONES):
        record(log, number, name=None, phone=phone)
        log.customer(f"cus_{number}", f"ann{number}@gmail.com", phone=phone, crm_id=phone)
    await quiet(bench, log)


async def test_the_workspaces_own_domain_links_nobody(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready(identity={"domains": {"brantov.example": "own"}})
    log.company("77", "brantov.example", name="Brantov Robotics")
    log.customer("cus_1", "ann@brantov.example", name="Brantov Robotics")
    await quiet(bench, log)


async def test_saying_that_a_domain_is_a_companys_after_all_links(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready(identity={"domains": {"brantov.example": "own"}})
    log.company("77", "brantov.example", name="Brantov Robotics")
    log.customer("cus_1", "ann@brantov.example", name="Brantov Robotics")
    await bench.run(log)
    assert kit.crm_links(await bench.state("cus_1")) == []
    log.config()
    await bench.run(log)
    assert kit.crm_links(await bench.state("cus_1")) == ["77"]


@pytest.mark.parametrize(
    "merged", [{"77": ("77",)}, {"77": ("78",), "78": ("77",)}, {"77": ("78", "79"), "79": ("77",)}]
)
async def test_records_that_name_themselves_or_each_other(
    bench: Any, kit: Any, merged: dict[str, tuple[str, ...]]
) -> None:
    """A record merged into itself, or two into each other: an end, and never two accounts."""
    log = kit.log()
    log.ready()
    log.customer("cus_1", "ap@brantov.example", name="Brantov Robotics")
    for vendor_id in ("77", "78", "79"):
        ids = merged.get(vendor_id, ())
        log.company(vendor_id, "brantov.example", name="Brantov Robotics", merged_ids=ids)
    log.observations += log.observations[3:]
    await bench.run(log)
    assert bench.dead.reasons == []
    assert len(kit.crm_links(await bench.state("cus_1"))) <= 1
    before = await digest(bench.pool)
    log.observations += log.observations[3:]
    await bench.run(log)
    assert await digest(bench.pool) == before
