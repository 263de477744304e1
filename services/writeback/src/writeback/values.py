"""Comparing property values the way the CRM would, by the types of the mapped fields."""

from collections.abc import Mapping

from plumbline_connectors.hubspot.values import same_value
from plumbline_domain.ownership import SameValue
from plumbline_schemas.fields import FIELDS


def comparer(mapping: Mapping[str, str]) -> SameValue:
    """Equality for the properties of one kind's mapping; any other property is text."""
    types = {name: FIELDS[field].type for field, name in mapping.items()}

    def same(name: str, one: str | None, other: str | None) -> bool:
        return same_value(types.get(name, "string"), one, other)

    return same
