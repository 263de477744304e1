"""Whether an event posted now will flow: `GET /health/ready` on the edge's port (design 9)."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import asyncpg
import structlog
from plumbline_runtime.config import DeploymentConfig
from plumbline_runtime.health import Health
from plumbline_runtime.postgres import UNREACHABLE

SERVICES: Final = ("ingest-webhooks", "matcher", "writeback", "reconciler")
_QUERY_SECONDS: Final = 1.0

_HEARTBEATS: Final = """
select service, instance, ready, conditions,
       extract(epoch from clock_timestamp() - at)::float8 as age_seconds
from runtime.heartbeats
"""


class Heartbeat(NamedTuple):
    """What a process last said about itself."""

    service: str
    instance: str
    ready: bool
    conditions: Mapping[str, Any]
    age_seconds: float


def required_conditions(config: DeploymentConfig) -> dict[str, list[str]]:
    """Conditions that some live process of each service must report as met.

    Named here, because a service that has only just started has not yet listed them all.
    """
    required: dict[str, list[str]] = {
        "ingest-webhooks": ["consumer:observe", "consumer:refresh"],
        "matcher": ["consumer:matcher"],
        "writeback": ["consumer:writeback-accounts", "consumer:writeback-crm"],
        "reconciler": [],
    }
    for workspace in config.workspaces:
        if workspace.crm is not None:
            required["writeback"].append(f"crm_properties:{workspace.id}/{workspace.crm.name}")
        required["reconciler"].extend(
            f"walks:{workspace.id}/{name}" for name in workspace.connections
        )
    return required


def missing(
    heartbeats: Iterable[Heartbeat], required: Mapping[str, Iterable[str]], max_age: float
) -> list[dict[str, str]]:
    """What stands in the way: a service without live process, or a condition nobody meets."""
    live = [beat for beat in heartbeats if beat.age_seconds <= max_age]
    found: list[dict[str, str]] = []
    for service, conditions in required.items():
        beats = [beat for beat in live if beat.service == service]
        if not beats:
            found.append({"service": service, "missing": "running process"})
            continue
        met = {name for beat in beats for name, state in beat.conditions.items() if _ok(state)}
        found.extend(
            {"service": service, "missing": name, "detail": _detail(beats, name)}
            for name in conditions
            if name not in met
        )
        if not any(beat.ready for beat in beats):
            found.extend(_unmet(service, beats, set(conditions)))
    return found


def _unmet(service: str, beats: Iterable[Heartbeat], named: set[str]) -> list[dict[str, str]]:
    unmet = {
        name: _text(state)
        for beat in beats
        for name, state in beat.conditions.items()
        if not _ok(state) and name not in named
    }
    if not unmet:
        return [{"service": service, "missing": "ready"}]
    return [
        {"service": service, "missing": name, "detail": detail}
        for name, detail in sorted(unmet.items())
    ]


def _ok(state: object) -> bool:
    return bool(state.get("ok")) if isinstance(state, Mapping) else bool(state)


def _text(state: object) -> str:
    return str(state.get("detail") or "") if isinstance(state, Mapping) else ""


def _detail(beats: Iterable[Heartbeat], name: str) -> str:
    details = (_text(beat.conditions[name]) for beat in beats if name in beat.conditions)
    return next((detail for detail in details if detail), "not reported yet")


class HeartbeatReadiness:
    """Asks the heartbeats of all services; one answer serves everyone for a quarter second."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        required: Mapping[str, Iterable[str]],
        *,
        own: Health,
        max_age: float,
        cache_seconds: float,
    ) -> None:
        self._pool = pool
        self._required = required
        self._own = own
        self._max_age = max_age
        self._cache_seconds = cache_seconds
        self._lock = asyncio.Lock()
        self._answer: tuple[bool, dict[str, Any]] = (False, {})
        self._until = 0.0
        self._said: bool | None = None

    async def report(self) -> tuple[bool, dict[str, Any]]:
        """Ready or not, and the JSON that names what is missing."""
        async with self._lock:
            if time.monotonic() >= self._until:
                self._answer = await self._ask()
                self._tell(self._answer[1]["missing"])
                self._until = time.monotonic() + self._cache_seconds
            return self._answer

    async def _ask(self) -> tuple[bool, dict[str, Any]]:
        try:
            async with asyncio.timeout(_QUERY_SECONDS):
                rows = await self._pool.fetch(_HEARTBEATS)
        except UNREACHABLE as error:
            gap = {"service": "database", "missing": "answer", "detail": type(error).__name__}
            return False, {"ready": False, "missing": [gap]}
        beats = [
            Heartbeat(
                row["service"],
                row["instance"],
                row["ready"],
                row["conditions"],
                row["age_seconds"],
            )
            for row in rows
        ]
        found = missing(beats, self._required, self._max_age)
        found = found or self._unmet_here()
        return not found, {"ready": not found, "missing": found}

    def _unmet_here(self) -> list[dict[str, str]]:
        """What this process still lacks while others do: they may leave as soon as it is ready."""
        return [
            {"service": self._own.service, "missing": name, "detail": condition.detail}
            for name, condition in self._own.conditions().items()
            if condition.gates and not condition.ok
        ]

    def _tell(self, found: list[dict[str, str]]) -> None:
        """A line when it begins or ends, for whoever looks up why a balancer left an instance."""
        if self._said is not None and bool(found) != self._said:
            structlog.get_logger().info("readiness_changed", ready=not found, missing=found)
        self._said = bool(found)
