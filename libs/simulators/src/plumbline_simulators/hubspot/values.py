"""Property values as HubSpot stores them: always strings, checked against their definition."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from plumbline_simulators.hubspot.errors import invalid

_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER: Final = re.compile(r"-?\d+", re.ASCII)


@dataclass(frozen=True)
class Property:
    """One property definition."""

    name: str
    label: str
    type: str
    field_type: str
    group: str
    options: tuple[dict[str, Any], ...] = ()
    unique: bool = False
    read_only: bool = False
    own: bool = False
    """Created through the API rather than HubSpot's."""
    external: bool = False
    """An enumeration whose options are kept elsewhere: owners."""
    description: str = ""
    hidden: bool = False
    form_field: bool = False
    display_order: int = -1

    def json(self) -> dict[str, Any]:
        """As the API answers it."""
        return {
            "name": self.name, "label": self.label, "type": self.type,
            "fieldType": self.field_type, "groupName": self.group,
            "description": self.description, "options": list(self.options),
            "hasUniqueValue": self.unique, "hidden": self.hidden,
            "displayOrder": self.display_order, "calculated": False,
            "externalOptions": self.external, "formField": self.form_field,
            "hubspotDefined": not self.own, "archived": False,
            "modificationMetadata": {
                "archivable": self.own, "readOnlyDefinition": not self.own,
                "readOnlyOptions": not self.own, "readOnlyValue": self.read_only,
            },
        }  # fmt: skip


def stored(definition: Property, value: Any) -> str | None:
    """The value as it is stored, None when it clears; raises HubSpotError naming the property."""
    name = definition.name
    if value is None or value == "":
        return None
    if isinstance(value, dict | list):
        raise invalid(f"{name} must be a string, number or boolean", "INVALID_TYPE", name)
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    if definition.type == "number" and _NUMBER.fullmatch(text) is None:
        raise invalid(f"{text} was not a valid number", "INVALID_NUMBER", name)
    if definition.type in {"datetime", "date"}:
        return _instant(definition, text)
    if definition.type == "bool" and text not in {"true", "false"}:
        raise invalid(f"{text} was not one of true, false", "INVALID_BOOLEAN", name)
    if definition.type == "enumeration" and not definition.external:
        _check_option(definition, text)
    return text


def _check_option(definition: Property, text: str) -> None:
    several = definition.field_type == "checkbox"
    chosen = [part for part in text.split(";") if part] if several else [text]
    allowed = {str(option.get("value")) for option in definition.options}
    if not set(chosen) <= allowed:
        message = f"{text} was not one of the allowed options: {sorted(allowed)}"
        raise invalid(message, "INVALID_OPTION", definition.name)


def _instant(definition: Property, text: str) -> str:
    try:
        if _INTEGER.fullmatch(text):
            moment = datetime.fromtimestamp(int(text) / 1000, UTC)
        else:
            moment = datetime.fromisoformat(text)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise invalid(f"{text} was not a valid long", "INVALID_LONG", definition.name) from error
    if definition.type == "datetime":
        return iso(moment)
    if (moment.hour, moment.minute, moment.second, moment.microsecond) != (0, 0, 0, 0):
        raise invalid(f"{text} is not at midnight UTC", "INVALID_DATE", definition.name)
    return moment.date().isoformat()


def iso(moment: datetime) -> str:
    """As HubSpot writes instants: milliseconds and Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def epoch_ms(text: str) -> int:
    """Milliseconds of a stored date or datetime."""
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return round(moment.timestamp() * 1000)
