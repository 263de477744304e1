"""The review queue against the real command: a question, its answer in HubSpot, and back again."""

import json
from typing import Any

import pytest
from plumbline_schemas.review_outputs import (
    Decided,
    LinkHistory,
    LinksShown,
    ReviewItem,
    ReviewList,
)

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]
LATEST_SECONDS = 2.0
"""A decision is in HubSpot within two seconds, the command's own start aside."""


async def queue(world: Any) -> list[ReviewItem]:
    answer = await world.run("review", "list", "--json")
    assert answer.returncode == 0, answer.stderr
    found = ReviewList.model_validate_json(answer.stdout)
    return [one for group in found.groups for one in group.items]


async def asked(world: Any, customer: str) -> ReviewItem:
    """The open question about a customer, once there is one."""
    found: list[ReviewItem] = []
    seen: list[ReviewItem] = []

    async def there() -> bool:
        seen[:] = await queue(world)
        found[:] = [one for one in seen if customer in one.subject]
        return bool(found)

    await world.until(there, 60, lambda: f"nobody asks about {customer}, but: {seen}")
    return found[0]


async def decide(world: Any, item: str, *answer: str) -> Decided:
    done = await world.run("review", "decide", item, *answer, "--json")
    assert done.returncode == 0, done.stderr
    return Decided.model_validate_json(done.stdout)


async def twins(world: Any, domain: str) -> tuple[str, str, str]:
    """Two companies of one domain, and a customer there that names none."""
    one = await world.company("Nordlys Energia", domain)
    two = await world.company("Nordlys Shipping", domain)
    await world.settled()  # a customer who comes before the second company is linked to the first
    customer = await world.customer(f"ap@{domain}", "price_monthly")
    return one, two, customer


async def test_an_answer_is_in_hubspot_in_seconds_and_can_be_taken_back(
    world: Any,
) -> None:
    one, two, customer = await twins(world, "nordlys-a.example")
    item = await asked(world, customer)
    assert item.kind == "review_match"
    assert item.mrr is not None
    assert item.mrr.minor == 4900
    assert {key.rpartition("/")[2] for key in (c.record for c in item.candidates)} == {one, two}
    assert all(piece.sentence for c in item.candidates for piece in c.evidence)
    shown = await world.run("review", "show", item.id)
    assert "Nordlys Shipping" in shown.stdout
    assert not any(world.shown(two).values())

    told = await decide(world, item.id, "--link", two, "--by", "mara")
    assert [(s.status, [r.rpartition("/")[2] for r in s.records]) for s in told.settled] == [
        ("closed", [two])
    ]
    decided_at = told.decisions[0].decided_at.timestamp()
    await world.shows(two, mrr="49", id=customer)
    assert await first_write(world, two) - decided_at < LATEST_SECONDS

    links = await world.run("links", "show", customer, "--json")
    found = LinksShown.model_validate_json(links.stdout)
    assert ("person", "mara") in {(link.method, link.decided_by) for link in found.links}

    undone = await world.run("review", "undo", item.id, "--json")
    assert undone.returncode == 0, undone.stderr
    again = await asked(world, customer)
    assert again.id == item.id
    await world.shows(two, mrr="", id="")
    history = await world.run("links", "history", f"acme/crm_main/company/{two}", "--json")
    [interval] = LinkHistory.model_validate_json(history.stdout).intervals
    assert interval.closed_version is not None


async def first_write(world: Any, company: str) -> float:
    """When HubSpot first took a value of a company from us, by its own clock (UTC seconds)."""
    rows = (await world.hubspot_control("/writes?since=0"))["writes"]
    times = [row["at_ms"] for row in rows if row["id"] == company and "billing_id" in row["moved"]]
    return float(min(times)) / 1000


async def test_what_is_ruled_out_is_never_asked_again(world: Any) -> None:
    one, two, customer = await twins(world, "nordlys-b.example")
    item = await asked(world, customer)
    told = await decide(world, item.id, "--not-this", "all")
    assert [(s.status, s.records) for s in told.settled] == [("closed", [])]
    await world.hubspot_control(f"/objects/companies/{one}", {"properties": {"name": "Nordlys"}})
    await world.settled()
    assert customer not in {(item.customer or "").rpartition("/")[2] for item in await queue(world)}
    assert not any(world.shown(one).values())
    assert not any(world.shown(two).values())


async def test_customers_of_one_record_are_split(world: Any) -> None:
    company = await world.company("Fjell", "fjell-c.example")
    first = await world.customer("a@fjell-c.example", "price_monthly", name="Fjell")
    second = await world.customer("b@fjell-c.example", "price_monthly", name="Fjell")
    await world.shows(company, mrr="98", ambiguous="true")
    [item] = [
        one
        for one in await queue(world)
        if {key.rpartition("/")[2] for key in one.customers} == {first, second}
    ]
    await decide(world, item.id, "--split", second)
    await world.shows(company, mrr="49", id=first, ambiguous="false")
    undone = await world.run("review", "undo", second, "--json")
    assert undone.returncode == 0, undone.stderr
    await world.shows(company, mrr="98", ambiguous="true")
    kept = next(one for one in await queue(world) if one.id == item.id)
    await decide(world, kept.id, "--keep-merged")
    assert item.id not in {one.id for one in await queue(world)}
    assert world.shown(company)["ambiguous"] == "true"


async def test_a_rebuild_keeps_what_people_decided(opened: Any, tmp_path: Any) -> None:
    async with opened(tmp_path, first_write="auto") as world:
        item = await asked(world, "cus_twin")
        await decide(world, item.id, "--link", "9004", "--by", "mara")
        await world.shows("9004", id="cus_twin")
        await world.stop()
        rebuilt = await world.run("rebuild", "--json")
        assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
        assert json.loads(rebuilt.stdout)["equal"] is True
