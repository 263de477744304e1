"""Property definitions and groups of one object type, and the check of values against them."""

import re
from dataclasses import replace
from typing import Any, Final

from plumbline_simulators.hubspot.errors import HubSpotError, invalid, not_found
from plumbline_simulators.hubspot.kinds import LIFECYCLE_STAGES, Kind
from plumbline_simulators.hubspot.values import Property, stored

Json = dict[str, Any]
TYPES: Final = {
    "string": {"text", "textarea", "html", "phonenumber", "file"},
    "number": {"number", "calculation_equation"},
    "date": {"date"},
    "datetime": {"date"},
    "enumeration": {"select", "radio", "checkbox", "booleancheckbox"},
    "bool": {"booleancheckbox", "checkbox", "select", "radio"},
}
UNIQUE_MAX: Final = 10
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_READ_ONLY: Final = {
    "hs_object_id": "number",
    "createdate": "datetime",
    "hs_merged_object_ids": "string",
    "hs_object_source": "string",
}
_WIDGETS: Final = {"string": "text", "number": "number", "datetime": "date"}
_CHANGEABLE: Final = {
    "label": "label", "description": "description", "groupName": "group", "type": "type",
    "fieldType": "field_type", "options": "options", "hidden": "hidden",
    "formField": "form_field", "displayOrder": "display_order",
}  # fmt: skip


