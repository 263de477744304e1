"""Stripe objects as one would save them, and `mrr explain` run over them as a command."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from console.main import app
from typer.testing import CliRunner

Raw = dict[str, Any]

START = 1_767_225_600  # 2026-01-01T00:00:00Z
MONTH = 2_678_400
NOON = "2026-01-10T12:00:00Z"
"""The instant that accounts are explained at, in the first period of every subscription here."""


class Stripe:
    """Builders; every keyword replaces or adds a key."""

    start = START
    month = MONTH

    def customer(self, identity: str = "cus_1", **keys: Any) -> Raw:
        return {
            "id": identity,
            "object": "customer",
            "created": START,
            "currency": "usd",
            "email": "finance@acme.example",
            "name": "Acme",
            "livemode": True,
            "discount": None,
            "metadata": {},
        } | keys

    def price(self, amount: int | None = 10000, identity: str = "price_1", **keys: Any) -> Raw:
        interval = keys.pop("interval", "month")
        count = keys.pop("count", 1)
        usage = keys.pop("usage_type", "licensed")
        recurring = {"interval": interval, "interval_count": count, "usage_type": usage}
        return {
            "id": identity,
            "object": "price",
            "active": True,
            "billing_scheme": "per_unit",
            "currency": "usd",
            "livemode": True,
            "lookup_key": None,
            "nickname": None,
            "product": "prod_1",
            "recurring": recurring,
            "tax_behavior": "exclusive",
            "tiers_mode": None,
            "transform_quantity": None,
            "type": "recurring",
            "unit_amount": amount,
            "unit_amount_decimal": None if amount is None else str(amount),
        } | keys

    def item(self, price: Raw, quantity: int | None = 1, **keys: Any) -> Raw:
        return {
            "id": f"si_{price['id']}",
            "object": "subscription_item",
            "created": START,
            "current_period_start": START,
            "current_period_end": START + MONTH,
            "discounts": [],
            "price": price,
            "quantity": quantity,
            "subscription": "sub_1",
            "tax_rates": [],
        } | keys

    def subscription(self, *items: Raw, **keys: Any) -> Raw:
        identity = keys.get("id", "sub_1")
        lines = list(items) or [self.item(self.price())]
        return {
            "id": identity,
            "object": "subscription",
            "automatic_tax": {"enabled": False},
            "cancel_at": None,
            "cancel_at_period_end": False,
            "canceled_at": None,
            "collection_method": "charge_automatically",
            "created": START,
            "currency": "usd",
            "customer": "cus_1",
            "default_tax_rates": [],
            "discounts": [],
            "ended_at": None,
            "items": self.list(*lines),
            "latest_invoice": None,
            "livemode": True,
            "pause_collection": None,
            "start_date": START,
            "status": "active",
            "trial_start": None,
            "trial_end": None,
        } | keys

    def list(self, *members: Raw, **keys: Any) -> Raw:
        return {"object": "list", "data": list(members), "has_more": False, "url": "/v1/x"} | keys

    def coupon(self, identity: str = "half", **keys: Any) -> Raw:
        terms = {"percent_off": 50} if "amount_off" not in keys else {"percent_off": None}
        return {
            "id": identity,
            "object": "coupon",
            "amount_off": None,
            "currency": None,
            "duration": "forever",
            "duration_in_months": None,
            "applies_to": None,
            "livemode": True,
            "name": None,
            "valid": True,
        } | (terms | keys)

    def discount(self, coupon: Raw | str | None = None, identity: str = "di_1", **keys: Any) -> Raw:
        source = {"type": "coupon", "coupon": self.coupon() if coupon is None else coupon}
        return {
            "id": identity,
            "object": "discount",
            "customer": "cus_1",
            "end": None,
            "promotion_code": None,
            "source": source,
            "start": START,
            "subscription": "sub_1",
        } | keys

    def tax_rate(self, percentage: float = 20, **keys: Any) -> Raw:
        return {
            "id": "txr_1",
            "object": "tax_rate",
            "active": True,
            "inclusive": True,
            "livemode": True,
            "percentage": percentage,
        } | keys

    def invoice(self, status: str = "paid", identity: str = "in_1", **keys: Any) -> Raw:
        paid = 10000 if status == "paid" else 0
        return {
            "id": identity,
            "object": "invoice",
            "amount_due": 10000,
            "amount_paid": paid,
            "amount_remaining": 10000 - paid,
            "attempt_count": 1,
            "attempted": True,
            "collection_method": "charge_automatically",
            "created": START,
            "currency": "usd",
            "customer": "cus_1",
            "lines": self.list(),
            "livemode": True,
            "next_payment_attempt": None,
            "parent": {
                "type": "subscription_details",
                "subscription_details": {"subscription": "sub_1", "metadata": {}},
            },
            "status": status,
            "status_transitions": {
                "finalized_at": START,
                "paid_at": START if status == "paid" else None,
            },
            "total": 10000,
        } | keys

    def event(self, about: Raw, created: int = START, **keys: Any) -> Raw:
        return {
            "id": f"evt_{created}",
            "object": "event",
            "created": created,
            "data": {"object": about},
            "livemode": True,
            "type": f"{about['object']}.updated",
        } | keys


@dataclass(frozen=True)
class Explained:
    """What the command did."""

    code: int
    out: str
    err: str

    @property
    def documents(self) -> list[Raw]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def only(self) -> Raw:
        (document,) = self.documents
        return document

    @property
    def minor(self) -> int:
        assert self.only["status"] == "ok", self.only
        return int(self.only["mrr"]["minor"])


Command = Callable[..., Explained]


@pytest.fixture
def stripe() -> Stripe:
    """Builders of Stripe objects."""
    return Stripe()


@pytest.fixture
def command() -> Command:
    """`plumbline` with these arguments, in this process."""

    def run(*arguments: str | Path) -> Explained:
        done = CliRunner().invoke(app, [str(one) for one in arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Explained(done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Write objects (or texts, or bytes) as files of a new folder."""

    def write(*contents: Mapping[str, Any] | str | bytes, name: str = "account") -> Path:
        place = tmp_path / name
        place.mkdir()
        for number, content in enumerate(contents):
            file = place / f"{number:02d}.json"
            if isinstance(content, bytes):
                file.write_bytes(content)
            else:
                text = content if isinstance(content, str) else json.dumps(content)
                file.write_text(text, encoding="utf-8")
        return place

    return write


@pytest.fixture
def explain(command: Command, folder: Callable[..., Path]) -> Command:
    """`mrr explain --json` of one folder with these objects, at noon of 10 January 2026."""

    def run(*contents: Raw | str | bytes, options: Sequence[str] = ()) -> Explained:
        given = list(options) if "--at" in options else ["--at", NOON, *options]
        return command("mrr", "explain", folder(*contents), "--json", *given)

    return run
