"""HubSpot's two path layouts, v3 and date-versioned (vendors 2.2)."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

Layout = Literal["v3", "2026-03"]
OBJECT_TYPES: Final[Mapping[str, str]] = {"company": "companies", "contact": "contacts"}


class Paths(NamedTuple):
    """Where the parts of the API stand in one layout."""

    objects: str
    properties: str
    owners: str
    token: str
    account: str


PATHS: Final[Mapping[Layout, Paths]] = {
    "v3": Paths(
        "/crm/v3/objects",
        "/crm/v3/properties",
        "/crm/v3/owners/",
        "/oauth/v3/token",
        "/account-info/v3/details",
    ),
    "2026-03": Paths(
        "/crm/objects/2026-03",
        "/crm/properties/2026-03",
        "/crm/owners/2026-03",
        "/oauth/2026-03/token",
        "/account-info/2026-03/details",
    ),
}


def object_type(kind: str) -> str:
    """Name of our kind in paths; raises ValueError for any other."""
    try:
        return OBJECT_TYPES[kind]
    except KeyError:
        known = ", ".join(OBJECT_TYPES)
        raise ValueError(f"no HubSpot kind {kind!r}; known: {known}") from None
