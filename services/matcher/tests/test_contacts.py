"""People go to contacts, companies to companies, and who is neither where the connection says."""

from typing import Any

import pytest
from matcher.digest import digest
from plumbline_schemas.ids import account_id, external_key

pytestmark = pytest.mark.server

FIELDS = {"company": {"mrr": "mrr"}, "contact": {"mrr": "mrr"}}


def connections(default: str | None = None) -> list[dict[str, Any]]:
    return [
        {"name": "stripe", "kind": "stripe", "mode": "test"},
        {"name": "hubspot", "kind": "hubspot", "default_record": default},
    ]


def contact(log: Any, vendor_id: str, email: str | None, **body: Any) -> None:
    facts = {name: body.pop(name) for name in ("deleted",) if name in body}
    log.add("contact", vendor_id, {"email": email, **body}, **facts)


async def linked(bench: Any, customer: str) -> list[tuple[str, str]]:
    links = [link["key"].split("/", 3) for link in (await bench.state(customer))["links"]]
    return [(kind, vendor_id) for _, _, kind, vendor_id in links if kind != "customer"]


async def wanted(bench: Any, customer: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = (await bench.state(customer))["wanted_record"]
    return found


@pytest.mark.parametrize("size", [1, 2, 500])
async def test_a_person_goes_to_the_contact_with_the_very_address(
    bench: Any, kit: Any, size: int
) -> None:
    """Before and after it: the contact may come late, and may hold the address as a further one."""
    log = kit.log()
    log.ready(fields=FIELDS, connections=connections())
    contact(log, "51", "runa.holm@gmail.com")
    log.customer("cus_1", "Runa.Holm+shop@gmail.com", name="Runa Holm")
    log.customer("cus_2", "ida.berg@outlook.com", name="Ida Berg")
    contact(log, "52", "ida@work.example", more_emails=["ida.berg@outlook.com"])
    await bench.run(log, size=size)
    assert await linked(bench, "cus_1") == [("contact", "51")]
    assert await linked(bench, "cus_2") == [("contact", "52")]
    method = await bench.pool.fetchval(
        "select method from matcher.link_history where key like '%/contact/51'"
    )
    assert method == "email"
    before = await digest(bench.pool)
    await bench.rewind()
    await bench.run(log, size=size)
    assert await digest(bench.pool) == before


async def test_a_company_never_goes_to_a_contact_nor_a_person_to_a_company(
    bench: Any, kit: Any
) -> None:
    log = kit.log()
    log.ready(fields=FIELDS, connections=connections())
    contact(log, "51", "ap@brantov.example")
    log.company("77", "brantov.example", name="Brantov Robotics")
    log.company("78", name="Runa Holm")
    log.customer("cus_1", "ap@brantov.example", name="Brantov Robotics GmbH")
    log.customer("cus_2", "runa.holm@gmail.com", name="Runa Holm")
    await bench.run(log)
    assert await linked(bench, "cus_1") == [("company", "77")]
    assert await linked(bench, "cus_2") == []


@pytest.mark.parametrize("default", [None, "contact"])
async def test_who_is_neither_goes_where_the_connection_says(
    bench: Any, kit: Any, default: str | None
) -> None:
    log = kit.log()
    log.ready(fields=FIELDS, connections=connections(default), unmatched="create")
    contact(log, "51", "someone@gmail.com")
    log.customer("cus_1", "someone@gmail.com")
    log.customer("cus_2", "another@gmail.com")
    await bench.run(log)
    assert await linked(bench, "cus_1") == ([("contact", "51")] if default else [])
    wish = await wanted(bench, "cus_2")
    assert wish is not None
    assert wish["kind"] == (default or "company")


@pytest.mark.parametrize("told", ["company", "individual"])
async def test_what_the_vendor_says_it_is_stands(bench: Any, kit: Any, told: str) -> None:
    log = kit.log()
    log.ready(fields=FIELDS, connections=connections(), unmatched="create")
    body = {"email": "ida@gmail.com", "name": "Ida Berg", "told_type": told}
    log.add("customer", "cus_1", body)
    await bench.run(log)
    wish = await wanted(bench, "cus_1")
    assert wish is not None
    assert wish["kind"] == ("company" if told == "company" else "contact")


@pytest.mark.parametrize("policy", ["create", "hybrid"])
async def test_a_contact_is_wanted_and_linked(bench: Any, kit: Any, policy: str) -> None:
    log = kit.log()
    log.ready(fields=FIELDS, connections=connections(), unmatched=policy)
    log.customer("cus_1", "Runa.Holm@gmail.com", name="Runa Holm")
    await bench.run(log)
    assert await wanted(bench, "cus_1") == {
        "kind": "contact",
        "name": "Runa Holm",
        "domain": None,
        "email": "Runa.Holm@gmail.com",
        "lock": "email:runaholm@gmail.com",
        "customers": ["cus_1"],
        "by": "policy",
    }
    made_for = account_id(external_key("acme", "stripe", "customer", "cus_1"))
    contact(log, "90", "else@gmail.com", account_id=made_for)
    await bench.run(log)
    assert await linked(bench, "cus_1") == [("contact", "90")]


async def test_a_contact_that_goes_or_is_merged(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready(fields=FIELDS, connections=connections())
    contact(log, "51", "runa.holm@gmail.com")
    log.customer("cus_1", "runa.holm@gmail.com", name="Runa Holm")
    contact(log, "60", "runa@else.example", merged_ids=["51"])
    await bench.run(log)
    assert await linked(bench, "cus_1") == [("contact", "60")]
    contact(log, "60", None, deleted=True)
    await bench.run(log)
    assert await linked(bench, "cus_1") == []


async def test_a_person_who_moves_keeps_the_contact_and_is_asked_about(
    bench: Any, kit: Any
) -> None:
    log = kit.log()
    log.ready(fields=FIELDS, connections=connections())
    contact(log, "51", "runa.holm@gmail.com")
    contact(log, "52", "runa@outlook.com")
    log.customer("cus_1", "runa.holm@gmail.com", name="Runa Holm")
    log.customer("cus_1", "runa@outlook.com", name="Runa Holm")
    await bench.run(log)
    assert await linked(bench, "cus_1") == [("contact", "51")]
    kinds = [
        row["kind"] for row in await bench.pool.fetch("select kind from matcher.attention_view")
    ]
    assert kinds == ["questioned_link"]


async def test_one_id_of_a_company_and_of_a_contact(bench: Any, kit: Any) -> None:
    """The metadata's id names the record that fits; one on which the billing id stands is it."""
    log = kit.log()
    log.ready(fields=FIELDS, connections=connections())
    contact(log, "77", "x@else.example")
    log.company("77", "brantov.example", name="Brantov Robotics")
    contact(log, "78", "y@else.example", stripe_customer_ids=["cus_3"])
    log.customer("cus_1", "ap@wexholm.example", name="Wexholm Logistics GmbH", crm_id="77")
    log.customer("cus_2", "runa.holm@gmail.com", name="Runa Holm", crm_id="77")
    log.customer("cus_3", "ap@ostfold.example", name="Ostfold Marine AS")
    await bench.run(log)
    assert await linked(bench, "cus_1") == [("company", "77")]
    assert await linked(bench, "cus_2") == [("contact", "77")]
    assert await linked(bench, "cus_3") == [("contact", "78")]


async def test_without_a_mapping_of_contacts_people_match_as_ever(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready(fields={"company": {"mrr": "mrr"}}, unmatched="create")
    contact(log, "51", "runa.holm@gmail.com")
    log.customer("cus_1", "runa.holm@gmail.com", name="Runa Holm")
    await bench.run(log)
    assert await linked(bench, "cus_1") == []
    wish = await wanted(bench, "cus_1")
    assert wish is not None
    assert wish["kind"] == "company"
    log.config(fields=FIELDS, connections=connections(), unmatched="create")
    await bench.run(log)
    assert await linked(bench, "cus_1") == [("contact", "51")]
