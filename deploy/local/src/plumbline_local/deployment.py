"""A running Plumbline on one machine: the pair, then the services, each a supervised process."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from plumbline_local.infrastructure import (
    External,
    Infrastructure,
    prepare_infrastructure,
)
from plumbline_local.leftovers import end_leftovers
from plumbline_local.locks import FileLock
from plumbline_local.pair import take_home
from plumbline_local.paths import Cache, Home, write_private
from plumbline_local.ports import LOOPBACK, keep_ports
from plumbline_local.program import Program
from plumbline_local.readiness import wait_for_both
from plumbline_local.run import Run
from plumbline_local.scrape import write_targets
from plumbline_local.shutdown import end_processes
from plumbline_local.supervise import (
    INFRASTRUCTURE,
    INFRASTRUCTURE_STOP_SECONDS,
    SERVICE_STOP_SECONDS,
    SERVICES,
    Group,
    Manager,
    ManagerError,
)
from plumbline_local.watch import Watch

READY_SECONDS = 60.0
MANAGER_SECONDS = 15.0
HEALTH_LISTEN = "PLUMBLINE_HEALTH_LISTEN"
Prepare = Callable[[str, str], Awaitable[None]]
Progress = Callable[[str], None]


class DeploymentError(Exception):
    """The deployment cannot go on; the message says why and which log tells more."""


@dataclass(frozen=True)
class ServiceSpec:
    """One service: a name (also of its log), a command with an absolute path, what its
    environment adds.

    It answers `/health/live` and `/health/ready` on the PLUMBLINE_HEALTH_LISTEN it is given.
    `holds_signals` as in `Program`.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    holds_signals: bool = False


async def prepare_nothing(_bootstrap_servers: str, _database_url: str) -> None:
    """The default of `prepare`."""


