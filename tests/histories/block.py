"""Some histories on one simulated account: written, delivered and compared with the truth.

A block is a workspace of its own. Its histories share a catalogue and a clock.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any, Final

from plumbline_connectors.stripe.translate import StripeContext
from plumbline_schemas.observations import OBSERVATION_ADAPTER, AnyObservation
from plumbline_simulators.stripe.ledger import AfterRetries, BillingSettings

from tests.histories.actions import Life
from tests.histories.catalogue import Catalogue
from tests.histories.delivery import ORDERS, Counts, Delivery
from tests.histories.product import Product
from tests.histories.truth import Truth
from tests.histories.truth_money import Json, World
from tests.histories.vendor import START, Vendor

SIZE: Final = 20
"""Histories in a block."""
PARTS: Final = 3
"""Each part is written, then delivered."""
STEPS: Final = 4
"""Actions of each history in a part."""
TIES: Final = 0.05
"""Share of actions after which another follows in the same second."""
LOOKS: Final = 0.02
"""Share of actions after which somebody looks, in the same second."""
RACES: Final = 0.3
"""Share of parts whose last changes are delivered, and looked at, in the second they are made."""
VERSIONS: Final = (
    "2024-12-18.acacia", "2025-04-30.basil", "2025-10-29.clover", "2026-04-22.dahlia",
    "2026-10-28.endive",
)  # fmt: skip
_AFTER: Final[tuple[AfterRetries, ...]] = ("canceled", "unpaid", "past_due", "paused")
_KINDS: Final = ("subscription", "invoice", "charge", "credit_note", "payment_method")
_WALKED: Final = ("payment_method", "subscription", "invoice", "charge", "credit_note")
"""After customers and the catalogue, as the reconciler walks."""


@dataclass(frozen=True)
class Difference:
    """A field that came out otherwise than the vendor's objects say."""

    history: int
    field: str
    found: Any
    true: Any
    order: str


@dataclass
class Outcome:
    """What came of some blocks."""

    compared: int = 0
    differences: list[Difference] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)

    def add(self, other: "Outcome") -> None:
        """Both together."""
        self.compared += other.compared
        self.differences += other.differences
        self.counts.add(other.counts)


