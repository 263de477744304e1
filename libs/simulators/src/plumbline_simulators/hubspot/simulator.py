"""The whole simulator: API, control API and webhook delivery in the caller's event loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from plumbline_simulators.clock import SimulatedClock
from plumbline_simulators.control import control_app
from plumbline_simulators.faults import FaultBook
from plumbline_simulators.gate import Gate
from plumbline_simulators.hubspot.app import hubspot_app
from plumbline_simulators.hubspot.control_api import Control
from plumbline_simulators.hubspot.state import HubSpotState
from plumbline_simulators.hubspot.webhooks import Webhooks, WebhookSettings
from plumbline_simulators.server import RunningServer, serve


@dataclass(frozen=True)
class HubSpotSimulator:
    """A running simulator."""

    base_url: str
    control_url: str
    state: HubSpotState


@contextlib.asynccontextmanager
async def hubspot_simulator(
    *,
    port: int = 0,
    control_port: int = 0,
    access_token: str = "pat-na1-simulated",  # noqa: S107 - opens nothing but this simulator
    portal_id: int = 4242,
    app_id: int = 77,
    client_secret: str = "simulated-client-secret",  # noqa: S107 - as above
    webhook_url: str | None = None,
    public_url: str | None = None,
    start: datetime | None = None,
    frozen: bool = False,
) -> AsyncIterator[HubSpotSimulator]:
    """Serve on loopback until the context ends; port 0 takes a free one."""
    settings = WebhookSettings(webhook_url, public_url, client_secret)
    faults = FaultBook()
    webhooks = Webhooks(settings, portal_id, app_id, faults)
    state = HubSpotState(
        access_token=access_token,
        portal_id=portal_id,
        app_id=app_id,
        clock=SimulatedClock(start, frozen=frozen),
        faults=faults,
        webhooks=webhooks,
    )
    api = Gate(hubspot_app(state), faults=state.faults, calls=state.calls)
    control = control_app(
        "hubspot",
        clock=state.clock,
        faults=state.faults,
        calls=state.calls,
        routes=Control(state).routes(),
    )
    delivering = asyncio.create_task(webhooks.run(), name="hubspot webhooks")
    servers: list[RunningServer] = []
    try:
        servers.append(await serve(api, port=port))
        servers.append(await serve(control, port=control_port))
        yield HubSpotSimulator(servers[0].base_url, servers[1].base_url, state)
    finally:
        await asyncio.gather(*(server.stop() for server in servers))
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
