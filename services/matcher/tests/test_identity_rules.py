"""Who counts on a domain, what a shared domain asks, and what an upgrade decides anew."""

from typing import Any

import matcher.identity_view
import pytest
from matcher.handle import Matcher
from plumbline_domain.identity.decide import Decision

pytestmark = pytest.mark.server

CONNECTIONS = [
    {"name": "stripe", "kind": "stripe", "mode": "test"},
    {"name": "live", "kind": "stripe", "mode": "live"},
    {"name": "hubspot", "kind": "hubspot"},
]
STRANGERS = ("Quilmark Foods", "Wexholm Logistics", "Ostfold Marine", "Dorlund Steel")


async def live_links(bench: Any, customer: str) -> list[str]:
    rows = await bench.pool.fetch(
        """select r.key from matcher.links l
           join matcher.links r using (workspace, account_id)
           where l.key = $1 and l.closed_version is null and r.closed_version is null
             and r.key like '%/company/%'""",
        f"acme/live/customer/{customer}",
    )
    return [row["key"].rpartition("/")[2] for row in rows]


def live(log: Any, customer: str, email: str, name: str | None) -> None:
    log.add("customer", customer, {"email": email, "name": name}, connection="live")


@pytest.mark.parametrize("size", [1, 500])
async def test_test_mode_is_no_part_of_a_domains_portrait(bench: Any, kit: Any, size: int) -> None:
    """A few invented names of test mode would make the domain a payer's for others."""
    log = kit.log()
    log.config(connections=CONNECTIONS)
    log.walked("stripe", "live", "hubspot")
    for place, name in enumerate(STRANGERS):
        log.customer(f"cus_t{place}", f"t{place}@brantov.example", name=name)
    log.company("77", "brantov.example", name="Brantov Robotics")
    live(log, "cus_1", "ap@brantov.example", None)
    await bench.run(log, size=size)
    assert await live_links(bench, "cus_1") == ["77"]


async def test_test_mode_counts_no_longer_once_a_live_connection_comes(
    bench: Any, kit: Any
) -> None:
    log = kit.log()
    log.ready()
    for place, name in enumerate(STRANGERS):
        log.customer(f"cus_t{place}", f"t{place}@brantov.example", name=name)
    await bench.run(log)
    log.config(connections=CONNECTIONS)
    log.walked("live")
    log.company("77", "brantov.example", name="Brantov Robotics")
    live(log, "cus_1", "ap@brantov.example", None)
    await bench.run(log)
    assert await live_links(bench, "cus_1") == ["77"]


async def test_a_name_like_several_of_the_domains_records_is_asked_about(
    bench: Any, kit: Any
) -> None:
    log = kit.log()
    log.ready()
    log.company("77", "nordlys.example", name="Nordlys Energia")
    log.company("78", "nordlys.example", name="Nordlys Shipping")
    log.customer("cus_1", "ap@nordlys.example", name="Nordlys Holding")
    await bench.run(log)
    rows = await bench.pool.fetch("select kind, details from matcher.attention_view")
    [(kind, details)] = [(row["kind"], row["details"]) for row in rows]
    assert kind == "review_match"
    assert {one["record"][-2:] for one in details["candidates"]} == {"77", "78"}


async def test_whoever_waits_is_decided_again_after_an_upgrade(
    bench: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first tick after it decides as the new rules do; the next one asks nobody again."""

    def of_before(customer: Any, *_: Any, **__: Any) -> Decision:
        return Decision(customer.id, "none")

    log = kit.log()
    log.ready()
    log.company("77", "brantov.example", name="Brantov Robotics")
    with monkeypatch.context() as former:
        former.setattr(matcher.identity_view, "decide", of_before)
        log.customer("cus_1", "ap@brantov.example", name="Brantov Robotics")
        await bench.run(log)
    assert kit.crm_links(await bench.state("cus_1")) == []
    log.tick(kit.start)
    await bench.run(log)
    assert kit.crm_links(await bench.state("cus_1")) == []
    await bench.pool.execute("update matcher.workspaces set decided_basis = 'of before'")
    bench.matcher = Matcher(bench.pool, bench.dead, bench.outbox, fan_out_accounts=1)
    log.tick(kit.start.replace(minute=30))
    await bench.run(log)
    assert kit.crm_links(await bench.state("cus_1")) == ["77"]
    told = await bench.pool.fetchval("select decided_basis from matcher.workspaces")
    assert told != "of before"