class Block:
    """Histories `first` to `first + size - 1` of a seed."""

    def __init__(self, seed: int, first: int, size: int = SIZE) -> None:
        self._random = chance = random.Random(f"{seed}/{first}")
        self._first, self._size = first, size
        self.workspace = f"h{first}"
        self._order = chance.choice(ORDERS)
        billing = BillingSettings(
            after_retries=chance.choice(_AFTER), finalize_after_seconds=chance.choice([0, 3600]),
            retry_days=chance.choice([(1, 3, 5, 7), (2,), (3, 21)]),
            pause_after_first_failure=chance.random() < 0.1,
            resume_when_paid=chance.random() < 0.5,
        )  # fmt: skip
        self._vendor = Vendor(
            f"{seed}/{first}", version=chance.choice(VERSIONS), billing=billing,
            all_events=chance.random() < 0.25,
        )  # fmt: skip
        context = StripeContext(self.workspace, "stripe", livemode=False)
        self._delivery = Delivery(self._vendor, context, chance, self._order)
        self._days = dict(_rates(chance))

    async def play(self, product: Product) -> Outcome:
        """Write, deliver, compare."""
        vendor, catalogue = self._vendor, Catalogue(self._vendor, self._random)
        catalogue.open()
        names = [f"history {self._first + number}" for number in range(self._size)]
        lives = [Life(vendor, catalogue, self._random, name) for name in names]
        for life in lives:
            life.begin()
            vendor.advance(self._random.choice([1, 60, 7200]))
        walked = await self._walk(lives, catalogue)
        opens_at = self._random.choice([0, 0, 0, 0, 1])
        for part in range(PARTS):
            await self._write(lives, catalogue)
            if part == opens_at:
                await product.fold([*self._opening(), *walked])
            bodies = vendor.events()
            await self._deliver(product, self._delivery.take(bodies, last=False))
            await product.fold([self._tick()])
        await self._finish(product)
        self._delivery.count_ties()
        found = await self._compare(product, [life.customer for life in lives])
        vendor.close()
        return found

    async def _walk(self, lives: Sequence[Life], catalogue: Catalogue) -> list[AnyObservation]:
        """What a new connection reads first; some blocks were never walked."""
        if self._random.random() < 0.05:
            return []
        names = [("customer", life.customer) for life in lives]
        names += [(kind, one["id"]) for kind in _WALKED for one in self._vendor.all_of(kind)]
        return await self._delivery.walk([*catalogue.objects(), *names])

    async def _write(self, lives: Sequence[Life], catalogue: Catalogue) -> None:
        for _ in range(STEPS * len(lives)):
            life = self._random.choice(lives)
            life.act()
            if self._random.random() < LOOKS:
                await self._look(life.customer)
            if self._random.random() < TIES:
                life.again()
            if self._random.random() < 0.01:
                self._vendor.twin()
            if self._random.random() < 0.03:
                catalogue.change()
            self._vendor.advance(self._random.choice([1, 5, 600, 20_000, 90_000, 200_000]))
        if self._random.random() < RACES:
            for life in lives:
                life.act()

    async def _look(self, customer: str) -> None:
        kind = self._random.choice(["subscription", "invoice", "customer"])
        if kind == "customer":
            await self._delivery.look(kind, customer)
            return
        for one in self._vendor.ledger.store.of_customer(customer, kind)[-1:]:
            await self._delivery.look(kind, one["id"])

    async def _deliver(self, product: Product, observations: Sequence[AnyObservation]) -> None:
        """In batches of any size, with restarts and reads between them."""
        done = 0
        while done < len(observations):
            size = self._random.choice([3, 40, 500, 500])
            await product.fold(observations[done : done + size])
            done += size
            self._delivery.ask(product.asked.take())
            if self._random.random() < 0.15:
                product.restart()
            if self._random.random() < 0.4:
                await self._read(product)

    async def _read(self, product: Product) -> None:
        seen = await self._delivery.read()
        if seen:
            await product.fold(seen)
            self._delivery.ask(product.asked.take())

    async def _finish(self, product: Product) -> None:
        """Everything arrives, all reads are answered, and time stands where the vendor's does."""
        for _ in range(20):
            await self._deliver(product, self._delivery.take(self._vendor.events(), last=True))
            await product.fold([self._tick()])
            self._delivery.ask(product.asked.take())
            if not self._delivery.asked and not self._vendor.has_news:
                return
            await self._read(product)
        raise RuntimeError(f"{self.workspace}: reads are asked for without an end")

    def _opening(self) -> Iterator[AnyObservation]:
        names = [{"name": "stripe", "kind": "stripe", "mode": "test"}]
        yield self._own("config", "workspace", {"currency": "usd", "connections": names})
        yield self._own("walk", "initial", {}, connection="stripe", seen="walk", origin="walk")
        revision = int(START.timestamp() * 1000)
        rates = {"revision": revision, "days": self._days}
        yield self._own("rates", "ecb", rates, vendor_time_ms=revision)

    def _tick(self) -> AnyObservation:
        now = self._vendor.clock.now().replace(microsecond=0)
        self._now = now
        return self._own("tick", "clock", {"as_of": now}, origin="tick")

    def _own(self, kind: str, name: str, body: Mapping[str, Any], **facts: Any) -> AnyObservation:
        now = self._vendor.clock.now()
        plain = {
            "workspace": self.workspace, "connection": "@", "kind": kind, "id": name,
            "vendor_time_ms": int(now.timestamp() * 1000), "seen": "event", "origin": "console",
            "received_at": now, "body": body,
        }  # fmt: skip
        return OBSERVATION_ADAPTER.validate_python({**plain, **facts})

    async def _compare(self, product: Product, names: Sequence[str]) -> Outcome:
        states, exact = await product.states(self.workspace), await product.exact(self.workspace)
        outcome = Outcome(counts=self._delivery.counts)
        world = self._world()
        for number, name in enumerate(names):
            customer = self._vendor.ledger.store.get(name, "customer")
            if customer is None:
                raise RuntimeError(f"{name} was never made")
            truth = Truth(customer, list(self._objects(name)), world)
            outcome.compared += 1
            found = shown(states.get(name), exact.get(name, Fraction(0)), truth.own())
            for field_name, true in truth.values().items():
                if found[field_name] != true:
                    outcome.differences.append(
                        Difference(
                            self._first + number, field_name, found[field_name], true, self._order
                        )
                    )
        return outcome

    def _objects(self, customer: str) -> Iterator[Json]:
        for kind in _KINDS:
            yield from self._vendor.ledger.store.of_customer(customer, kind)

    def _world(self) -> World:
        kinds = ("price", "product", "coupon", "discount", "tax_rate")
        by_kind = {kind: {one["id"]: one for one in self._vendor.all_of(kind)} for kind in kinds}
        return World(
            int(self._now.timestamp()), "usd", self._days,
            by_kind["price"], by_kind["product"], by_kind["coupon"], by_kind["discount"],
            by_kind["tax_rate"],
        )  # fmt: skip


def shown(
    state: Mapping[str, Any] | None, exact: Fraction, own: Mapping[str, Fraction]
) -> dict[str, Any]:
    """The account's fields as the truth words them.

    Whether a customer is `expanded` hangs on what was observed when (billing.md, fine print): it
    must be what its own stored baseline says, and is `paying` otherwise.
    """
    if state is None:
        return dict.fromkeys(_FIELDS)
    values = {name: one["value"] for name, one in state["fields"].items()}
    values["exact"] = str(exact)
    if state["flags"]["incomplete"]:
        values["mrr"] = state["flags"]["incomplete"]
    if values["stage"] == "expanded" and _above(own, state["baselines"]):
        values["stage"] = "paying"
    return {name: values.get(name) for name in _FIELDS}


def _above(own: Mapping[str, Fraction], baselines: Mapping[str, Mapping[str, str]]) -> bool:
    base = {code: Fraction(text) for one in baselines.values() for code, text in one.items()}
    return any(amount > base.get(code, Fraction(0)) for code, amount in own.items())


_FIELDS: Final = (
    "mrr", "exact", "plan", "payment_status", "stage", "state", "subscription_status",
    "failed_payment_count", "ltv", "last_payment_at", "days_to_first_payment",
    "billing_started_at", "next_renewal_at", "planned_cancellation_at", "mrr_ending",
    "billing_interval", "discount", "payment_method_expires_at",
)  # fmt: skip


def _rates(chance: random.Random) -> Iterator[tuple[date, dict[str, str]]]:
    """Every week or so from before the start to long after the end."""
    day = datetime.date(START) - timedelta(days=90)
    while day < date(2027, 6, 1):
        yield (
            day,
            {"USD": f"1.{chance.randrange(1000, 2000)}", "JPY": f"{chance.uniform(150, 170):.3f}"},
        )
        day += timedelta(days=chance.randrange(1, 15))