class Deployment:
    """What `plumbline up` runs. `run` is the whole life; `up` and `down` are its halves.

    `prepare(bootstrap_servers, database_url)` runs when both servers answer, before any service
    starts. Services inherit this process's environment, PLUMBLINE_HOME, PLUMBLINE_CONFIG, the two
    addresses and their own. `progress` gets lines for a person. One deployment per home: a second
    one is refused.
    """

    def __init__(
        self,
        home: Home,
        cache: Cache,
        services: Sequence[ServiceSpec],
        *,
        prepare: Prepare = prepare_nothing,
        config: Path | None = None,
        edge_url: str | None = None,
        external: External | None = None,
        progress: Progress = lambda _: None,
    ) -> None:
        self.home = home
        self._cache = cache
        self._services = tuple(services)
        self._prepare = prepare
        self._config = config
        self._edge_url = edge_url
        self._external = external or External()
        self._report = progress
        self._stop_asked = asyncio.Event()
        self._hurry = asyncio.Event()
        self._lock: FileLock | None = None
        self._manager: Manager | None = None
        self._groups: list[Group] = []
        self._watch: Watch | None = None
        self._watching: asyncio.Task[None] | None = None

    async def run(self, story: Callable[[], Awaitable[None]] | None = None) -> None:
        """Up, until SIGTERM, SIGINT or `request_stop`, down. A second signal hurries.

        `story` is played once everything runs; the deployment outlives it unless it asks for the
        stop. What goes wrong is raised after everything has been stopped.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.request_stop)
        try:
            await self._until_stop_asked(self._live(story))
        finally:
            await self.down()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def request_stop(self) -> None:
        """Begin to stop; called again, stop without patience."""
        if self._stop_asked.is_set():
            self._hurry.set()
        self._stop_asked.set()

    async def up(self) -> None:
        """Start everything and return when the services have been started (not: are ready).

        Raises HomeError, JarError, KafkaError, PostgresError, RootRefusedError, NotReadyError,
        DeploymentError and what `prepare` raises; call `down` then too.
        """
        self._lock = await asyncio.to_thread(take_home, self.home)
        found = await prepare_infrastructure(self.home, self._cache, self._external, self._progress)
        write_private(self.home.database_url_file, found.database_url + "\n")
        listens = self._health_addresses()
        write_targets(self.home, listens)
        self._groups = self._make_groups(found, listens)
        manager = self._manager = Manager(self.home)
        manager.spawn(self._groups, self._shared_environment(found))
        await self._manager_answers(manager)
        self._watch = Watch(
            self.home,
            manager,
            found,
            listens,
            edge_url=self._edge_url,
            started_at=datetime.now(UTC),
        )
        self._watching = asyncio.create_task(self._watch.keep())
        self._progress("starting Kafka and PostgreSQL")
        servers = (found.bootstrap_servers, found.database_url)
        hopeless = [partial(self._watch.hopeless, name) for name in ("kafka", "postgres")]
        await wait_for_both(servers, READY_SECONDS, *hopeless)
        await self._prepare(found.bootstrap_servers, found.database_url)
        if self._services:
            self._progress(f"starting {', '.join(spec.name for spec in self._services)}")
            await asyncio.to_thread(manager.start_group, SERVICES)

    async def down(self) -> None:
        """Stop everything, services first, within 30 s; remove run.json; give the home back."""
        if self._lock is None:
            return
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._manager is not None and self._manager.process is not None:
            groups = {group.name for group in self._groups if group.programs}
            await end_processes(self._manager, groups, self._hurry)
        await asyncio.to_thread(end_leftovers, self.home)
        self.home.run_file.unlink(missing_ok=True)
        self.home.targets_file.unlink(missing_ok=True)
        self.home.database_url_file.unlink(missing_ok=True)
        self._lock.release()
        self._lock = None

    async def start(self, name: str) -> None:
        """Start the stopped process `name` (a service, `kafka` or `postgres`); back at once."""
        await asyncio.to_thread(self._running_manager().start, name)

    async def stop(self, name: str) -> None:
        """Stop the process `name` cleanly; it stays down until `start`."""
        await asyncio.to_thread(self._running_manager().stop, name)

    async def restart(self, name: str) -> None:
        """Stop cleanly, start again."""
        await self.stop(name)
        await self.start(name)

    async def kill(self, name: str) -> None:
        """kill -9; the manager starts it again."""
        await asyncio.to_thread(self._running_manager().kill, name)

    def current(self) -> Run:
        """What run.json holds. Raises DeploymentError before the servers have been prepared."""
        if self._watch is None:
            raise DeploymentError("nothing runs yet")
        return self._watch.current()

    async def _live(self, story: Callable[[], Awaitable[None]] | None) -> None:
        await self.up()
        assert self._watching is not None
        if story is not None:
            playing = asyncio.ensure_future(story())
            try:
                await asyncio.wait((playing, self._watching), return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not playing.done():
                    playing.cancel()
            if playing.done():
                playing.result()
        await self._watching  # ends only by an error

    async def _until_stop_asked(self, life: Awaitable[None]) -> None:
        living = asyncio.ensure_future(life)
        stop = asyncio.ensure_future(self._stop_asked.wait())
        await asyncio.wait((living, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not living.done():
            living.cancel()
        await asyncio.wait((living,))
        if not living.cancelled() and not self._stop_asked.is_set():
            living.result()

    def _progress(self, line: str) -> None:
        if self._stop_asked.is_set():
            raise DeploymentError("asked to stop")  # ends a download in its thread
        self._report(line)

    def _health_addresses(self) -> dict[str, str]:
        ports = keep_ports(self.home, [f"health:{spec.name}" for spec in self._services])
        return {
            spec.name: spec.env.get(HEALTH_LISTEN, f"{LOOPBACK}:{ports[f'health:{spec.name}']}")
            for spec in self._services
        }

    def _make_groups(self, found: Infrastructure, listens: Mapping[str, str]) -> list[Group]:
        services = [
            Program(
                name=spec.name,
                argv=spec.argv,
                env={HEALTH_LISTEN: listens[spec.name], **spec.env},
                inherit=True,
                holds_signals=spec.holds_signals,
            )
            for spec in self._services
        ]
        return [
            Group(INFRASTRUCTURE, found.programs, 1, True, 2, INFRASTRUCTURE_STOP_SECONDS),
            Group(SERVICES, services, 2, False, 5, SERVICE_STOP_SECONDS),
        ]

    def _shared_environment(self, found: Infrastructure) -> dict[str, str]:
        config = {"PLUMBLINE_CONFIG": str(self._config)} if self._config else {}
        return {
            "PLUMBLINE_HOME": str(self.home.root),
            "KAFKA_BOOTSTRAP_SERVERS": found.bootstrap_servers,
            "DATABASE_URL": found.database_url,
            **config,
        }

    def _running_manager(self) -> Manager:
        if self._manager is None:
            raise DeploymentError("nothing runs yet")
        return self._manager

    async def _manager_answers(self, manager: Manager) -> None:
        deadline = asyncio.get_running_loop().time() + MANAGER_SECONDS
        while True:
            try:
                await asyncio.to_thread(manager.processes)
            except ManagerError as error:
                late = asyncio.get_running_loop().time() > deadline
                if late or not manager.alive():
                    log = self.home.log_file("supervisord")
                    raise DeploymentError(f"supervisord does not start, see {log}") from error
                await asyncio.sleep(0.05)
            else:
                return
