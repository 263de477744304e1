"""The thin form of an event: no object, only where to read it."""

from datetime import UTC, datetime
from typing import Any

_PATHS = {
    "customer": "customers",
    "subscription": "subscriptions",
    "invoice": "invoices",
    "price": "prices",
    "product": "products",
    "coupon": "coupons",
}


def thin_form(event: dict[str, Any]) -> dict[str, Any]:
    """A v2 event named `v1.<type>` that points at the object of a snapshot event."""
    shaped = event["data"]["object"]
    resource = _PATHS.get(shaped["object"], f"{shaped['object']}s")
    return {
        "id": f"{event['id']}_thin",
        "object": "v2.core.event",
        "type": f"v1.{event['type']}",
        "created": datetime.fromtimestamp(event["created"], UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "livemode": event["livemode"],
        "context": None,
        "reason": None,
        "related_object": {
            "id": shaped["id"],
            "type": shaped["object"],
            "url": f"/v1/{resource}/{shaped['id']}",
        },
        "changes": None,
        "snapshot_event": event["id"],
    }
