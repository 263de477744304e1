"""MRR: from Stripe's bytes to the exact amount on one core, and `mrr explain` of many folders."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from plumbline_connectors.stripe.translate import StripeContext, translate_event
from plumbline_domain.mrr import subscription_mrr
from plumbline_domain.reckoning import Beside
from plumbline_schemas.billing import Subscription

RECKON_US_MAX: Final = 150
FOLDERS: Final = 400
EXPLAIN_SECONDS_MAX: Final = 5.0
_AT: Final = 1_790_000_000
_NOW: Final = datetime.fromtimestamp(_AT, UTC)
_CONTEXT: Final = StripeContext("acme", "stripe", livemode=False)
_BESIDE: Final = Beside("usd", _NOW)
_SHAPES: Final = {"one item, flat price": 1, "3 items, tiers, two coupons": 3}
BAR_SHAPE: Final = "3 items, tiers, two coupons"


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU microseconds of one subscription."""

    decode_and_translate: float
    reckon: float
    together: float


@dataclass(frozen=True, slots=True)
class MrrResult:
    """By shape; and wall seconds of one call over all folders."""

    shapes: dict[str, Spent]
    explain_seconds: float
    folders: int


async def run_mrr(folder: Path, *, times: int, folders: int = FOLDERS) -> MrrResult:
    """`times` subscriptions of each shape in each of nine rounds; `folder` is an absolute path."""
    shapes = {name: _spent(event(items), times) for name, items in _SHAPES.items()}
    paths = write_folders(folder, folders)
    return MrrResult(shapes, await _explained(paths), folders)


def _spent(body: bytes, times: int) -> Spent:
    def translated() -> Subscription:
        (seen,) = translate_event(body, _CONTEXT, received_at=_NOW).observations
        assert isinstance(seen.body, Subscription)
        return seen.body

    known = translated()
    found = subscription_mrr("sub_1", known, _BESIDE)
    assert found.amount > 0, found
    return Spent(
        _least_us(translated, times),
        _least_us(lambda: subscription_mrr("sub_1", known, _BESIDE), times),
        _least_us(lambda: subscription_mrr("sub_1", translated(), _BESIDE), times),
    )


def _least_us(work: Callable[[], object], times: int) -> float:
    """CPU time of the fastest of nine rounds: what else runs on the machine only ever adds."""
    rounds = []
    for _ in range(9):
        began = time.process_time()
        for _ in range(times):
            work()
        rounds.append((time.process_time() - began) / times * 1e6)
    return round(min(rounds), 1)


