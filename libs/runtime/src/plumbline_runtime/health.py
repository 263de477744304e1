"""Liveness, readiness and metrics of one process (design 9: they mean it)."""

from typing import NamedTuple

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class Condition(NamedTuple):
    """One thing that must be so before the service is ready."""

    ok: bool
    detail: str = ""
    gates: bool = True
    """False for what is wrong and shown, yet no reason to keep all else waiting."""


class Health:
    """The conditions of one process: ready only when every one that gates holds."""

    def __init__(self, service: str) -> None:
        self.service = service
        self._conditions: dict[str, Condition] = {"started": Condition(False, "starting")}

    def set(self, condition: str, ok: bool, detail: str = "", *, gates: bool = True) -> None:
        """State a condition; the first call adds it."""
        self._conditions[condition] = Condition(ok, detail, gates)

    def remove(self, condition: str) -> None:
        """Forget a condition that no longer applies."""
        self._conditions.pop(condition, None)

    @property
    def ready(self) -> bool:
        """Whether every condition that gates holds."""
        return all(condition.ok or not condition.gates for condition in self._conditions.values())

    def unmet(self) -> list[str]:
        """Names of the conditions that don't hold."""
        return [name for name, condition in self.conditions().items() if not condition.ok]

    def conditions(self) -> dict[str, Condition]:
        """A copy, sorted by name."""
        return dict(sorted(self._conditions.items()))

    def snapshot(self) -> dict[str, object]:
        """The body of /health/ready and of the heartbeat row."""
        return {
            "service": self.service,
            "ready": self.ready,
            "conditions": {
                name: {"ok": condition.ok, "detail": condition.detail}
                for name, condition in self.conditions().items()
            },
        }

    def routes(self) -> list[Route]:
        """The three pages, for a service that mounts them in an app of its own."""
        return [
            Route("/health/live", self._live),
            Route("/health/ready", self._ready),
            Route("/metrics", self._metrics),
        ]

    def app(self) -> Starlette:
        """The health server of a process."""
        return Starlette(routes=list(self.routes()))

    async def _live(self, _: Request) -> Response:
        return JSONResponse({"service": self.service, "live": True})

    async def _ready(self, _: Request) -> Response:
        return JSONResponse(self.snapshot(), status_code=200 if self.ready else 503)

    async def _metrics(self, _: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
