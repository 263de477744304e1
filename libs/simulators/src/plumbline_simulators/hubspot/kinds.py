"""The object types that are simulated, their names in paths and what HubSpot defines on them."""

from dataclasses import dataclass
from typing import Final

LIFECYCLE_STAGES: Final = (
    "subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity",
    "customer", "evangelist", "other",
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """One object type."""

    plural: str
    singular: str
    type_id: str
    modified: str
    """The property every write moves (vendors 2.5)."""
    first_id: int
    shown: tuple[str, ...]
    """Properties answered when none are asked for, besides those answered always."""
    needs_one_of: tuple[str, ...]
    """At least one of these is needed to create (vendors 2.3)."""
    definitions: tuple[tuple[str, str], ...]
    """Name and type of what HubSpot defines."""
    unique: str | None = None
    """The property of HubSpot's own that is unique."""

    @property
    def always(self) -> tuple[str, ...]:
        """Properties in every answer."""
        return ("createdate", self.modified, "hs_object_id")


def _strings(names: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, "string") for name in names.split())


_OWNED: Final = (("hubspot_owner_id", "owner"), ("lifecyclestage", "lifecycle"))

KINDS: Final = {
    kind.plural: kind
    for kind in (
        Kind(
            "companies", "company", "0-2", "hs_lastmodifieddate", 20_000_001,
            ("name", "domain"), ("name", "domain"),
            (
                *_strings("name domain hs_additional_domains website phone address city state"),
                *_strings("zip country industry description"),
                ("numberofemployees", "number"), ("annualrevenue", "number"), *_OWNED,
            ),
        ),
        Kind(
            "contacts", "contact", "0-1", "lastmodifieddate", 40_000_001,
            ("email", "firstname", "lastname"), (),
            (
                *_strings("email hs_additional_emails firstname lastname phone mobilephone"),
                *_strings("company website jobtitle address city state zip country"), *_OWNED,
            ),
            unique="email",
        ),
        Kind(
            "deals", "deal", "0-3", "hs_lastmodifieddate", 60_000_001,
            ("dealname", "amount", "closedate", "pipeline", "dealstage"), (),
            (
                *_strings("dealname pipeline dealstage description dealtype"),
                ("amount", "number"), ("closedate", "datetime"), _OWNED[0],
            ),
        ),
    )
}  # fmt: skip

NAMES: Final = {
    name: kind.plural for kind in KINDS.values() for name in (kind.plural, kind.singular,
                                                             kind.type_id)
}  # fmt: skip
"""Every way to write a type in a path: plural, singular, id."""
