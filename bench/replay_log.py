"""The log that the matcher replays: a book, then changes of its subscriptions."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from plumbline_schemas.ids import external_key
from plumbline_schemas.observations import OBSERVATION_ADAPTER, encode_observation

START = datetime(2026, 6, 15, 12, tzinfo=UTC)


def _observation(kind: str, vendor_id: str, body: dict[str, Any], **facts: Any) -> bytes:
    crm = kind in {"company", "config", "walk"}
    plain = {
        "workspace": "acme", "connection": "hubspot" if crm else "stripe", "kind": kind,
        "id": vendor_id, "seen": "event", "origin": "webhook", "body": body, **facts,
    }  # fmt: skip
    return encode_observation(OBSERVATION_ADAPTER.validate_python(plain))


def _at(second: int) -> dict[str, Any]:
    at = START + timedelta(seconds=second)
    return {"vendor_time_ms": int(at.timestamp() * 1000), "received_at": at, "event_id": f"e{at}"}


def subscription(number: int, quantity: int, second: int, *, customer: int | None = None) -> bytes:
    price = {
        "price_id": "price_1", "product": "prod_1", "lookup_key": "growth_monthly",
        "currency": "eur", "unit_amount": "4900", "recurring": {"interval": "month"},
    }  # fmt: skip
    body = {
        "status": "active", "currency": "eur", "start_date": START - timedelta(days=30),
        "items": [{"item_id": f"si_{number}", "quantity": quantity, "price": price}],
    }  # fmt: skip
    parent = external_key(
        "acme", "stripe", "customer", f"cus_{number if customer is None else customer}"
    )
    facts = {**_at(second), "parent_key": parent, "event_type": "customer.subscription.updated"}
    return _observation("subscription", f"sub_{number}", body, **facts)


def book(accounts: int) -> Iterator[bytes]:
    """Configuration, complete walks, and a customer, a company and a subscription each."""
    named = [{"name": "stripe", "kind": "stripe", "mode": "test"},
             {"name": "hubspot", "kind": "hubspot", "mode": "test"}]  # fmt: skip
    config = {"currency": "eur", "connections": named}
    yield _observation("config", "workspace", config, connection="@", origin="console", **_at(0))
    for name in ("stripe", "hubspot"):
        facts = {**_at(0), "connection": name, "seen": "walk", "origin": "walk"}
        yield _observation("walk", "initial", {}, **facts)
    for number in range(accounts):
        domain = f"company{number}.example"
        customer = {"email": f"billing@{domain}", "name": f"Company {number}"}
        company = {"name": f"Company {number}", "domains": [domain]}
        yield _observation("company", str(number), company, **_at(0))
        yield _observation("customer", f"cus_{number}", customer, **_at(0))
        yield subscription(number, 1, 0)


def changes(accounts: int, events: int, first: int) -> list[bytes]:
    """Quantity updates, each of the next customer, each a second later than the last."""
    return [
        subscription(number % accounts, 2 + number % 97, number)
        for number in range(first, first + events)
    ]
