"""One deployment kept alive over many cases, and what a case may do to it."""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import psutil
from aiokafka.errors import KafkaError
from console.facts import GROUPS, Facts
from console.reach import connected, kafka_client
from console.up import SERVICES, ask_ready, prepare
from plumbline_local.deployment import Deployment, ServiceSpec
from plumbline_local.infrastructure import External
from plumbline_local.paths import Cache, Home, write_private
from plumbline_local.ports import keep_ports
from plumbline_local.program import LAUNCHER
from plumbline_local.run import database_url
from plumbline_runtime import failpoints
from plumbline_runtime.config import load_config

from tests.chaos.book import Book
from tests.chaos.evidence import Course, Evidence, Replay
from tests.chaos.gather import Gatherer, all_positions, open_items, set_back, state_hashes
from tests.chaos.settings import QUICK, put_rates, write_config
from tests.chaos.traffic import Traffic
from tests.chaos.vendors import Vendors, open_vendors, seeded

READERS_OF_LOGS = ("ingest-webhooks", "matcher", "writeback")
"""Whose positions a redelivery sets back."""
READY_SECONDS = 120.0
FIRED_SECONDS = 60.0
CEASE_SECONDS = 2.0
TICKS_UNDER_WAY = 5
_UNREACHABLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, KafkaError, TimeoutError)


class FaultMissingError(Exception):
    """The fault a case is about did not happen: the run proves nothing."""


class NotSettledError(Exception):
    """Work was left when the time was over."""


