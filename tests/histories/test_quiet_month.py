"""A month in which no event arrives: ticks alone move exactly the accounts that time moves."""

import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from plumbline_connectors.stripe.translate import StripeContext
from plumbline_runtime.postgres import create_pool
from plumbline_schemas.observations import OBSERVATION_ADAPTER, AnyObservation
from plumbline_simulators.stripe.eventlog import Cause
from plumbline_simulators.stripe.ledger import BillingSettings
from plumbline_simulators.stripe.payment_methods import renew_card

from tests.histories.delivery import Delivery
from tests.histories.product import Product
from tests.histories.vendor import Vendor

pytestmark = pytest.mark.server

CUSTOMERS = 60
DAYS = 31
DAY = 86_400
WORKSPACE = "quiet"


class Book:
    """Yearly subscriptions; about half of the customers have something that ends by itself."""

    def __init__(self, seed: int) -> None:
        billing = BillingSettings(finalize_after_seconds=0)
        self.vendor = Vendor(
            f"quiet/{seed}", version="2026-10-28.endive", billing=billing, all_events=True
        )
        self._random = random.Random(seed)
        product = self._post("products", {"name": "Year"})["id"]
        price = {"currency": "usd", "unit_amount": 120000, "recurring": {"interval": "year"}}
        self._price = self._post("prices", {"product": product, **price})["id"]
        self._coupons = [
            self._post(
                "coupons",
                {"percent_off": 20, "duration": "repeating", "duration_in_months": months},
            )["id"]
            for months in (1, 2, 3)
        ]
        for_ever = {"percent_off": 10, "duration": "forever"}
        self._coupons.append(self._post("coupons", for_ever)["id"])
        self.customers = [self._customer(number) for number in range(CUSTOMERS)]

    def _post(self, path: str, params: dict[str, Any]) -> dict[str, Any]:
        made = self.vendor.call("POST", f"/v1/{path}", params)
        assert made is not None, (path, params)
        return made

    def _customer(self, number: int) -> str:
        given = {"name": f"c{number}", "payment_method": "pm_card_visa"}
        customer = self._post("customers", given)
        asked: dict[str, Any] = {"customer": customer["id"], "items": [{"price": self._price}]}
        kind = number % 6
        if kind == 1:
            asked["discounts"] = [{"coupon": self._random.choice(self._coupons)}]
        elif kind == 2:
            asked["trial_period_days"] = self._random.randrange(5, 90)
        elif kind == 3:
            days = self._random.randrange(3, 80)
            asked |= {"collection_method": "send_invoice", "days_until_due": days}
        subscription = self._post("subscriptions", asked)
        if kind == 3:
            # What is sent is finalised within the hour, in this account at once.
            self.vendor.advance(1)
        elif kind == 4:
            self._expires(customer["id"], self._random.randrange(1, 7))
        elif kind == 5:
            self._post(f"subscriptions/{subscription['id']}", {"metadata": {"note": "x"}})
        self.vendor.advance(self._random.randrange(60, 7200))
        return str(customer["id"])

    def _expires(self, customer: str, month: int) -> None:
        ledger = self.vendor.ledger
        with ledger.caused_by(Cause()):
            for card in ledger.store.of_customer(customer, "payment_method"):
                renew_card(ledger, card["id"], {"exp_month": month, "exp_year": 2026})

    def moves(self, customer: str, since: int, until: int) -> bool:
        """Whether its objects say that something ends, or comes near, in these seconds."""
        return any(since < at <= until for at in self._turns(customer))

    def _turns(self, customer: str) -> Iterator[int]:
        store = self.vendor.ledger.store
        for one in store.of_customer(customer, "subscription"):
            for name in one.get("discounts") or []:
                discount = store.get(name) or {}
                yield discount["end"] or 0
            if one["status"] == "trialing":
                yield one["trial_end"] - 3 * DAY
        for one in store.of_customer(customer, "invoice"):
            if one["status"] == "open" and one.get("due_date"):
                yield one["due_date"]
        for one in store.of_customer(customer, "payment_method"):
            year, month = one["card"]["exp_year"], one["card"]["exp_month"]
            over = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
            yield int(over.timestamp()) - 30 * DAY


def own(kind: str, name: str, now: datetime, body: Any, **facts: Any) -> AnyObservation:
    plain = {
        "workspace": WORKSPACE, "connection": "@", "kind": kind, "id": name,
        "vendor_time_ms": int(now.timestamp() * 1000), "seen": "event", "origin": "console",
        "received_at": now, "body": body,
    }  # fmt: skip
    return OBSERVATION_ADAPTER.validate_python({**plain, **facts})


async def delivered(book: Book, product: Product) -> datetime:
    """Everything that happened, and a first tick; returns the instant of it."""
    names = [{"name": "stripe", "kind": "stripe", "mode": "test"}]
    now = book.vendor.clock.now()
    config = {"currency": "usd", "connections": names}
    walk = own("walk", "initial", now, {}, connection="stripe", seen="walk", origin="walk")
    await product.fold([own("config", "workspace", now, config), walk])
    context = StripeContext(WORKSPACE, "stripe", livemode=False)
    delivery = Delivery(book.vendor, context, random.Random(1), "in order")
    await product.fold(delivery.take(book.vendor.events(), last=True))
    delivery.ask(product.asked.take())
    while delivery.asked:
        await product.fold(await delivery.read())
        delivery.ask(product.asked.take())
    now = book.vendor.clock.now().replace(microsecond=0)
    await product.fold([own("tick", "clock", now, {"as_of": now}, origin="tick")])
    return now


@pytest.mark.parametrize("seed", [1, 2])
async def test_ticks_alone_move_exactly_what_time_moves(database_url: str, seed: int) -> None:
    book = Book(seed)
    pool = await create_pool(database_url)
    try:
        product = Product(pool)
        await product.open()
        start = await delivered(book, product)
        last = await pool.fetchval("select max(sequence) from matcher.account_changes")
        for hours in range(6, DAYS * 24 + 1, 6):
            now = start + timedelta(hours=hours)
            await product.fold([own("tick", "clock", now, {"as_of": now}, origin="tick")])
        rows = await pool.fetch(
            """select distinct l.key from matcher.account_changes c join matcher.links l
               using (workspace, account_id) where c.sequence > $1""",
            last,
        )
    finally:
        await pool.close()
    moved = {row["key"].split("/", 3)[3] for row in rows}
    since, until = int(start.timestamp()), int(start.timestamp()) + DAYS * DAY
    expected = {one for one in book.customers if book.moves(one, since, until)}
    places = {name: place for place, name in enumerate(book.customers)}
    sys.stdout.write(f"\nmoved:    {sorted(places[one] for one in moved)}\n")
    sys.stdout.write(f"expected: {sorted(places[one] for one in expected)}\n")
    assert moved == expected
    assert 0 < len(moved) < CUSTOMERS // 2
    assert {places[one] % 6 for one in moved} == {1, 2, 3, 4}
    assert product.asked.take() == []
    book.vendor.close()
