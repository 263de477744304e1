"""Webhook endpoints: one secret each, shown at creation; several while one is rolled."""

from collections.abc import Iterable
from typing import Any, Literal

from plumbline_simulators.stripe import params as read
from plumbline_simulators.stripe.errors import StripeError, invalid, required
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.store import Record
from plumbline_simulators.stripe.versions import check_version

MAX_ENDPOINTS = 16
Payload = Literal["snapshot", "thin"]


def create_endpoint(ledger: Ledger, params: Params) -> Record:
    """The API's creation; the answer alone has the secret."""
    events = read.sequence(params, "enabled_events")
    if not events:
        raise required("enabled_events")
    version = read.text(params, "api_version")
    record = register(
        ledger,
        url=read.needed(params, "url"),
        secret=ledger.ids.next("whsec"),
        enabled_events=events,
        api_version=None if version is None else check_version(version),
        description=read.text(params, "description"),
        metadata=read.merged_metadata({}, params),
    )
    return {**record, "secret": record["_secrets"][0]["secret"]}


def register(
    ledger: Ledger,
    *,
    url: str,
    secret: str,
    enabled_events: Iterable[str] = ("*",),
    api_version: str | None = None,
    description: str | None = None,
    metadata: dict[str, str] | None = None,
    payload: Payload = "snapshot",
) -> Record:
    """An endpoint with a given secret."""
    if not url.startswith("http://"):
        raise invalid("url", "Invalid URL: the simulator delivers over http only.")
    if len(ledger.events.endpoints) >= MAX_ENDPOINTS:
        raise StripeError(400, f"You have reached the limit of {MAX_ENDPOINTS} webhook endpoints.")
    record: Record = {
        "object": "webhook_endpoint",
        "id": ledger.ids.next("we"),
        "created": ledger.now(),
        "url": url,
        "enabled_events": list(enabled_events),
        "api_version": api_version,
        "description": description,
        "metadata": metadata or {},
        "status": "enabled",
        "_secrets": [{"secret": secret, "expires_at": None}],
        "_payload": payload,
    }
    ledger.create(record)
    return _refreshed(ledger, record)


def update_endpoint(ledger: Ledger, endpoint_id: str, params: Params) -> Record:
    before = ledger.get("webhook_endpoint", endpoint_id)
    after = dict(before)
    if "url" in params:
        after["url"] = read.needed(params, "url")
    if "enabled_events" in params:
        after["enabled_events"] = read.sequence(params, "enabled_events")
    if "description" in params:
        after["description"] = read.text(params, "description")
    disabled = read.boolean(params, "disabled")
    if disabled is not None:
        after["status"] = "disabled" if disabled else "enabled"
    after["metadata"] = read.merged_metadata(before["metadata"], params)
    ledger.update(before, after)
    return _refreshed(ledger, after)


def delete_endpoint(ledger: Ledger, endpoint_id: str) -> Record:
    record = ledger.get("webhook_endpoint", endpoint_id)
    ledger.delete(record)
    _refreshed(ledger, record)
    return {"id": endpoint_id, "object": "webhook_endpoint", "deleted": True}


def roll_secret(ledger: Ledger, endpoint_id: str, secret: str, old_expires_at: float) -> Record:
    """A new secret; the older ones sign along until `old_expires_at` (real epoch seconds)."""
    before = ledger.get("webhook_endpoint", endpoint_id)
    older = [
        {**kept, "expires_at": min(kept["expires_at"] or old_expires_at, old_expires_at)}
        for kept in before["_secrets"]
    ]
    after = {**before, "_secrets": [{"secret": secret, "expires_at": None}, *older]}
    ledger.update(before, after)
    return _refreshed(ledger, after)


def active_secrets(endpoint: Record, now: float) -> list[str]:
    kept: list[dict[str, Any]] = endpoint["_secrets"]
    return [s["secret"] for s in kept if s["expires_at"] is None or s["expires_at"] > now]


def _refreshed(ledger: Ledger, record: Record) -> Record:
    ledger.events.endpoints = ledger.store.page_all("webhook_endpoint")
    return record
