"""One row per process, written every second: what `plumbline status` and the edge's readiness read.

The database's clock stamps it, so no process's own clock matters.
"""

import asyncio
import os
from collections.abc import Mapping
from typing import Final

import asyncpg
import structlog

from plumbline_runtime.health import Health
from plumbline_runtime.postgres import UNREACHABLE, connect
from plumbline_runtime.settings import Settings

_EVERY_SECONDS: Final = 0.5
_TIMEOUT_SECONDS: Final = 3.0
_LAST_SECONDS: Final = 1.0


_BEAT: Final = """
insert into runtime.heartbeats (service, instance, pid, ready, conditions, addresses)
values ($1, $2, $3, $4, $5, $6)
on conflict (service, instance) do update set
    pid = excluded.pid, ready = excluded.ready, conditions = excluded.conditions,
    addresses = excluded.addresses, at = excluded.at,
    started_at = case when heartbeats.pid = excluded.pid
                 then heartbeats.started_at else excluded.started_at end
"""


class Heartbeats:
    """Writes the row over a connection of its own, so a busy pool can't silence it."""

    def __init__(self, settings: Settings, health: Health, addresses: Mapping[str, str]) -> None:
        self._settings = settings
        self._health = health
        self._addresses = addresses
        self._conn: asyncpg.Connection | None = None
        self._quiet = False

    async def run(self) -> None:
        """Write every second until cancelled; also states the condition "database"."""
        while True:
            await self._try()
            await asyncio.sleep(_EVERY_SECONDS)

    async def last(self) -> None:
        """Say that the process goes away, if the database still listens."""
        await self._try(_LAST_SECONDS)
        if self._conn is not None:
            self._conn.terminate()
            self._conn = None

    async def _try(self, seconds: float = _TIMEOUT_SECONDS) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._beat()
        except UNREACHABLE as error:
            self._health.set("database", False, type(error).__name__)
            if not self._quiet:
                structlog.get_logger().warning("heartbeat_failed", error=error)
            self._quiet = True
            if self._conn is not None:
                self._conn.terminate()
                self._conn = None
        else:
            self._quiet = False
            self._health.set("database", True)

    async def _beat(self) -> None:
        if self._conn is None:
            self._conn = await connect(self._settings, _TIMEOUT_SECONDS)
        snapshot = self._health.snapshot()
        await self._conn.execute(
            _BEAT,
            self._settings.service,
            self._settings.instance,
            os.getpid(),
            self._health.ready,
            snapshot["conditions"],
            dict(self._addresses),
        )
