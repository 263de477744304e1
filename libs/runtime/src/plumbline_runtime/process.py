"""Starting and stopping what a service registered, in the right order (engineering.md 3.7)."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from plumbline_runtime.composition import Runtime
from plumbline_runtime.config import DeploymentConfig
from plumbline_runtime.doorway import Front, quiet
from plumbline_runtime.health import Health
from plumbline_runtime.heartbeats import Heartbeats
from plumbline_runtime.leaving import UNANSWERED, TimeLeft, close_pool, say_farewell
from plumbline_runtime.metrics import begin_process
from plumbline_runtime.postgres import create_pool
from plumbline_runtime.producer import Producer
from plumbline_runtime.repeats import Repeats
from plumbline_runtime.servers import HttpServer
from plumbline_runtime.settings import Settings
from plumbline_runtime.supervisor import Supervisor

if TYPE_CHECKING:
    from plumbline_runtime.consumption import Consumption

Build = Callable[[Runtime], Awaitable[None]]

_KAFKA_CHECK_SECONDS: Final = 2.0
_POOL_CLOSE_SECONDS: Final = 3.0
_CALLBACK_SECONDS: Final = 3.0


class Process:
    """One run of one service."""

    def __init__(
        self,
        settings: Settings,
        config: DeploymentConfig,
        build: Build,
        supervisor: Supervisor,
        listens: Sequence[str] = (),
    ) -> None:
        self._settings = settings
        self._config = config
        self._build = build
        self._supervisor = supervisor
        self._health = Health(settings.service)
        self._producer = Producer(settings)
        self._pool: asyncpg.Pool | None = None
        self._runtime: Runtime | None = None
        self._log = structlog.get_logger()
        self._addresses: dict[str, str] = {}
        self._heartbeats = Heartbeats(settings, self._health, self._addresses)
        self._fronts = {
            listen: Front.at(listen, settings.service, self._health.unmet) for listen in listens
        }

    async def run(self) -> None:
        """Run until the supervisor stops; failures are the supervisor's."""
        health_server = HttpServer(self._health.app(), self._settings.health_listen)
        self._addresses["health"] = health_server.address
        begin_process()
        self._log.info("service_starting", health=health_server.address)
        self._supervisor.spawn("health", health_server.run())
        for front in self._fronts.values():
            self._log.info("http_bound", address=front.server.address)
            self._supervisor.spawn(f"http:{front.server.address}", front.server.run())
        try:
            await self._supervisor.until_stopping(self._start())
            await self._supervisor.stopping.wait()
        finally:
            await self._stop()
            health_server.stop()
            await self._supervisor.finish(["health"], 1.0)
        self._log.info("service_stopped", failed=self._supervisor.failure is not None)

    async def _start(self) -> None:
        self._supervisor.spawn("heartbeats", self._heartbeats.run())
        self._health.set("database", False, "connecting")
        self._health.set("kafka", False, "connecting")
        await asyncio.gather(
            self._patiently("database", self._connect_database),
            self._patiently("kafka", self._producer.start),
        )
        assert self._pool is not None
        runtime = Runtime(
            settings=self._settings,
            config=self._config,
            pool=self._pool,
            producer=self._producer,
            health=self._health,
            supervisor=self._supervisor,
            fronts=self._fronts,
        )
        self._runtime = runtime
        runtime.background("attention", runtime.attention.run)
        await self._build(runtime)
        runtime.keep_letters()
        self._supervisor.spawn("kafka", self._check_kafka())
        await self._start_parts(runtime)
        _settle_memory()
        self._health.remove("started")
        self._log.info("service_started", consumers=len(runtime.consumers))

    async def _start_parts(self, runtime: Runtime) -> None:
        for number, server in enumerate(runtime.servers):
            self._addresses[f"http{number or ''}"] = server.address
            if all(server is not front.server for front in self._fronts.values()):
                self._supervisor.spawn(f"http:{server.address}", server.run())
        for name, run in runtime.backgrounds.items():
            self._supervisor.spawn(f"background:{name}", _as_coroutine(run))
        if runtime.consumers:
            from plumbline_runtime.watchdog import Watchdog, watch_loop  # noqa: PLC0415 - FastStream

            limit = self._settings.watchdog_loop_delay_seconds
            self._supervisor.spawn("watchdog:loop", watch_loop(limit))
            for consumption in runtime.consumers:
                watchdog = Watchdog(consumption, self._settings)
                self._supervisor.spawn(f"watchdog:{consumption.group}", watchdog.run())
        await asyncio.gather(
            *(self._join(consumption) for consumption in runtime.consumers),
            *(server.started() for server in runtime.servers),
        )

    async def _join(self, consumption: "Consumption") -> None:
        await self._patiently(f"consumer:{consumption.group}", consumption.start)

    async def _connect_database(self) -> None:
        self._pool = await create_pool(self._settings.database_url, self._settings)

    async def _patiently(self, condition: str, connect: Callable[[], Awaitable[None]]) -> None:
        """Try until it works, telling why it doesn't in the log and at /health/ready."""
        repeats = Repeats()
        while True:
            try:
                await connect()
                break
            except UNANSWERED as error:
                self._health.set(condition, False, type(error).__name__)
                told = repeats.told(type(error).__name__, time.monotonic())
                if told is not None:
                    self._log.warning("waiting_for_server", what=condition, error=error, **told)
            await asyncio.sleep(self._settings.connect_retry_seconds)
        if not condition.startswith("consumer:"):
            self._health.set(condition, True)

    async def _check_kafka(self) -> None:
        while True:
            answers = await self._producer.ping(_KAFKA_CHECK_SECONDS)
            self._health.set("kafka", answers, "" if answers else "no broker answers")
            await asyncio.sleep(_KAFKA_CHECK_SECONDS)

    async def _stop(self) -> None:
        """Ready false, stop taking, finish what is in hand, then close producer and pool."""
        left = TimeLeft(self._settings.shutdown_seconds)
        self._health.set("stopping", False, "stopping")
        await self._supervisor.cancel("heartbeats")
        await self._heartbeats.last()
        runtime = self._runtime
        await asyncio.gather(
            self._close_fronts(), *([] if runtime is None else [self._stop_parts(runtime)])
        )
        for callback in [] if runtime is None else runtime.callbacks:
            try:
                await say_farewell(callback, left.at_most(_CALLBACK_SECONDS))
            except Exception as error:  # noqa: BLE001 - the others must be called all the same
                self._supervisor.fail(error)
        await self._supervisor.cancel("kafka")
        await self._producer.stop(left.at_most(self._settings.stop_seconds))
        if self._pool is not None:
            await close_pool(self._pool, left.at_most(_POOL_CLOSE_SECONDS))

    async def _close_fronts(self) -> None:
        """Public addresses say 503 until a load balancer has seen it, then they close."""
        if self._fronts and self._runtime is not None:
            doorways = [front.doorway for front in self._fronts.values()]
            await quiet(doorways, self._settings.draining_seconds)
        for front in self._fronts.values():
            front.server.stop()
        names = [f"http:{front.server.address}" for front in self._fronts.values()]
        await self._supervisor.finish(names, self._settings.drain_seconds)

    async def _stop_parts(self, runtime: Runtime) -> None:
        fronts = {front.server.address for front in self._fronts.values()}
        own = [server for server in runtime.servers if server.address not in fronts]
        for server in own:
            server.stop()
        for consumption in runtime.consumers:
            await self._supervisor.cancel(f"watchdog:{consumption.group}")
        await self._supervisor.cancel("watchdog:loop")
        names = [f"background:{name}" for name in runtime.backgrounds]
        names += [f"http:{server.address}" for server in own]
        await asyncio.gather(
            self._supervisor.finish(names, self._settings.drain_seconds),
            *(consumption.stop() for consumption in runtime.consumers),
        )


async def _as_coroutine(run: Callable[[], Awaitable[None]]) -> None:
    await run()


def _settle_memory() -> None:
    """Keep what start-up made out of every later collection (engineering.md 9)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
