"""The whole book, company by company: HubSpot's values against Stripe's facts."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from console.demo.world import World, expected_of

OURS = "plumbline_"


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


async def check_book(world: World) -> list[Row]:
    """Check every company, also those that must show nothing; `world.homes` says who is where."""
    members: defaultdict[str, list[str]] = defaultdict(list)
    for customer, company in world.homes.items():
        members[company].append(customer)
    objects = await world.objects()
    rows = []
    for row in list(world.hubspot.state.records["companies"].all()):
        here = sorted(members.get(row["id"], []))
        shown = {k: v or "" for k, v in row["properties"].items() if k.startswith(OURS)}
        nothing = dict.fromkeys(shown, "")
        found = [objects[customer] for customer in here if customer in objects]
        wanted = expected_of(here, found).properties() if here else nothing
        rows.append(Row(row["id"], tuple(here), wanted, shown))
    return rows
