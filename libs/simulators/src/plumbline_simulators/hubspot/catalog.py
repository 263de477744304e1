"""Property definitions and groups of each object type, and the check of values against them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from plumbline_simulators.hubspot.errors import HubSpotError, invalid

TYPES: Final = {
    "string": {"text", "textarea", "html", "phonenumber", "file"},
    "number": {"number", "calculation_equation"},
    "date": {"date"},
    "datetime": {"date"},
    "enumeration": {"select", "radio", "checkbox", "booleancheckbox"},
    "bool": {"booleancheckbox", "checkbox", "select", "radio"},
}
UNIQUE_MAX: Final = 10
MODIFIED: Final = {"companies": "hs_lastmodifieddate", "contacts": "lastmodifieddate"}
DEFAULTS: Final = {
    "companies": ("name", "domain", "createdate", "hs_lastmodifieddate", "hs_object_id"),
    "contacts": (
        "email",
        "firstname",
        "lastname",
        "createdate",
        "lastmodifieddate",
        "hs_object_id",
    ),
}
_STRINGS: Final = {
    "companies": (
        "name", "domain", "hs_additional_domains", "website", "phone", "city", "country",
        "address", "zip", "industry", "description", "hubspot_owner_id", "lifecyclestage",
    ),
    "contacts": (
        "email", "hs_additional_emails", "firstname", "lastname", "phone", "company", "website",
        "jobtitle", "city", "country", "hubspot_owner_id", "lifecyclestage",
    ),
}  # fmt: skip
_READ_ONLY: Final = {
    "hs_object_id": "number",
    "createdate": "datetime",
    "hs_merged_object_ids": "string",
    "hs_object_source": "string",
}


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
    description: str = ""

    def json(self) -> dict[str, Any]:
        """As the API answers it."""
        return {
            "name": self.name, "label": self.label, "type": self.type,
            "fieldType": self.field_type, "groupName": self.group,
            "description": self.description, "options": list(self.options),
            "hasUniqueValue": self.unique, "hidden": False, "displayOrder": -1,
            "calculated": False, "externalOptions": False, "formField": False,
            "hubspotDefined": not self.own, "archived": False,
            "modificationMetadata": {
                "archivable": self.own, "readOnlyDefinition": not self.own,
                "readOnlyValue": self.read_only,
            },
        }  # fmt: skip


@dataclass
class Catalog:
    """Definitions of one object type."""

    object_type: str
    properties: dict[str, Property] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        group = f"{self.object_type[:-1].replace('ie', 'y')}information"
        self.groups[group] = {"name": group, "label": "Information", "displayOrder": -1}
        for name in _STRINGS[self.object_type]:
            unique = (self.object_type, name) == ("contacts", "email")
            self.properties[name] = Property(name, name, "string", "text", group, unique=unique)
        for name, kind in {**_READ_ONLY, MODIFIED[self.object_type]: "datetime"}.items():
            widget = "date" if kind == "datetime" else "text" if kind == "string" else "number"
            self.properties[name] = Property(name, name, kind, widget, group, read_only=True)

    def add_group(self, data: dict[str, Any]) -> dict[str, Any]:
        """Create a group; 409 when it is there."""
        name = data.get("name")
        if not isinstance(name, str) or not name:
            raise HubSpotError(400, "VALIDATION_ERROR", "A property group needs a name")
        if name in self.groups:
            raise HubSpotError(409, "OBJECT_ALREADY_EXISTS", f"Property group {name} exists")
        made = {"name": name, "label": data.get("label", name), "displayOrder": -1}
        self.groups[name] = made
        return {**made, "archived": False}

    def add(self, data: dict[str, Any]) -> Property:
        """Create a property as the API would; raises HubSpotError."""
        name, kind, widget = data.get("name"), data.get("type"), data.get("fieldType")
        if not isinstance(name, str) or not name or name != name.lower():
            raise HubSpotError(400, "VALIDATION_ERROR", f"Property name {name!r} is not valid")
        if name in self.properties:
            raise HubSpotError(409, "OBJECT_ALREADY_EXISTS", f"A property {name} already exists")
        if not isinstance(kind, str) or kind not in TYPES or widget not in TYPES[kind]:
            raise HubSpotError(
                400, "VALIDATION_ERROR", f"type {kind!r} with fieldType {widget!r} is not valid"
            )
        if data.get("groupName") not in self.groups:
            group = data.get("groupName")
            raise HubSpotError(400, "VALIDATION_ERROR", f"Property group {group!r} does not exist")
        options = tuple(data.get("options") or ())
        if kind == "enumeration" and not options:
            raise HubSpotError(400, "VALIDATION_ERROR", f"Enumeration {name} needs options")
        unique = bool(data.get("hasUniqueValue"))
        if unique and sum(p.unique and p.own for p in self.properties.values()) >= UNIQUE_MAX:
            raise HubSpotError(400, "VALIDATION_ERROR", "Too many unique properties (10)")
        made = Property(
            name, str(data.get("label", name)), kind, str(widget), str(data["groupName"]),
            options, unique, own=True, description=str(data.get("description") or ""),
        )  # fmt: skip
        self.properties[name] = made
        return made

    def get(self, name: str) -> Property:
        """A definition; 404 when there is none."""
        if name not in self.properties:
            raise HubSpotError(404, "OBJECT_NOT_FOUND", f"Property {name} does not exist")
        return self.properties[name]

    def check(self, properties: dict[str, Any], *, by_api: bool = True) -> dict[str, str | None]:
        """Values as the vendor would store them; raises HubSpotError naming the property."""
        return {name: self._value(name, value, by_api=by_api) for name, value in properties.items()}

    def _value(self, name: str, value: Any, *, by_api: bool) -> str | None:
        found = self.properties.get(name)
        if found is None:
            raise invalid(f'Property "{name}" does not exist', "PROPERTY_DOESNT_EXIST", name)
        if found.read_only and by_api:
            raise invalid(f'"{name}" is a read only property', "READ_ONLY_VALUE", name)
        if value is None or value == "":
            return None
        text = _as_text(value)
        if found.type == "number":
            return _number(name, text)
        if found.type in {"datetime", "date"}:
            return _instant(name, text, found.type)
        if found.type == "bool" and text not in {"true", "false"}:
            raise invalid(f"{text} is not true or false", "INVALID_BOOLEAN", name)
        allowed = {str(option.get("value")) for option in found.options}
        if found.type == "enumeration" and not set(text.split(";")) <= allowed:
            raise invalid(
                f"{text} was not one of the allowed options: {sorted(allowed)}",
                "INVALID_OPTION",
                name,
            )
        return text


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _number(name: str, text: str) -> str:
    try:
        if Decimal(text).is_finite():
            return text
    except InvalidOperation:
        pass
    raise invalid(f"{text} was not a valid number", "INVALID_NUMBER", name)


def _instant(name: str, text: str, kind: str) -> str:
    try:
        if text.lstrip("-").isdigit():
            moment = datetime.fromtimestamp(int(text) / 1000, UTC)
        else:
            moment = datetime.fromisoformat(text)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    except (ValueError, OverflowError) as error:
        raise invalid(f"{text} was not a valid long", "INVALID_LONG", name) from error
    moment = moment.astimezone(UTC)
    if kind == "date":
        if (moment.hour, moment.minute, moment.second) != (0, 0, 0):
            raise invalid(f"{text} is not at midnight UTC", "INVALID_DATE", name)
        return moment.date().isoformat()
    return iso(moment)


def iso(moment: datetime) -> str:
    """As HubSpot writes instants: milliseconds and Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
