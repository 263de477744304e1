"""The whole simulator: API and control servers, deliveries, the billing clock."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from plumbline_simulators.calllog import CallLog
from plumbline_simulators.clock import SimulatedClock
from plumbline_simulators.control import control_app
from plumbline_simulators.faults import FaultBook
from plumbline_simulators.gate import Gate
from plumbline_simulators.server import serve
from plumbline_simulators.stripe.access import Access, Permission, RateLimit
from plumbline_simulators.stripe.api import StripeApi
from plumbline_simulators.stripe.billing_clock import BillingClock
from plumbline_simulators.stripe.controls import Controls
from plumbline_simulators.stripe.delivery import Deliverer, DeliverySettings
from plumbline_simulators.stripe.eventlog import Cause
from plumbline_simulators.stripe.ledger import BillingSettings, Ledger
from plumbline_simulators.stripe.store import Store
from plumbline_simulators.stripe.versions import DEFAULT_VERSION
from plumbline_simulators.stripe.webhook_endpoints import register

DEFAULT_KEY = "sk_test_plumbline"


@dataclass(frozen=True)
class Webhook:
    """An endpoint registered before the start, with a given secret."""

    url: str
    secret: str
    enabled_events: tuple[str, ...] = ("*",)
    api_version: str | None = None


@dataclass(frozen=True)
class StripeSettings:
    """`start` None begins now; `livemode` follows from the caller, as do the keys' names."""

    api_keys: Sequence[str] = (DEFAULT_KEY,)
    permissions: Mapping[str, Permission] | None = None
    start: datetime | None = None
    frozen: bool = False
    livemode: bool = False
    version: str = DEFAULT_VERSION
    account_id: str = "acct_1PlumblineSimulator"
    seed: str = "plumbline"
    database: str = ":memory:"
    rate_per_second: float | None = None
    billing: BillingSettings = field(default_factory=BillingSettings)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    webhooks: Sequence[Webhook] = ()


@dataclass(frozen=True)
class StripeState:
    """The parts a test may reach into."""

    ledger: Ledger
    clock: SimulatedClock
    faults: FaultBook
    calls: CallLog
    deliverer: Deliverer
    billing_clock: BillingClock


@dataclass(frozen=True)
class StripeSimulator:
    """Addresses without a trailing slash."""

    base_url: str
    control_url: str
    state: StripeState


@contextlib.asynccontextmanager
async def stripe_simulator(
    settings: StripeSettings | None = None,
    *,
    port: int = 0,
    control_port: int = 0,
    host: str = "127.0.0.1",
) -> AsyncIterator[StripeSimulator]:
    """A running simulator inside the caller's event loop."""
    chosen = settings or StripeSettings()
    state = _state(chosen)
    access = Access(tuple(chosen.api_keys), chosen.account_id, chosen.permissions or {})
    api = StripeApi(state.ledger, access, RateLimit(chosen.rate_per_second))
    control = control_app(
        "stripe",
        clock=state.clock,
        faults=state.faults,
        calls=state.calls,
        routes=Controls(state.ledger, state.deliverer).routes(),
        advance=state.billing_clock.advance,
    )
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(state.ledger.store.close)
        stack.push_async_callback(_cancel, asyncio.create_task(state.deliverer.run()))
        stack.push_async_callback(_cancel, asyncio.create_task(state.billing_clock.run()))
        main = await serve(Gate(api, faults=state.faults, calls=state.calls), host, port)
        stack.push_async_callback(main.stop)
        side = await serve(control, host, control_port)
        stack.push_async_callback(side.stop)
        yield StripeSimulator(main.base_url, side.base_url, state)


def _state(settings: StripeSettings) -> StripeState:
    clock = SimulatedClock(settings.start, frozen=settings.frozen)
    ledger = Ledger(
        Store(settings.database),
        clock,
        seed=settings.seed,
        livemode=settings.livemode,
        version=settings.version,
        billing=settings.billing,
    )
    faults = FaultBook()
    deliverer = Deliverer(ledger, faults, settings.delivery)
    with ledger.caused_by(Cause()):
        for webhook in settings.webhooks:
            register(
                ledger,
                url=webhook.url,
                secret=webhook.secret,
                enabled_events=webhook.enabled_events,
                api_version=webhook.api_version,
            )
    return StripeState(ledger, clock, faults, CallLog(), deliverer, BillingClock(ledger))


async def _cancel(task: asyncio.Task[None]) -> None:
    """End a background task; its own failure, if it had one, is raised here."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
