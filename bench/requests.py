"""Ready-made, signed webhook requests, byte for byte as the vendors would post them."""

import base64
import hashlib
import hmac
import pickle
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson


def http_post(path: str, host: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """One HTTP/1.1 request."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def signed_by_stripe(body: bytes, secret: str, at: int) -> dict[str, str]:
    """`Stripe-Signature`, scheme v1 (vendors 1.1)."""
    value = hmac.new(secret.encode(), b"%d.%b" % (at, body), hashlib.sha256).hexdigest()
    return {"User-Agent": "Stripe/1.0", "Stripe-Signature": f"t={at},v1={value}"}


def signed_by_hubspot(body: bytes, secret: str, url: str, at_ms: int) -> dict[str, str]:
    """Signature v3 (vendors 2.8)."""
    text = f"POST{url}".encode() + body + str(at_ms).encode()
    value = base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()
    return {
        "User-Agent": "HubSpot Webhooks",
        "X-HubSpot-Signature-v3": value,
        "X-HubSpot-Request-Timestamp": str(at_ms),
    }


class StripeEvents:
    """Events about subscriptions, cut from one that the simulated Stripe rendered."""

    def __init__(self, subscription: Mapping[str, Any], api_version: str) -> None:
        self._subscription = orjson.dumps(subscription)
        self._version = api_version
        self._old = (subscription["id"], subscription["customer"])

    def quantity_changed(self, number: int, event: str, old: int, new: int, at: int) -> bytes:
        """`customer.subscription.updated` of customer `number`: its one item's quantity."""
        subscription = self._of(number)
        item = subscription["items"]["data"][0]
        item["quantity"] = new
        previous = {"items": {**subscription["items"], "data": [{**item, "quantity": old}]}}
        return self._event(
            event, "customer.subscription.updated", at,
            {"object": subscription, "previous_attributes": previous},
        )  # fmt: skip

    def payment_failed(self, number: int, event: str, quantity: int, at: int) -> bytes:
        """`customer.subscription.updated` of customer `number`: active became unpaid."""
        subscription = self._of(number)
        subscription["status"] = "unpaid"
        subscription["items"]["data"][0]["quantity"] = quantity
        data = {"object": subscription, "previous_attributes": {"status": "active"}}
        return self._event(event, "customer.subscription.updated", at, data)

    def _of(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self._subscription)
        found["id"], found["customer"] = f"sub_load{number}", f"cus_load{number}"
        item = found["items"]["data"][0]
        item["id"], item["subscription"] = f"si_load{number}", found["id"]
        return found

    def _event(self, event: str, type_: str, at: int, data: Mapping[str, Any]) -> bytes:
        return orjson.dumps(
            {
                "id": event, "object": "event", "account": None, "api_version": self._version,
                "context": None, "created": at, "data": data, "livemode": False,
                "pending_webhooks": 1, "request": {"id": None, "idempotency_key": None},
                "type": type_,
            }
        )  # fmt: skip


def stripe_requests(bodies: Iterable[bytes], url: str, secret: str) -> list[bytes]:
    """Each body as a delivery to `url`, signed now: the edge takes it for five minutes."""
    host, path = _split(url)
    now = int(time.time())
    return [http_post(path, host, body, signed_by_stripe(body, secret, now)) for body in bodies]


def hubspot_requests(bodies: Iterable[bytes], url: str, secret: str) -> list[bytes]:
    """Each body as a delivery to `url`, signed now."""
    host, path = _split(url)
    now = int(time.time() * 1000)
    return [
        http_post(path, host, body, signed_by_hubspot(body, secret, url, now)) for body in bodies
    ]


def hubspot_body(number: int, portal: int) -> bytes:
    """A person renamed a company."""
    return orjson.dumps(
        [
            {
                "eventId": number, "subscriptionId": 7, "portalId": portal, "appId": 77,
                "occurredAt": int(time.time() * 1000), "attemptNumber": 0,
                "subscriptionType": "company.propertyChange", "objectId": 100_000 + number,
                "propertyName": "name", "propertyValue": f"Load {number}", "isSensitive": False,
                "changeSource": "CRM_UI", "sourceId": "userId:5",
            }
        ]
    )  # fmt: skip


def keep(requests: list[bytes], place: Path) -> str:
    """Write the requests where the generator reads them."""
    place.write_bytes(pickle.dumps(requests))
    return str(place)


def _split(url: str) -> tuple[str, str]:
    host, _, path = url.removeprefix("http://").partition("/")
    return host, "/" + path
