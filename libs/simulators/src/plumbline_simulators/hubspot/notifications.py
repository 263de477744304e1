"""What happened to a record, as the notifications HubSpot would send of it (vendors 2.9)."""

from collections.abc import Iterator, Mapping
from typing import Any

from plumbline_simulators.hubspot.values import Property, epoch_ms

Json = dict[str, Any]
_FLAGS = {"creation": "NEW", "deletion": "DELETED"}
UNSUBSCRIBABLE = frozenset({"hs_lastmodifieddate", "num_unique_conversion_events"})


def notifications(
    singular: str, record_id: str, what: str, details: Json, known: Mapping[str, Property]
) -> Iterator[Json]:
    """One for each value that moved, else one; without the fields every notification has."""
    if what == "update":
        for name, value in details["moved"].items():
            if name not in UNSUBSCRIBABLE:
                yield {
                    "subscriptionType": f"{singular}.propertyChange",
                    "objectId": int(record_id),
                    "propertyName": name,
                    "propertyValue": _wire(known.get(name), value),
                    "isSensitive": False,
                }
        return
    event: Json = {"subscriptionType": f"{singular}.{what}"}
    if what == "associationChange":
        yield event | {
            "associationType": details["type"],
            "fromObjectId": int(details["from"]),
            "toObjectId": int(details["to"]),
            "associationRemoved": details["removed"],
            "isPrimaryAssociation": False,
        }
        return
    event["objectId"] = int(record_id)
    if what in _FLAGS:
        event["changeFlag"] = _FLAGS[what]
    if what == "merge":
        event |= {
            "primaryObjectId": int(details["primary"]),
            "mergedObjectIds": [int(one) for one in details["merged"]],
            "newObjectId": int(details["new"]),
            "numberOfPropertiesMoved": details["moved"],
        }
    yield event


def names(event: Json) -> set[str]:
    """What a subscription to this notification may be called."""
    type_ = event["subscriptionType"]
    changed = event.get("propertyName")
    return {"all", type_} | ({f"{type_}.{changed}"} if changed else set())


def _wire(defined: Property | None, value: str | None) -> str:
    """Dates and instants travel as epoch milliseconds, everything else as it is."""
    if value and defined is not None and defined.type in {"date", "datetime"}:
        return str(epoch_ms(value))
    return value or ""