class Catalog:
    """Definitions of one object type."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.properties: dict[str, Property] = {}
        self.groups: dict[str, Json] = {}
        self.unique_names: set[str] = set() if kind.unique is None else {kind.unique}
        """Properties whose values belong to one record only."""
        self.rules: dict[str, re.Pattern[str]] = {}
        """An account's own validation rules: property -> expression (vendors 2.2, from 2026-09)."""
        group = f"{kind.singular}information"
        self.groups[group] = {"name": group, "label": "Information", "displayOrder": -1}
        for name, type_ in kind.definitions:
            self.properties[name] = _predefined(name, type_, group, unique=name == kind.unique)
        for name, type_ in {**_READ_ONLY, kind.modified: "datetime"}.items():
            defined = _predefined(name, type_, group)
            self.properties[name] = replace(defined, read_only=True)

    def get(self, name: str) -> Property:
        """A definition; 404 when there is none."""
        if name not in self.properties:
            raise HubSpotError(404, "OBJECT_NOT_FOUND", f"Property {name} does not exist")
        return self.properties[name]

    def add(self, data: Json) -> Property:
        """Create a property as the API would; raises HubSpotError."""
        name = data.get("name")
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise HubSpotError(400, "VALIDATION_ERROR", f"Property name {name!r} is not valid")
        if name in self.properties:
            message = f"A property named '{name}' already exists."
            raise HubSpotError(409, "OBJECT_ALREADY_EXISTS", message)
        unique = data.get("hasUniqueValue") is True
        if unique and sum(p.unique and p.own for p in self.properties.values()) >= UNIQUE_MAX:
            message = f"No more than {UNIQUE_MAX} unique properties are allowed"
            raise HubSpotError(400, "VALIDATION_ERROR", message)
        blank = Property(name, name, "", "", "", unique=unique, own=True)
        return self._keep(self._changed(blank, data))

    def change(self, name: str, data: Json) -> Property:
        """Change a definition; HubSpot's own, and uniqueness, stay as they are."""
        found = self.get(name)
        if not found.own:
            message = f"{name} is defined by HubSpot and can't be changed"
            raise HubSpotError(400, "VALIDATION_ERROR", message)
        return self._keep(self._changed(found, data))

    def remove(self, name: str) -> None:
        """Archive a definition; HubSpot's own can't be."""
        if not self.get(name).own:
            raise HubSpotError(400, "VALIDATION_ERROR", f"{name} can't be archived")
        del self.properties[name]
        self.unique_names.discard(name)

    def _changed(self, defined: Property, data: Json) -> Property:
        options = data.get("options")
        fit = isinstance(options, list) and all(isinstance(one, dict) for one in options)
        if options is not None and not fit:
            raise HubSpotError(400, "VALIDATION_ERROR", "options must be a list of objects")
        given: dict[str, Any] = {
            field: tuple(data[wire]) if wire == "options" else data[wire]
            for wire, field in _CHANGEABLE.items()
            if data.get(wire) is not None
        }
        made = replace(defined, **given)
        if made.type not in TYPES or made.field_type not in TYPES[made.type]:
            message = f"type {made.type!r} with fieldType {made.field_type!r} is not valid"
            raise HubSpotError(400, "VALIDATION_ERROR", message)
        if made.group not in self.groups:
            message = f"Property group {made.group!r} does not exist"
            raise HubSpotError(400, "VALIDATION_ERROR", message)
        if made.type == "enumeration" and not made.options:
            raise HubSpotError(400, "VALIDATION_ERROR", f"Enumeration {made.name} needs options")
        return made

    def _keep(self, made: Property) -> Property:
        self.properties[made.name] = made
        if made.unique:
            self.unique_names.add(made.name)
        return made

    def add_group(self, data: Json) -> Json:
        """Create a group; 409 when it is there."""
        name = data.get("name")
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise HubSpotError(400, "VALIDATION_ERROR", f"Property group {name!r} is not valid")
        if name in self.groups:
            message = f"A property group named '{name}' already exists."
            raise HubSpotError(409, "OBJECT_ALREADY_EXISTS", message)
        order = data.get("displayOrder", -1)
        self.groups[name] = {
            "name": name, "label": data.get("label") or name, "displayOrder": order,
        }  # fmt: skip
        return self.group(name)

    def group(self, name: str) -> Json:
        """A group; 404 when there is none."""
        if name not in self.groups:
            raise not_found(f"property group {name}")
        return {**self.groups[name], "archived": False}

    def change_group(self, name: str, data: Json) -> Json:
        """Change label or order."""
        self.group(name)
        given: Json = {key: data[key] for key in ("label", "displayOrder") if key in data}
        self.groups[name] |= given
        return self.group(name)

    def remove_group(self, name: str) -> None:
        """Archive a group without properties."""
        self.group(name)
        if any(one.group == name for one in self.properties.values()):
            raise HubSpotError(400, "VALIDATION_ERROR", f"Property group {name} is in use")
        del self.groups[name]

    def check(self, properties: Any, *, by_api: bool = True) -> dict[str, str | None]:
        """Values as the vendor would store them; raises HubSpotError naming the property."""
        if properties is None:
            return {}
        if not isinstance(properties, dict):
            raise HubSpotError(400, "VALIDATION_ERROR", "properties must be an object")
        return {name: self._value(name, value, by_api=by_api) for name, value in properties.items()}

    def check_new(self, properties: Any) -> dict[str, str | None]:
        """`check`, and that what is needed to create is there."""
        values = self.check(properties)
        needed = self.kind.needs_one_of
        if needed and not any(values.get(name) for name in needed):
            message = f"A {self.kind.singular} needs one of: {', '.join(needed)}"
            raise HubSpotError(400, "VALIDATION_ERROR", message)
        return values

    def _value(self, name: str, value: Any, *, by_api: bool) -> str | None:
        defined = self.properties.get(name)
        if defined is None:
            raise invalid(f'Property "{name}" does not exist', "PROPERTY_DOESNT_EXIST", name)
        if defined.read_only and by_api:
            raise invalid(f'"{name}" is a read only property', "READ_ONLY_VALUE", name)
        text = stored(defined, value)
        rule = self.rules.get(name)
        if by_api and rule is not None and text is not None and rule.fullmatch(text) is None:
            message = f"{name} breaks a validation rule of this account"
            raise invalid(message, "FAILED_VALIDATION_RULE", name)
        return text


def _predefined(name: str, type_: str, group: str, *, unique: bool = False) -> Property:
    if type_ == "lifecycle":
        options = tuple({"label": one, "value": one, "hidden": False} for one in LIFECYCLE_STAGES)
        return Property(name, "Lifecycle Stage", "enumeration", "radio", group, options)
    if type_ == "owner":
        return Property(name, "Owner", "enumeration", "select", group, external=True)
    return Property(name, name, type_, _WIDGETS[type_], group, unique=unique)
