"""Keeps run.json true while a deployment runs, and begins anew what the manager has given up."""

import asyncio
import os
from collections.abc import Mapping
from datetime import datetime

from plumbline_local.infrastructure import Infrastructure, describe_postgres
from plumbline_local.liveness import answers
from plumbline_local.monitor import Watched, given_up, observe
from plumbline_local.paths import Home
from plumbline_local.run import Run, RunKafka, RunService, write_run
from plumbline_local.supervise import Manager, ManagerError

POLL_SECONDS = 1.0
SERVER_TRIES = 3


class ManagerEndedError(Exception):
    """supervisord is gone although nobody stopped it; the message names its log."""


class Watch:
    """Looks at the processes once a second. `listens` is each service's health address."""

    def __init__(
        self,
        home: Home,
        manager: Manager,
        infrastructure: Infrastructure,
        listens: Mapping[str, str],
        *,
        edge_url: str | None,
        started_at: datetime,
    ) -> None:
        self._home = home
        self._manager = manager
        self._infrastructure = infrastructure
        self._listens = listens
        self._edge_url = edge_url
        self._started_at = started_at
        self._watched: dict[str, Watched] = {}
        self._written: Run | None = None

    async def keep(self) -> None:
        """Never returns. Raises ManagerEndedError, or OSError when run.json cannot be written."""
        while True:
            try:
                await self._look()
            except ManagerError as error:
                if not self._manager.alive():
                    log = self._home.log_file("supervisord")
                    raise ManagerEndedError(f"the process manager has ended, see {log}") from error
            await asyncio.sleep(POLL_SECONDS)

    def current(self) -> Run:
        """What was seen last."""
        found = self._infrastructure
        postgres = describe_postgres(self._home, found.database_url, self._seen("postgres").pid)
        return Run(
            pid=os.getpid(),
            edge_url=self._edge_url,
            kafka=RunKafka(bootstrap_servers=found.bootstrap_servers, pid=self._seen("kafka").pid),
            postgres=postgres,
            services=tuple(self._describe(name) for name in self._listens),
            started_at=self._started_at,
        )

    def hopeless(self, name: str) -> str | None:
        """Why the server `name` will not start, once it has ended several times; else None."""
        if self._seen(name).restarts < SERVER_TRIES:
            return None
        log = self._home.log_file(name)
        tail = log.read_text(errors="replace")[-1500:]
        return f"it ended {SERVER_TRIES} times; {log} ends with: {tail}"

    def _seen(self, name: str) -> Watched:
        return self._watched.get(name, Watched())

    def _describe(self, name: str) -> RunService:
        seen = self._seen(name)
        return RunService(
            name=name,
            pid=seen.pid,
            state=seen.state,
            restarts=seen.restarts,
            health_url=f"http://{self._listens[name]}/health/ready",
            log=self._home.log_file(name),
        )

    async def _look(self) -> None:
        infos = await asyncio.to_thread(self._manager.processes)
        young = [name for name in self._listens if infos[name].state == "STARTING"]
        replies = await asyncio.gather(*(answers(self._listens[name]) for name in young))
        lively = {name for name, reply in zip(young, replies, strict=True) if reply}
        self._watched = {
            name: observe(self._seen(name), info, answers=name in lively)
            for name, info in infos.items()
        }
        run = self.current()
        if run != self._written:
            write_run(self._home, run)
            self._written = run
        for name in given_up(infos):
            await asyncio.to_thread(self._manager.start, name)