@dataclass
class Stage:
    """What a case acts on. `course` collects what the invariants need to know of this run."""

    vendors: Vendors
    deployment: Deployment
    arms: Path
    gatherer: Gatherer
    chance: random.Random = field(default_factory=lambda: seeded("chaos"))
    course: Course = field(default_factory=Course)
    _acting: Traffic | None = None

    @property
    def kafka(self) -> str:
        return self.deployment.current().kafka.bootstrap_servers

    @property
    def database(self) -> str:
        return database_url(self.deployment.current())

    @property
    def edge(self) -> str:
        return self.deployment.current().edge_url or ""

    @property
    def home(self) -> Path:
        return self.deployment.home.root

    def secret(self, name: str, value: str) -> None:
        """Put another value into one of the files `stripe-key`, `hubspot-token`, ..."""
        write_private(self.home / "secrets" / name, value)

    def rates(self, usd: str) -> None:
        """Put other exchange rates into the file: so many dollars for a euro."""
        put_rates(self.home, usd)

    @asynccontextmanager
    async def traffic(self, per_second: float = 30.0) -> AsyncIterator[Traffic]:
        """Customers act while the block runs; an error of theirs is the case's.

        Inside another such block (the soak's) that one's customers go on and no more are added.
        """
        if self._acting is not None:
            yield self._acting
            return
        traffic = Traffic(self.vendors, seeded(self.chance.random()), per_second)
        self._acting, acting = traffic, asyncio.create_task(traffic.run())
        try:
            yield traffic
        finally:
            self._acting = None
            if not acting.done():
                acting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await acting

    def arm(self, point: str, hits: int = 1, *, block_seconds: float | None = None) -> None:
        """Let a failpoint fire once, at its `hits`-th hit from now on."""
        action = "" if block_seconds is None else f":block:{block_seconds}"
        self.arms.joinpath(point).write_text(f"{hits}{action}", encoding="utf-8")

    async def fired(self, point: str, seconds: float = FIRED_SECONDS) -> None:
        """Wait until an armed failpoint has fired; raises FaultMissingError."""
        deadline = time.monotonic() + seconds
        while self.arms.joinpath(point).exists():
            if time.monotonic() > deadline:
                self.arms.joinpath(point).unlink(missing_ok=True)
                raise FaultMissingError(f"{point} did not fire within {seconds:g} s")
            await asyncio.sleep(0.02)
        await self._wake_manager()

    async def _wake_manager(self) -> None:
        """supervisord looks at what ended once a second, and whenever it is asked something."""
        for _ in range(3):
            await asyncio.sleep(0.05)
            await self._ask_manager()

    async def _ask_manager(self) -> None:
        await asyncio.to_thread(self.deployment._running_manager().processes)

    @asynccontextmanager
    async def no_acks(self, grace_seconds: float = 0.3) -> AsyncIterator[None]:
        """A block in which Kafka acknowledges nothing: any 2xx violates I9.

        Enter when acks have become impossible. Answers on their way are let in: until none has
        come for `grace_seconds`.
        """
        before = await self._answers_cease(grace_seconds)
        yield
        self.course.accepted_without_acks.append(self.vendors.accepted() - before)

    async def _answers_cease(self, seconds: float) -> int:
        counted, since = self.vendors.accepted(), time.monotonic()
        began = since
        while time.monotonic() - since < seconds and time.monotonic() - began < CEASE_SECONDS:
            await asyncio.sleep(0.02)
            if (now := self.vendors.accepted()) != counted:
                counted, since = now, time.monotonic()
        return counted

    def pid(self, name: str) -> int:
        """Process id of a service, `kafka` or `postgres`; raises FaultMissingError if down."""
        run = self.deployment.current()
        pids = {service.name: service.pid for service in run.services}
        pids |= {"kafka": run.kafka.pid, "postgres": run.postgres.pid}
        found = pids[name]
        if found is None:
            raise FaultMissingError(f"{name} is not running")
        return found

    def processes(self) -> dict[str, psutil.Process]:
        """Every service, Kafka and PostgreSQL, as far as they run."""
        found = {}
        for name in (*SERVICES, "kafka", "postgres"):
            with contextlib.suppress(FaultMissingError, psutil.NoSuchProcess):
                found[name] = psutil.Process(self.pid(name))
        return found

    async def kill(self, name: str) -> None:
        """kill -9; the manager starts it again."""
        await self.deployment.kill(name)

    async def terminate(self, name: str) -> None:
        """SIGTERM and wait; measured for I8. `start` brings it back."""
        await self._past_launcher(name)
        began = time.monotonic()
        stopping = asyncio.create_task(self.deployment.stop(name))
        while not (await asyncio.wait({stopping}, timeout=0.05))[0]:
            await self._ask_manager()
        await stopping
        took = time.monotonic() - began
        self.course.stops.append((name, took, await asyncio.to_thread(self._exit_status, name)))

    async def _past_launcher(self, name: str) -> None:
        """Until a process that was just begun is the program itself: a promise of its own."""
        with contextlib.suppress(FaultMissingError, psutil.NoSuchProcess):
            process = psutil.Process(self.pid(name))
            while any(part.endswith(LAUNCHER.name) for part in process.cmdline()):
                await asyncio.sleep(0.01)

    def _exit_status(self, name: str) -> int:
        """As supervisord saw it; a process ended by a signal has no status: -1."""
        manager = self.deployment._running_manager()
        rows = manager._call("getAllProcessInfo")
        (row,) = [row for row in rows if row["name"] == name]
        return int(row["exitstatus"])

    async def start(self, name: str) -> None:
        """Start a stopped service, or `kafka` or `postgres`."""
        await self.deployment.start(name)

    @asynccontextmanager
    async def frozen(self, name: str) -> AsyncIterator[None]:
        """SIGSTOP for the block, then SIGCONT."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def environment(self, **extra: str) -> dict[str, str]:
        """What a further instance of a service needs; give it `PLUMBLINE_INSTANCE` at least."""
        own = {name: value for name, value in os.environ.items()
               if not name.startswith("PLUMBLINE_")}  # fmt: skip
        return {
            **own, **QUICK,
            "PLUMBLINE_HOME": str(self.home),
            "PLUMBLINE_CONFIG": str(self.home / "chaos.toml"),
            "PLUMBLINE_CACHE": str(Cache.from_environment().root),
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "DATABASE_URL": self.database,
            "PLUMBLINE_HEALTH_LISTEN": "127.0.0.1:0",
            **extra,
        }  # fmt: skip

    @asynccontextmanager
    async def another(self, name: str, **extra: str) -> AsyncIterator["subprocess.Popen[bytes]"]:
        """A further instance of a service; ended by SIGTERM, measured for I8."""
        env = self.environment(**extra)
        with (self.home / "logs" / f"another-{name}.log").open("ab") as log:
            process = subprocess.Popen([sys.executable, "-m", SERVICES[name]],
                                       env=env, stdout=log, stderr=log)  # fmt: skip
        try:
            yield process
        finally:
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            status = await asyncio.to_thread(process.wait, 40)
            self.course.stops.append((f"another {name}", time.monotonic() - began, status))

    async def sql(self, query: str, *args: object) -> list[asyncpg.Record]:
        """Ask the deployment's database."""
        async with connected(self.database) as connection:
            return list(await connection.fetch(query, *args))

    async def plumbline(self, *arguments: str) -> str:
        """Run the command of a user of this home; what it printed."""
        done = await asyncio.to_thread(
            subprocess.run, [Path(sys.executable).parent / "plumbline", *arguments],
            env=self.environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout

    async def status(self) -> dict[str, Any]:
        """`plumbline status --json`, as a user sees it."""
        return dict(json.loads(await self.plumbline("status", "--json")))

    async def attention(self) -> list[str]:
        """Keys (workspace/kind/subject) of the items that attention.v1 says are open."""
        return await open_items(self.kafka)

    async def log_is_folded(self) -> bool:
        """No consumer group is behind; reads and writes may wait."""
        async with connected(self.database) as db, kafka_client(self.kafka) as kafka:
            return (await Facts(db, kafka).backlog()).lag <= TICKS_UNDER_WAY

    async def passed(self) -> Callable[[], Awaitable[bool]]:
        """What says whether every consumer has passed the records that are there now."""
        async with connected(self.database) as db, kafka_client(self.kafka) as kafka:
            facts = Facts(db, kafka)
            ends = {
                (group, topic.name, number): end
                for group, topic in GROUPS
                for number, end in (await facts._offsets(topic.name, end=True)).items()
            }

        async def so() -> bool:
            at = {(group, topic, number): n for group, topic, number, n in await self.positions()}
            return all(at.get(place, 0) >= end for place, end in ends.items())

        return so

    async def ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until the edge says so."""
        deadline = time.monotonic() + seconds
        while True:
            ready, missing = await asyncio.to_thread(ask_ready, self.edge)
            if ready:
                return
            if time.monotonic() > deadline:
                raise NotSettledError(f"not ready after {seconds:g} s: {missing}")
            await asyncio.sleep(0.1)

    async def quiet(self) -> bool:
        """No delivery waits and Plumbline has nothing left to do or to publish."""
        if self.vendors.waiting():
            return False
        try:
            async with connected(self.database) as db, kafka_client(self.kafka) as kafka:
                return await self._quiet(db, Facts(db, kafka))
        except _UNREACHABLE:
            return False

    async def _quiet(self, db: asyncpg.Connection, facts: Facts) -> bool:
        if self.vendors.waiting() or not (await facts.backlog()).settled:
            return False
        unsent = await db.fetchval("select count(*) from writeback.outcomes")
        return int(unsent) == 0 and not self.vendors.waiting()

    async def certain(self, seconds: float) -> None:
        """Wait until no write without an answer can come any more."""
        left = "select count(*) from writeback.effects where look_at is not null"
        deadline = time.monotonic() + seconds
        async with connected(self.database) as db:
            while await db.fetchval(left):
                if time.monotonic() > deadline:
                    raise NotSettledError(f"answers are still unknown after {seconds:g} s")
                await asyncio.sleep(0.1)

    async def settle(self, seconds: float) -> float:
        """Seconds until all is quiet, and said so twice; raises NotSettledError."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            with contextlib.suppress(*_UNREACHABLE):
                async with connected(self.database) as db, kafka_client(self.kafka) as kafka:
                    took = await self._becomes_quiet(db, Facts(db, kafka), began + seconds)
                    if took is not None:
                        return took - began
            await asyncio.sleep(0.1)
        raise NotSettledError(f"not quiet after {seconds:g} s")

    async def _becomes_quiet(
        self, db: asyncpg.Connection, facts: Facts, until: float
    ) -> float | None:
        """When it was, of two looks in a row; None when it was not in time."""
        since: float | None = None
        while time.monotonic() < until:
            looked = time.monotonic()
            if not await self._quiet(db, facts):
                since = None
            elif since is not None:
                return since
            else:
                since = looked
            await asyncio.sleep(0.1 if since is None else 0.15)
        return None

    async def evidence(self) -> Evidence:
        """What the window that now ends holds."""
        return await self.gatherer.window(self.kafka, self.database)

    async def replay(self, positions: list[tuple[str, str, int, int]] | None = None) -> Replay:
        """I6: deliver again from `positions` (None: offset 0, and rebuild as well)."""
        await self.settle(30)
        stopped = SERVICES if positions is None else READERS_OF_LOGS
        await asyncio.gather(*(self.terminate(name) for name in stopped))
        before, writes = await state_hashes(self.database), self.vendors.hubspot.state.write_count
        rebuilt = None if positions is not None else await asyncio.to_thread(self._rebuild)
        await set_back(self.database, positions)
        for name in stopped:
            await self.start(name)
        await self.ready()
        await self.settle(300)
        after = await state_hashes(self.database)
        await self.gatherer.skip(self.kafka, self.database)
        return Replay(
            "offset 0" if positions is None else "the case's begin",
            self.vendors.hubspot.state.write_count - writes,
            len(before),
            sorted(name for name in before | after if before.get(name) != after.get(name)),
            rebuilt,
        )

    def _rebuild(self) -> bool:
        """Whether folding the log into an empty database gives what the tables hold."""
        done = subprocess.run(
            [sys.executable, "-m", "matcher.rebuild"],
            env=self.environment(), stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        return bool(json.loads(done.stdout.splitlines()[-1])["equal"])

    async def positions(self) -> list[tuple[str, str, int, int]]:
        """Where every consumer stands."""
        return await all_positions(self.database)


@asynccontextmanager
async def open_stage(
    folder: Path, book: Book | None = None, environment: Mapping[str, str] = {}
) -> AsyncIterator[Stage]:
    """A deployment on a fresh home in `folder`, ready and quiet, with all failpoints at hand.

    `environment` goes to every service on top of QUICK.
    """
    home = Home(folder.resolve() / "home")
    home.ensure()
    arms = home.root / "arms"
    for made in (arms, home.root / "secrets"):
        made.mkdir(mode=0o700, exist_ok=True)
    listen = f"127.0.0.1:{keep_ports(home, ('edge',))['edge']}"
    edge_url = f"http://{listen}"
    async with open_vendors(edge_url, book or Book()) as vendors:
        config = write_config(home, vendors, listen)
        points = ",".join(f"{name}=1@{arms / name}" for name in sorted(failpoints.NAMES))
        shared = {
            **QUICK, **environment,
            failpoints.VARIABLE: points,
            "PLUMBLINE_EDGE_LISTEN": listen,
            "PLUMBLINE_PUBLIC_URL": edge_url,
        }  # fmt: skip
        services = [
            ServiceSpec(name, (sys.executable, "-m", module), shared, holds_signals=True)
            for name, module in SERVICES.items()
        ]
        deployment = Deployment(
            home, Cache.from_environment(), services,
            prepare=prepare(load_config(config)), config=config, edge_url=edge_url,
            external=External(),
        )  # fmt: skip
        try:
            await deployment.up()
            stage = Stage(vendors, deployment, arms, Gatherer(vendors))
            await stage.ready()
            await stage.settle(60)
            await stage.evidence()  # the first window begins after the first walk
            yield stage
        finally:
            await deployment.down()
