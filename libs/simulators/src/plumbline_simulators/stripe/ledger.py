"""The account's books: every change of an object goes through here and leaves its event."""

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from plumbline_simulators.clock import SimulatedClock
from plumbline_simulators.stripe.errors import StripeError, missing
from plumbline_simulators.stripe.eventlog import Cause, EventLog
from plumbline_simulators.stripe.ids import IdFactory
from plumbline_simulators.stripe.render import Renderer, changed
from plumbline_simulators.stripe.store import Record, Store
from plumbline_simulators.stripe.versions import DEFAULT_VERSION

Behaviour = Literal["ok", "fail", "missing"]
AfterRetries = Literal["canceled", "unpaid", "past_due", "paused"]


TAX_PERCENTAGES: Mapping[str, str] = MappingProxyType(
    {"AT": "20", "CH": "8.1", "DE": "19", "FR": "20", "GB": "20", "NL": "21", "US": "0"}
)


@dataclass(frozen=True)
class BillingSettings:
    """What a Stripe account sets in its billing settings, and what the simulator adds.

    `retry_days` count from the first failed attempt. `finalize_after_seconds` 0 finalises
    renewals at once instead of after Stripe's hour. `pause_after_first_failure` pauses when a
    renewal is declined for the first time; `resume_when_paid` ends a pause for payment failure once
    its invoice is paid. `tax_percentages` is what automatic tax takes by the country of the
    customer's address.
    """

    finalize_after_seconds: int = 3600
    retry_days: tuple[int, ...] = (1, 3, 5, 7)
    after_retries: AfterRetries = "canceled"
    pause_after_first_failure: bool = False
    resume_when_paid: bool = False
    payment_behaviour: Behaviour = "ok"
    tax_percentages: Mapping[str, str] = field(default_factory=lambda: TAX_PERCENTAGES)


_TELLS_BEFORE = (".updated", "payment_method.detached")


@dataclass
class Ledger:
    store: Store
    clock: SimulatedClock
    seed: str = "plumbline"
    livemode: bool = False
    version: str = DEFAULT_VERSION
    billing: BillingSettings = field(default_factory=BillingSettings)
    silent: bool = False  # seeding: changes leave no events
    ids: IdFactory = field(init=False)
    renderer: Renderer = field(init=False)
    events: EventLog = field(init=False)
    _cause: Cause = field(init=False, default_factory=Cause)

    def __post_init__(self) -> None:
        self.ids = IdFactory(self.seed)
        self.renderer = Renderer(self.store, livemode=self.livemode)
        self.events = EventLog(self.store, self.ids, livemode=self.livemode, version=self.version)

    def now(self) -> int:
        """Whole seconds of the simulated clock."""
        return self.clock.epoch()

    @contextmanager
    def caused_by(self, cause: Cause) -> Iterator[None]:
        """Changes inside are one transaction and carry this request in their events."""
        outer, self._cause = self._cause, cause
        kept: StripeError | None = None
        try:
            with self.store.transaction():
                try:
                    yield
                except StripeError as error:
                    if not error.keeps_changes:
                        raise
                    kept = error
        except BaseException:
            self.renderer.forget_prices()
            raise
        finally:
            self._cause = outer
        if kept is not None:
            raise kept

    def get(self, kind: str, object_id: str, *, param: str = "id", status: int = 404) -> Record:
        """Raises Stripe's resource_missing."""
        record = self.store.get(object_id, kind)
        if record is None or record.get("_gone"):
            raise missing(kind, object_id, param, status)
        return record

    def create(self, record: Record, event_type: str | None = None) -> Record:
        self.store.put(record["object"], record)
        if event_type is not None:
            self.emit(event_type, record)
        return record

    def update(self, before: Record, after: Record, *event_types: str) -> Record:
        """Keep `after`; each `.updated` and `.detached` carries what differs from `before`.

        An `.updated` event of a change that shows nowhere is left out.
        """
        self.store.put(after["object"], after)
        if after["object"] == "price":
            self.renderer.forget_price(after["id"])
        for event_type in event_types:
            self.emit(event_type, after, before)
        return after

    def delete(self, record: Record, event_type: str | None = None) -> Record:
        self.store.delete(record["id"])
        if event_type is not None:
            self.emit(event_type, record)
        return record

    def emit(self, event_type: str, record: Record, before: Record | None = None) -> None:
        if self.silent:
            return
        render = self.renderer.render

        @functools.cache
        def shape(version: str) -> tuple[Record, Record | None]:
            shaped = render(record, version)
            if before is None or not event_type.endswith(_TELLS_BEFORE):
                return shaped, None
            return shaped, changed(render(before, version), shaped)

        if event_type.endswith(".updated") and before is not None and not shape(self.version)[1]:
            return
        self.events.emit(event_type, record["id"], shape, self._cause, self.now())

    def behaviour(self, customer_id: str) -> Behaviour:
        """How the customer's payment method behaves."""
        customer = self.store.get(customer_id, "customer") or {}
        chosen: Behaviour = customer.get("_payment", self.billing.payment_behaviour)
        method = self.payment_method(customer_id) if chosen == "ok" else None
        if method is not None and (method.get("_declines") or self._is_expired(method)):
            return "fail"
        return chosen

    def payment_method(self, customer_id: str) -> Record | None:
        """The customer's default payment method, when there is a real one."""
        customer = self.store.get(customer_id, "customer") or {}
        name = (customer.get("invoice_settings") or {}).get("default_payment_method")
        return None if name is None else self.store.get(name, "payment_method")

    def _is_expired(self, method: Record) -> bool:
        """A card is good until the end of its month."""
        card = method.get("card")
        now = self.clock.now()
        return card is not None and (card["exp_year"], card["exp_month"]) < (now.year, now.month)