async def _explained(paths: list[Path]) -> float:
    """A process of its own, from its start to its end, as who types the command waits."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "console.main", "mrr", "explain", "--json",
        "--at", _NOW.isoformat(), *map(str, paths),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    took = time.perf_counter() - began
    answers = [json.loads(line) for line in out.splitlines()]
    if process.returncode or len(answers) != len(paths):
        raise RuntimeError(f"mrr explain: exit {process.returncode}, {len(answers)} answers")
    if any(answer["status"] != "ok" for answer in answers):
        raise RuntimeError("mrr explain: an answer is not ok")
    return round(took, 2)


def write_folders(folder: Path, count: int) -> list[Path]:
    """Accounts of a customer, a subscription and a paid invoice, each in a folder of its own."""
    paths = []
    for number in range(count):
        path = folder / f"account_{number}"
        path.mkdir(parents=True)
        for name, obj in _objects(number).items():
            (path / f"{name}.json").write_text(json.dumps(obj), encoding="utf-8")
        paths.append(path)
    return paths


def _objects(number: int) -> dict[str, Any]:
    owner = {"customer": f"cus_{number}", "livemode": False}
    customer = {"id": f"cus_{number}", "object": "customer", "livemode": False, "created": _AT}
    invoice = {
        "id": f"in_{number}", "object": "invoice", "status": "paid", "currency": "usd",
        "created": _AT - 9, "amount_due": 5000, "amount_paid": 5000, "total": 5000,
        "status_transitions": {"finalized_at": _AT - 9, "paid_at": _AT - 9},
        "parent": {"subscription_details": {"subscription": "sub_1"}}, **owner,
    }  # fmt: skip
    return {"customer": customer, "subscription": subscription(3) | owner, "invoice": invoice}


def event(items: int) -> bytes:
    """What Stripe delivers when a subscription was updated."""
    return json.dumps(
        {
            "id": "evt_1", "object": "event", "type": "customer.subscription.updated",
            "created": _AT, "livemode": False, "api_version": "2026-10-28.endive",
            "data": {"object": subscription(items), "previous_attributes": None},
        }
    ).encode()  # fmt: skip


def subscription(items: int) -> dict[str, Any]:
    """A Stripe subscription; with more than one item the last is in tiers, with two coupons."""
    held = [_item(number, tiered=number == items > 1) for number in range(1, items + 1)]
    return {
        "id": "sub_1", "object": "subscription", "livemode": False, "status": "active",
        "currency": "usd", "customer": "cus_1", "created": _AT - 99, "start_date": _AT - 99,
        "ended_at": None, "canceled_at": None, "cancel_at": None, "cancel_at_period_end": False,
        "trial_start": None, "trial_end": None, "collection_method": "charge_automatically",
        "pause_collection": None, "latest_invoice": "in_1", "automatic_tax": {"enabled": False},
        "default_tax_rates": [], "default_payment_method": None, "schedule": None,
        "discounts": [_discount(1), _discount(2)] if items > 1 else [], "metadata": {},
        "items": {"object": "list", "data": held, "has_more": False, "url": "/v1/items"},
    }  # fmt: skip


def _item(number: int, *, tiered: bool) -> dict[str, Any]:
    price = {
        "id": f"price_{number}", "object": "price", "active": True, "created": _AT - 99,
        "billing_scheme": "tiered" if tiered else "per_unit", "currency": "usd",
        "livemode": False, "lookup_key": f"plan_{number}", "metadata": {}, "nickname": None,
        "product": f"prod_{number}", "tax_behavior": "exclusive", "transform_quantity": None,
        "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"},
        "tiers_mode": "graduated" if tiered else None, "type": "recurring",
        "unit_amount": None if tiered else 5000, "unit_amount_decimal": None if tiered else "5000",
    }  # fmt: skip
    if tiered:
        price["tiers"] = [_tier(10, 1000), _tier(100, 800), _tier(None, 700)]
    return {
        "id": f"si_{number}", "object": "subscription_item", "created": _AT - 99,
        "current_period_start": _AT - 99, "current_period_end": _AT + 2_592_000,
        "current_trial": None, "discounts": [], "metadata": {}, "price": price, "quantity": 15,
        "subscription": "sub_1", "tax_rates": [],
    }  # fmt: skip


def _tier(up_to: int | None, amount: int) -> dict[str, Any]:
    flat = {"flat_amount": None, "flat_amount_decimal": None}
    return {"up_to": up_to, "unit_amount": amount, "unit_amount_decimal": str(amount), **flat}


def _discount(number: int) -> dict[str, Any]:
    """The first takes a percentage of one product, the second an amount of everything."""
    terms = {"percent_off": 25.5, "amount_off": None, "applies_to": {"products": ["prod_1"]}}
    if number == 2:
        terms = {"percent_off": None, "amount_off": 1000, "applies_to": None}
    coupon = {
        "id": f"co_{number}", "object": "coupon", "created": _AT - 99, "currency": "usd",
        "duration": "forever", "duration_in_months": None, "livemode": False, "metadata": {},
        "name": f"Coupon {number}", "redeem_by": None, "times_redeemed": 1, "valid": True, **terms,
    }  # fmt: skip
    return {
        "id": f"di_{number}", "object": "discount", "customer": "cus_1", "end": None,
        "promotion_code": None, "source": {"type": "coupon", "coupon": coupon},
        "start": _AT - 99, "subscription": "sub_1", "subscription_item": None,
    }  # fmt: skip
