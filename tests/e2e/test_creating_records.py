"""Policy `create` against the real command: one record for each, though writeback is killed."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

POINTS = ("writeback.after_creation_claim", "writeback.during_creation", "writeback.after_creation")
CONTACTS = """
[fields.contact]
mrr = "billing_mrr"
stripe_customer_id = "billing_id"
"""
POLICIES = 'auto"\nunmatched = "create'


@pytest.fixture(scope="module")
async def creating(opened: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    """A deployment that creates; a file named like a point kills writeback there, once."""
    folder = tmp_path_factory.mktemp("create")
    armed = ",".join(f"{point}=1@{folder / point}" for point in POINTS)
    more = {"PLUMBLINE_FAILPOINTS": armed, "PLUMBLINE_WRITEBACK_HTTP_TIMEOUT_SECONDS": "2"}
    fields = {"first_write": POLICIES, "more": CONTACTS}
    async with opened(folder, **fields, environment=more) as world:
        await world.settled()
        yield world


def companies(world: Any) -> list[dict[str, Any]]:
    """All live companies."""
    rows = world.hubspot.state.records["companies"].all(archived=False, after=0)
    return [dict(row["properties"], id=row["id"]) for row in rows]


def made_for(world: Any, domain: str) -> list[dict[str, Any]]:
    return [row for row in companies(world) if row.get("domain") == domain]


async def test_the_first_walks_unmatched_get_a_record_each(creating: Any) -> None:
    """Those of the seed that nothing in the CRM may be; who may be somebody is asked about."""
    created = [row for row in companies(creating) if row.get("plumbline_account_id")]
    assert {row["name"] for row in created} == {"lonely.example", "someone@gmail.com"}
    [lonely] = made_for(creating, "lonely.example")
    await creating.shows(lonely["id"], mrr="49", id="cus_lonely")


@pytest.mark.parametrize(
    ("point", "name"),
    list(zip(POINTS, ("Brantov Robotics", "Quilmark Foods", "Dorlund"), strict=True)),
)
async def test_killed_in_the_middle_it_makes_one(creating: Any, point: str, name: str) -> None:
    domain = f"{name.split(maxsplit=1)[0].lower()}.example"
    before = await restarts(creating)
    (creating.folder / point).touch()
    customer = await creating.customer(f"ap@{domain}", "price_monthly", name=name)
    await creating.until(lambda: not (creating.folder / point).exists(), 60)
    await creating.until(lambda: made_for(creating, domain), 60)
    [company] = made_for(creating, domain)
    await creating.shows(company["id"], mrr="49", id=customer)
    await creating.settled()
    assert await restarts(creating) == before + 1
    assert len(made_for(creating, domain)) == 1


async def restarts(world: Any) -> int:
    services = (await world.status())["services"]
    return sum(one["restarts"] for one in services if one["name"].startswith("writeback"))


async def test_two_customers_of_one_organisation_get_one_record(creating: Any) -> None:
    one = await creating.customer("ann@wexholm.example", "price_monthly", name="Wexholm Logistics")
    two = await creating.customer("bob@wexholm.example", "price_monthly", name="Wexholm Logistics")
    await creating.until(lambda: made_for(creating, "wexholm.example"), 60)
    await creating.settled()
    [company] = made_for(creating, "wexholm.example")
    await creating.shows(company["id"], mrr="98", id=";".join(sorted((one, two))))


async def test_a_person_made_the_company_in_the_same_moment(creating: Any) -> None:
    company = await creating.company("Ostfold Marine", "ostfold.example")
    customer = await creating.customer("ap@ostfold.example", "price_monthly", name="Ostfold Marine")
    await creating.shows(company, mrr="49", id=customer)
    await creating.settled()
    assert [row["id"] for row in made_for(creating, "ostfold.example")] == [company]


async def test_a_person_gets_a_contact(creating: Any) -> None:
    customer = await creating.customer("runa.holm@gmail.com", "price_monthly", name="Runa Holm")

    def contact() -> dict[str, Any]:
        rows = creating.hubspot.state.records["contacts"].all(archived=False, after=0)
        return next((dict(row["properties"]) for row in rows), {})

    await creating.until(lambda: contact().get("billing_mrr") == "49", 60, contact)
    assert contact().get("billing_id") == customer
    told = {name: contact()[name] for name in ("firstname", "lastname", "email")}
    assert told == {"firstname": "Runa", "lastname": "Holm", "email": "runa.holm@gmail.com"}
    assert "Runa Holm" not in {row["name"] for row in companies(creating)}
