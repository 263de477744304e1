"""`plumbline status`: what runs, what waits, and since when each connection has been silent."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import psutil
from plumbline_runtime.circuit_rows import Standing
from plumbline_runtime.config import DeploymentConfig, HubSpotConnection, StripeConnection
from plumbline_schemas.outputs import ConnectionStatus, ServiceState, ServiceStatus, Status

from console.facts import Backlog, Facts, Heartbeat

HEARTBEAT_FRESH_SECONDS = 3.0


class ServiceRun(Protocol):
    """A service as the process manager knows it (`run.json`)."""

    @property
    def name(self) -> str:
        """The service."""

    @property
    def pid(self) -> int | None:
        """None while it is down."""

    @property
    def restarts(self) -> int:
        """Since `up`."""

    @property
    def health_url(self) -> str | None:
        """Where it answers."""


async def gather(
    facts: Facts,
    config: DeploymentConfig,
    services: Sequence[ServiceRun],
    edge_url: str | None,
) -> Status:
    """Put the whole picture together; slow parts are bounded by their own time-outs."""
    heartbeats = await facts.heartbeats()
    backlog = await facts.backlog()
    last = await facts.last_events()
    closed_off = await facts.closed_off()
    shown = [_service(run, heartbeats.get(run.name)) for run in services]
    return Status(
        ready=edge_url is not None and _is_ready(edge_url),
        settled=backlog.settled,
        edge_url=edge_url,
        services=shown,
        lag=backlog.lag,
        reads=backlog.reads,
        effects=backlog.effects,
        attention=backlog.attention,
        attention_kinds=await facts.attention_kinds(),
        incomplete=await facts.incomplete(),
        dead_letters=await facts.dead_letters(),
        connections=[
            _connection(workspace.id, connection, last, closed_off)
            for workspace in config.workspaces
            for connection in workspace.connections.values()
        ],
        rates=await facts.rates(config),
    )


def _connection(
    workspace: str,
    connection: StripeConnection | HubSpotConnection,
    last: Mapping[tuple[str, str], datetime],
    closed_off: Mapping[tuple[str, str], Standing],
) -> ConnectionStatus:
    key = (workspace, connection.name)
    standing = closed_off.get(key)
    return ConnectionStatus(
        name=connection.name,
        workspace=workspace,
        kind=connection.kind,
        last_event_at=last.get(key),
        state="ok" if standing is None else standing.state,
        since=None if standing is None else standing.since,
        detail="" if standing is None else standing.detail,
    )


def unreachable(services: Sequence[ServiceRun], edge_url: str | None) -> Status:
    """What can be said while the database or the broker doesn't answer."""
    return Status(
        ready=False, settled=False, edge_url=edge_url,
        services=[_service(run, None) for run in services],
        lag=0, reads=0, effects=0, attention=0, dead_letters={}, connections=[],
    )  # fmt: skip


def is_up(status: Status) -> bool:
    """Whether every service runs."""
    return bool(status.services) and all(service.state != "down" for service in status.services)


def waiting(backlog: Backlog) -> dict[str, int]:
    """Consumers that still have something to do."""
    return {group: lag for group, lag in backlog.consumers.items() if lag}


def _service(run: ServiceRun, heartbeat: Heartbeat | None) -> ServiceStatus:
    alive = run.pid is not None and _lives(run.pid)
    state, detail = _state(run, heartbeat) if alive else ("down", "the process is gone")
    return ServiceStatus(
        name=run.name,
        pid=run.pid if alive else None,
        state=state,
        restarts=run.restarts,
        rss_bytes=_rss(run.pid) if alive else None,
        health_url=run.health_url,
        detail=detail,
    )


def _state(run: ServiceRun, heartbeat: Heartbeat | None) -> tuple[ServiceState, str]:
    """A service that was restarted is down until it works again; only a first start is starting."""
    waiting: ServiceState = "down" if run.restarts else "starting"
    if heartbeat is None or heartbeat.pid != run.pid:
        return waiting, "restarting" if run.restarts else "no heartbeat yet"
    if heartbeat.age >= HEARTBEAT_FRESH_SECONDS:
        return "down", f"no heartbeat for {heartbeat.age:.0f} s"
    # What is wrong and doesn't keep it from working, such as a braked connection, is told as well.
    return "up" if heartbeat.ready else waiting, "; ".join(heartbeat.unmet)


def _lives(pid: int) -> bool:
    """A process that was killed and not yet buried by its parent has its pid still."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _rss(pid: int | None) -> int | None:
    try:
        return None if pid is None else int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return None


def _is_ready(edge_url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{edge_url}/health/ready", timeout=2) as answer:
            json.load(answer)
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError, ValueError, ConnectionError):
        return False
