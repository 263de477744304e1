"""Random logs: batches of any size, crashes between them and redelivery give the same rows.

Each history mixes what has made batches disagree: objects without their customer, catalogue objects
that come late, ties, deletions and restorations, customers that share a company, merges of
companies, changes of time, configuration and walks in between.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from matcher.digest import digest

pytestmark = pytest.mark.server

EMPTY: Final = """
truncate matcher.workspaces, matcher.objects, matcher.accounts,
         matcher.identity_profiles, matcher.identity_keys,
         matcher.links, matcher.account_changes, matcher.outbox, matcher.decisions,
         matcher.rates, matcher.asked, runtime.offsets
"""
STATUSES: Final = (
    *("active",) * 4, "trialing", "canceled", "past_due", "paused", "unpaid", "incomplete",
    "incomplete_expired",
)  # fmt: skip


class History:
    """Writes a random log, the same for the same seed."""

    def __init__(self, kit: Any, seed: int, *, names: int = 8) -> None:
        self.random = random.Random(seed)
        self.kit = kit
        self.names = names
        self.log = kit.log()
        self.kinds: list[tuple[int, Callable[[], object]]] = [
            (6, self.customer), (13, self.subscription), (7, self.invoice), (6, self.company),
            (2, self.product), (2, self.price), (2, self.coupon), (1, self.rates),
            (3, self.tick), (1, self.walk), (1, self.config),
            (2, self.again),
        ]  # fmt: skip

    def write(self, records: int) -> Any:
        """The log of that many records."""
        if self.random.random() < 0.7:
            self.log.config()
        if self.random.random() < 0.4:
            self.log.walked()
        weights = [weight for weight, _ in self.kinds]
        for _ in range(records):
            self.random.choices(self.kinds, weights)[0][1]()
        return self.log

    def name(self) -> int:
        return self.random.randrange(self.names)

    def chance(self, part: float) -> bool:
        return self.random.random() < part

    def days(self, first: int, last: int) -> Any:
        return self.kit.start + timedelta(days=self.random.randrange(first, last))

    def when(self) -> dict[str, int]:
        """Now and then out of order, often in the same second as another."""
        if not self.chance(0.4):
            return {}
        at = self.kit.start + timedelta(seconds=self.random.randrange(0, 120, 4))
        return {"vendor_time_ms": int(at.timestamp() * 1000)}

    def customer(self) -> None:
        vendor_id, facts = f"cus_{self.name()}", self.when()
        if self.chance(0.1):
            self.log.add("customer", vendor_id, None, deleted=True, **facts)
            return
        if self.chance(0.1):
            facts["crm_id"] = str(100 + self.name())
        if self.chance(0.2):
            body = {"email": f"a@d{self.name()}.example", **self.discount(f"di_{vendor_id}")}
            facts.pop("crm_id", None)
            self.log.add("customer", vendor_id, body, **facts)
            return
        self.log.customer(vendor_id, f"a@d{self.name()}.example", **facts)

    def subscription(self) -> None:
        number = self.name()
        changes: dict[str, Any] = {
            "status": self.random.choice(STATUSES), "start_date": self.days(-40, 5),
            **self.when(),
        }  # fmt: skip
        maybe: dict[str, tuple[float, Callable[[], Any]]] = {
            "cancel_at": (0.1, lambda: self.days(0, 200)),
            "trial_end": (0.1, lambda: self.days(-3, 9)),
            "cancel_at_period_end": (0.1, lambda: True),
            "ended_at": (0.1, lambda: self.days(-9, 1)),
            "currency": (0.05, lambda: "usd"),
            "items": (0.1, self.in_dollars),
            "collection_method": (0.2, lambda: "send_invoice"),
            "lookup_key": (0.4, lambda: None),
            "pause_collection": (0.1, self.pause),
        }
        changes |= {name: make() for name, (part, make) in maybe.items() if self.chance(part)}
        if self.chance(0.3):
            changes |= self.discount(f"di_{number}")
        amount = self.random.choice([1000, 2000, 0, 999])
        log_name = f"sub_{number}_{self.random.randrange(3)}"
        self.log.subscription(log_name, f"cus_{number}", amount, **changes)

    def discount(self, vendor_id: str) -> dict[str, Any]:
        """Only named, with its coupon's id, or with as much of the coupon as the vendor likes."""
        told: dict[str, Any] = {"discount_id": vendor_id, "coupon": f"co_{self.name() % 3}"}
        if self.chance(0.5):
            told["coupon_object"] = self.coupon_body(told["coupon"])
        ways: list[list[Any]] = [[], [told], [{"discount_id": vendor_id}]]
        return {"discounts": [vendor_id], "discount_objects": self.random.choice(ways)}

    def coupon_body(self, vendor_id: str) -> dict[str, Any]:
        body = {
            "coupon_id": vendor_id, "percent_off": self.random.choice(["10", "50"]),
            "duration": self.random.choice(["once", "forever"]),
        }  # fmt: skip
        return {**body, "applies_to": []} if self.chance(0.4) else body

    def coupon(self) -> None:
        vendor_id = f"co_{self.name() % 3}"
        if self.chance(0.1):
            self.log.add("coupon", vendor_id, None, deleted=True, **self.when())
            return
        facts: dict[str, Any] = {"seen": "read", "event_id": None} if self.chance(0.5) else {}
        self.log.add("coupon", vendor_id, self.coupon_body(vendor_id), **facts, **self.when())

    def rates(self) -> None:
        revision = self.random.randrange(1, 50)
        days = {self.days(-9, 9).date(): {"USD": f"1.{self.random.randrange(10)}"}}
        self.log.add(
            "rates", self.random.choice(["ecb", "ecb:2026"]), {"revision": revision, "days": days},
            connection="@", origin="console", event_id=None, vendor_time_ms=revision,
        )  # fmt: skip

    def in_dollars(self) -> list[dict[str, Any]]:
        price = {
            "price_id": "price_usd", "currency": "usd", "unit_amount": "1500",
            "recurring": {"interval": "month"},
        }  # fmt: skip
        return [{"item_id": "si_usd", "quantity": 1, "price": price}]

    def pause(self) -> dict[str, Any]:
        behavior = self.random.choice(["void", "mark_uncollectible"])
        return {"behavior": behavior, "resumes_at": self.days(-1, 5) if self.chance(0.5) else None}

    def invoice(self) -> None:
        number = self.name()
        self.log.invoice(
            f"in_{number}_{self.random.randrange(4)}", f"cus_{number}",
            status=self.random.choice(["paid", "paid", "open", "void", "uncollectible", "draft"]),
            subscription=f"sub_{number}_{self.random.randrange(3)}" if self.chance(0.8) else None,
            due_date=self.days(-5, 9) if self.chance(0.5) else None,
            finalized_at=self.days(-9, 1), amount_paid=self.random.choice([0, 1000]),
            next_payment_attempt=self.days(0, 9) if self.chance(0.3) else None,
            **self.when(),
        )  # fmt: skip

    def company(self) -> None:
        domains = {f"d{self.name()}.example" for _ in range(self.random.randrange(3))}
        changes: dict[str, Any] = self.when()
        if self.chance(0.15):
            changes["deleted"] = True
        if self.chance(0.15):
            changes["merged_ids"] = [str(100 + self.name())]
        self.log.company(str(100 + self.name()), *sorted(domains), **changes)

    def product(self) -> None:
        body = {"name": self.random.choice(["A", "B", None])}
        self.log.add("product", "prod_1", body, **self.when())

    def price(self) -> None:
        amount = self.random.choice([1000, 2000])
        body = {
            "price_id": f"price_{amount}", "currency": "eur",
            "nickname": self.random.choice(["x", "y", None]),
            "lookup_key": self.random.choice(["k", None]),
        }  # fmt: skip
        self.log.add("price", f"price_{amount}", body, **self.when())

    def tick(self) -> None:
        self.log.tick(self.days(-2, 12))

    def walk(self) -> None:
        self.log.walked(self.random.choice(["stripe", "hubspot"]))

    def config(self) -> None:
        self.log.config(
            personal_domains=self.random.choice(["match", "skip"]),
            mrr=self.random.choice(["plumbline", "chartmogul", "baremetrics", "profitwell"]),
            currency=self.random.choice(["eur", "eur", "usd"]),
            connections=self.connections(),
        )

    def connections(self) -> list[dict[str, Any]]:
        scope = {"lookup_keys": ["plan_1000", "plan_0"]} if self.chance(0.3) else {}
        return [
            {"name": "stripe", "kind": "stripe", "mode": "test", "scope": scope},
            {"name": "hubspot", "kind": "hubspot"},
        ]

    def again(self) -> None:
        if self.log.observations:
            self.log.observations.append(self.random.choice(self.log.observations))


@pytest.mark.parametrize("seed", range(6))
async def test_random_histories_do_not_depend_on_batches(pool: Any, kit: Any, seed: int) -> None:
    """One record at a time is the definition; the rest are ways to be fast."""
    log = History(kit, seed).write(120)
    found = {}
    for size, fan_out, large in ((1, 500, 99), (5, 2, 99), (7, 500, 1), (37, 500, 1), (500, 3, 99)):
        await pool.execute(EMPTY)
        bench = kit.bench(pool, fan_out_accounts=fan_out, large_customer=large)
        await bench.run(log, size=size)
        found[size] = await digest(pool)
    assert len(set(found.values())) == 1, found
    await bench.rewind()
    await bench.run(log, size=11)
    assert await digest(pool) == found[1]
