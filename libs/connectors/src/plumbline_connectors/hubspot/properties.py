"""Which HubSpot properties carry our fields, and whether existing ones fit (vendors 2.4)."""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from plumbline_schemas.fields import ACCOUNT_ID_PROPERTY, FIELDS, GROUP_LABEL, GROUP_NAME, FieldType

ProblemReason = Literal["unfit_type", "missing_options", "read_only", "refused", "not_unique"]

_FIELD_TYPES: Final[Mapping[FieldType, str]] = {
    "string": "text",
    "number": "number",
    "datetime": "date",
    "enumeration": "select",
    "bool": "booleancheckbox",
}
_FITTING: Final[Mapping[FieldType, frozenset[str]]] = {
    "string": frozenset({"string"}),
    "number": frozenset({"number"}),
    "datetime": frozenset({"datetime"}),  # a date would lose the time of day
    "enumeration": frozenset({"enumeration", "string"}),
    "bool": frozenset({"bool", "enumeration"}),
}
_BOOL_OPTIONS: Final = ("true", "false")


class PropertySpec(NamedTuple):
    """A property that must be there."""

    name: str
    """Vendor property name."""
    type: FieldType
    label: str
    description: str = ""
    options: tuple[str, ...] = ()
    unique: bool = False
    """No two records may have the same value, which only its creation can ask for (vendors 2.4)."""


class PropertyProblem(NamedTuple):
    """A mapped property that can't take our values; a person must change it or the mapping."""

    property: str
    reason: ProblemReason
    found: str
    expected: str


def specs_for(mapping: Mapping[str, str]) -> list[PropertySpec]:
    """The properties of one kind's mapping (our field -> vendor property), by the table of fields.

    Raises KeyError for a field the table doesn't have; configuration is checked before.
    """
    return [
        PropertySpec(name, spec.type, spec.label, spec.description, spec.options)
        for spec, name in ((FIELDS[field], name) for field, name in mapping.items())
    ]


ACCOUNT_ID: Final = PropertySpec(
    ACCOUNT_ID_PROPERTY,
    "string",
    "Plumbline account",
    "On records that Plumbline created: the account each was created for.",
    unique=True,
)


def group_body() -> dict[str, Any]:
    """What creates the group that our properties stand in."""
    return {"name": GROUP_NAME, "label": GROUP_LABEL, "displayOrder": -1}


def creation_body(spec: PropertySpec) -> dict[str, Any]:
    """What creates one property."""
    body: dict[str, Any] = {
        "name": spec.name,
        "label": spec.label,
        "description": spec.description,
        "groupName": GROUP_NAME,
        "type": spec.type,
        "fieldType": _FIELD_TYPES[spec.type],
        "hasUniqueValue": spec.unique,
        "formField": False,
    }
    options = _options(spec)
    if options:
        body["options"] = [
            {"label": _option_label(value), "value": value, "displayOrder": place, "hidden": False}
            for place, value in enumerate(options)
        ]
    return body


def problem_of(spec: PropertySpec, existing: Mapping[str, Any]) -> PropertyProblem | None:
    """Why an existing property can't take the values of `spec`; None when it can.

    An existing one of a fitting type is used as it is (design 9): free text takes an enumeration's
    words, but an enumeration takes no free text, and a date no datetime.
    """
    found = str(existing.get("type"))
    if found not in _FITTING[spec.type]:
        wanted = " or ".join(sorted(_FITTING[spec.type]))
        return PropertyProblem(spec.name, "unfit_type", found, wanted)
    metadata = existing.get("modificationMetadata")
    read_only = isinstance(metadata, Mapping) and metadata.get("readOnlyValue") is True
    if read_only or existing.get("calculated") is True:
        return PropertyProblem(
            spec.name, "read_only", "read only", "a property that can be written"
        )
    if spec.unique and existing.get("hasUniqueValue") is not True:
        return PropertyProblem(spec.name, "not_unique", "any value", "unique values")
    if found == "enumeration":
        return _missing_options(spec, existing)
    return None


def _missing_options(spec: PropertySpec, existing: Mapping[str, Any]) -> PropertyProblem | None:
    options = existing.get("options")
    rows = options if isinstance(options, list) else []
    known = [str(row.get("value")) for row in rows if isinstance(row, Mapping)]
    if set(_options(spec)) <= set(known):
        return None
    wanted = ", ".join(_options(spec))
    return PropertyProblem(spec.name, "missing_options", ", ".join(known), wanted)


def _options(spec: PropertySpec) -> tuple[str, ...]:
    return _BOOL_OPTIONS if spec.type == "bool" else spec.options


def _option_label(value: str) -> str:
    words = value.replace("_", " ")
    named = {"true": "Yes", "false": "No"}
    return named.get(value, words[:1].upper() + words[1:])
