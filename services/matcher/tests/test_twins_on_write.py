"""Duplicates on write: items that open and close with what changes, and merge nothing."""

from typing import Any

import pytest

pytestmark = pytest.mark.server


async def items(bench: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """Open items: (kind, vendor ids), details."""
    rows = await bench.pool.fetch(
        "select kind, subject, details from runtime.attention_view where status = 'open'"
    )
    return {
        (row["kind"], " ".join(key.rpartition("/")[2] for key in row["subject"].split("|"))): row[
            "details"
        ]
        for row in rows
    }


def pair(log: Any) -> None:
    log.company("77", "brantov.example", name="Brantov Robotics", phone="+49 441 1234567")
    log.company("78", "brantov.example", name="Brantov Robotics GmbH", phone="+49 441 1234567")


@pytest.mark.parametrize("size", [1, 500])
async def test_a_company_entered_twice_is_asked_about(bench: Any, kit: Any, size: int) -> None:
    log = kit.log()
    log.ready()
    pair(log)
    await bench.run(log, size=size)
    [(name, details)] = (await items(bench)).items()
    assert name == ("duplicate_records", "77 78")
    assert details["names"] == ["Brantov Robotics", "Brantov Robotics GmbH"]
    assert details["probability"] > 0.5
    assert any("brantov.example" in piece["sentence"] for piece in details["evidence"])
    log.company("78", "wexholm.example", name="Wexholm Logistics")
    await bench.run(log, size=size)
    assert await items(bench) == {}


async def test_a_duplicate_that_is_deleted_or_merged_closes_the_item(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    pair(log)
    await bench.run(log)
    assert len(await items(bench)) == 1
    log.company("78", deleted=True)
    await bench.run(log)
    assert await items(bench) == {}
    log.company("79", "brantov.example", name="Brantov Robotics", phone="+49 441 1234567")
    await bench.run(log)
    assert list(await items(bench)) == [("duplicate_records", "77 79")]
    log.company("80", "brantov.example", name="Brantov Robotics", merged_ids=["77", "79"])
    await bench.run(log)
    assert await items(bench) == {}


@pytest.mark.parametrize("size", [1, 500])
async def test_of_four_alike_three_pairs_are_asked_about(bench: Any, kit: Any, size: int) -> None:
    log = kit.log()
    log.ready()
    for number in range(4):
        log.company(f"7{number}", "brantov.example", name="Brantov Robotics", phone="+494411234567")
    await bench.run(log, size=size)
    found = await items(bench)
    assert len(found) == 3
    assert {one for _, both in found for one in both.split()} == {"70", "71", "72", "73"}


async def test_billing_customers_of_one_tax_id_are_asked_about(bench: Any, kit: Any) -> None:
    """Two that share an account are one question already: whose MRR it is."""
    log = kit.log()
    log.ready()
    for number in (1, 2):
        body = {"email": f"ap{number}@brantov.example", "name": "Brantov Robotics"}
        log.add("customer", f"cus_{number}", {**body, "tax_id": "DE136695976"})
    await bench.run(log)
    assert list(await items(bench)) == [("duplicate_customers", "cus_1 cus_2")]
    log.company("77", "brantov.example", name="Brantov Robotics")
    log.customer("cus_1", "ap1@brantov.example", name="Brantov Robotics GmbH")
    await bench.run(log)
    assert kit.crm_links(await bench.state("cus_2")) == ["77"]
    assert await items(bench) == {}


async def test_two_that_a_person_called_two_are_not_asked_about(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready()
    log.add(
        "decision",
        "apart:hubspot/company/77|hubspot/company/78",
        {
            "action": "not_duplicate",
            "record": "acme/hubspot/company/77",
            "other": "acme/hubspot/company/78",
            "decided_at": kit.start.isoformat(),
        },
        connection="@",
        origin="console",
        event_id=None,
    )
    pair(log)
    await bench.run(log)
    assert await items(bench) == {}


async def test_before_the_books_are_whole_nobody_is_asked(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.config()
    pair(log)
    log.walked()
    await bench.run(log)
    assert await items(bench) == {}


async def test_a_crowd_costs_no_more_than_a_few(bench: Any, kit: Any) -> None:
    """A key that a crowd holds brings no partners, and nothing that did not change is compared."""
    log = kit.log()
    log.ready()
    for number in range(60):
        log.company(f"{100 + number}", f"c{number}.example", name="Brantov")
    await bench.run(log)
    assert await items(bench) == {}
