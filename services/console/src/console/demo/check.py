"""The whole book, company by company: HubSpot's values against Stripe's facts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from console.demo.book import Customer
from console.demo.world import World

OURS = "plumbline_"
PERSONAL = ("gmail.com", "outlook.com")


@dataclass(frozen=True, slots=True)
class Row:
    """One company."""

    company: str
    customers: tuple[str, ...]
    wanted: Mapping[str, str]
    shown: Mapping[str, str]

    @property
    def right(self) -> bool:
        """Whether HubSpot shows exactly what it must."""
        return all(self.shown.get(name, "") == value for name, value in self.wanted.items())


async def check_book(world: World, people: Sequence[Customer]) -> list[Row]:
    """Check every company, also those that must show nothing.

    Who belongs where is known from how the book was made: by the address's domain, where several
    companies have it by the name, by the id in the metadata, and never by a personal address.
    """
    companies = list(world.hubspot.state.records["companies"].all())
    by_domain: dict[str, dict[str, str]] = {}
    for row in companies:
        values = row["properties"]
        by_domain.setdefault(values.get("domain") or "", {})[values.get("name") or ""] = row["id"]
    members = await _members(world, people, by_domain)
    rows = []
    for row in companies:
        here = sorted(members.get(row["id"], []))
        shown = {k: v or "" for k, v in row["properties"].items() if k.startswith(OURS)}
        nothing = dict.fromkeys(shown, "")
        wanted = (await world.truth(here)).properties() if here else nothing
        rows.append(Row(row["id"], tuple(here), wanted, shown))
    return rows


async def _members(
    world: World, people: Sequence[Customer], by_domain: Mapping[str, Mapping[str, str]]
) -> dict[str, list[str]]:
    named = {person.id: person.crm_id for person in people if person.crm_id}
    members: dict[str, list[str]] = {}
    cursor = ""
    while True:
        page = await world.stripe_api("GET", f"/v1/customers?limit=100{cursor}")
        for customer in page["data"]:
            domain = (customer["email"] or "@").rsplit("@", 1)[1]
            at = by_domain.get(domain, {}) if domain not in PERSONAL else {}
            only = next(iter(at.values())) if len(at) == 1 else at.get(customer["name"] or "")
            company = named.get(customer["id"]) or only
            if company is not None:
                members.setdefault(company, []).append(customer["id"])
        if not page["has_more"]:
            return members
        cursor = f"&starting_after={page['data'][-1]['id']}"
