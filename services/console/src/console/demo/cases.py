"""What makes the demo's book hard to match, and where each of it must end."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from console.demo.book import (
    AGENCY,
    BAKERY,
    CYCLES,
    HALCYON,
    HALCYON_DE,
    HALCYON_UK,
    MARKET,
    ZEPHYR,
)
from console.demo.world import World

IDS: Final = "plumbline_stripe_customer_id"


@dataclass(frozen=True, slots=True)
class Case:
    """Companies with the customers each must show, and customers that no company may show."""

    title: str
    shown: Mapping[str, str] = field(default_factory=dict)
    nowhere: tuple[str, ...] = ()


CASES: Final = (
    Case(
        "Personal addresses say nothing, though somebody gave a company the domain gmail.com",
        {MARKET: ""},
        ("cus_0143", "cus_0144"),
    ),
    Case("Two customers on one domain are added up and flagged", {"9000": "cus_0000;cus_0147"}),
    Case(
        "A bookkeeper pays for itself and four clients: two are in the CRM, two are not",
        {AGENCY: "cus_0150", BAKERY: "cus_0151", CYCLES: "cus_0152"},
        ("cus_0154", "cus_0155"),
    ),
    Case(
        "Two companies fit a name equally well: a person is asked",
        {HALCYON_DE: "", HALCYON_UK: ""},
        (HALCYON,),
    ),
    Case("A customer whose company nobody has made yet waits", nowhere=(ZEPHYR,)),
)


def wrong_in(case: Case, world: World) -> Iterator[str]:
    """What HubSpot shows otherwise; nothing when the case ended as it should."""
    for company, wanted in case.shown.items():
        found = world.values(company).get(IDS, "")
        if found != wanted:
            yield f"company {company} shows {found or 'nobody'}, wanted {wanted or 'nobody'}"
    for row in world.hubspot.state.records["companies"].all():
        ids = (row["properties"].get(IDS) or "").split(";")
        yield from (f"{one} is on company {row['id']}" for one in case.nowhere if one in ids)
