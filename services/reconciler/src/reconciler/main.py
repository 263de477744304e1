"""Composition root of the reconciler: a walker per connection, a ticker per workspace."""

if __name__ == "__main__":
    from plumbline_runtime import early

    early.begin()

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from aiokafka import AIOKafkaConsumer, TopicPartition
from plumbline_runtime.budget import Budget
from plumbline_runtime.config import Workspace
from plumbline_runtime.producer import Producer, PublishFailed, workspace_partition
from plumbline_runtime.service import Runtime, run_service
from plumbline_runtime.survey import watch_deployment
from plumbline_schemas.observations import AnyObservation
from plumbline_schemas.topics import OBSERVATIONS

from reconciler.books import OpenBook, StripeBook, open_book
from reconciler.handle import Walker
from reconciler.rate_keeper import RateKeeper
from reconciler.rate_store import RateStore
from reconciler.settings import ReconcilerSettings
from reconciler.store import Leadership, WalkStore
from reconciler.ticker import Clock, Ticker, system_clock, vendor_clock


class PatientPublisher:
    """Publishes until the broker acknowledges: a walk has nothing better to do than wait."""

    def __init__(self, producer: Producer, runtime: Runtime, retry_seconds: float) -> None:
        self._producer = producer
        self._runtime = runtime
        self._retry_seconds = retry_seconds

    async def publish_observations(self, observations: Sequence[AnyObservation]) -> None:
        """Return when all are acknowledged; a repeated observation folds to nothing."""
        while observations:
            try:
                await self._producer.publish_observations(observations)
            except PublishFailed as error:
                self._runtime.log.warning("publish_failed", error=error)
                await asyncio.sleep(self._retry_seconds)
            else:
                return


class LogRoom:
    """Holds a walk back while the matcher has too much to fold, so live events never wait."""

    def __init__(self, runtime: Runtime, store: WalkStore, workspace: str, limit: int) -> None:
        self._runtime = runtime
        self._store = store
        self._partition = workspace_partition(workspace, OBSERVATIONS.partitions)
        self._limit = limit
        self._consumer: AIOKafkaConsumer | None = None

    async def wait(self) -> None:
        """Return when fewer than the limit of rows wait in the workspace's partition."""
        while await self._ahead() > self._limit:  # noqa: ASYNC110 - another process moves it
            await asyncio.sleep(0.2)

    async def _ahead(self) -> int:
        if self._consumer is None:
            settings = self._runtime.settings
            consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers)
            await consumer.start()
            self._consumer = consumer
            self._runtime.on_stop(consumer.stop)
        topic = TopicPartition(
            self._runtime.settings.topic_prefix + OBSERVATIONS.name, self._partition
        )
        ends = await self._consumer.end_offsets([topic])
        return int(ends[topic]) - await self._store.folded_offset(self._partition)


async def build(runtime: Runtime) -> None:
    """Wire every workspace; one process at a time leads, others stand by."""
    settings = ReconcilerSettings.from_environment()
    for workspace in runtime.config.workspaces:
        for name in workspace.connections:
            runtime.health.set(f"walks:{workspace.id}/{name}", ok=False, detail="not begun")
    watch_deployment(runtime)
    runtime.background("reconcile", partial(_until_stopped, runtime, settings))


async def _until_stopped(runtime: Runtime, settings: ReconcilerSettings) -> None:
    """Lead, or wait to; every position is stored after its rows, so a walk may end anywhere."""
    leading = asyncio.create_task(_lead(runtime, settings))
    stopping = asyncio.create_task(runtime.stopping.wait())
    await asyncio.wait((leading, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    while not leading.done():
        # Again and again: a library below may take one cancellation for its own time-out.
        leading.cancel()
        await asyncio.wait((leading,), timeout=0.2)
    if not leading.cancelled():
        leading.result()


async def _lead(runtime: Runtime, settings: ReconcilerSettings) -> None:
    store = WalkStore(runtime.pool)
    publisher = PatientPublisher(runtime.producer, runtime, settings.retry_seconds)
    leadership = Leadership(runtime.settings.database_url)
    async with leadership.held(), asyncio.TaskGroup() as tasks:
        runtime.log.info("reconciler_leads")
        tasks.create_task(leadership.watch())
        for workspace in runtime.config.workspaces:
            budgets = {name: _budget(runtime, workspace, name) for name in workspace.connections}
            books = {
                name: open_book(workspace, name, runtime.pool, budget)
                for name, budget in budgets.items()
            }
            ticker = Ticker(workspace.id, _clock(runtime, workspace, books), publisher, settings)
            tasks.create_task(ticker.run())
            if workspace.rates is not None:
                keeper = RateKeeper(
                    workspace.id,
                    workspace.rates,
                    store=RateStore(runtime.pool, workspace.id),
                    publisher=publisher,
                    clock=ticker.time,
                    settings=settings,
                )
                tasks.create_task(keeper.run())
            room = LogRoom(runtime, store, workspace.id, settings.unfolded_rows_max)
            for name, (book, account, close) in books.items():
                runtime.on_stop(close)
                connection = workspace.connections[name]
                walker = Walker(
                    workspace.id,
                    name,
                    book,
                    positions=store,
                    publisher=publisher,
                    budget=budgets[name],
                    circuit=runtime.circuit(
                        workspace.id, connection, role="walks", account=account()
                    ),
                    wait_for_room=room.wait,
                    health=runtime.health,
                    settings=settings,
                )
                tasks.create_task(walker.run())


def _clock(runtime: Runtime, workspace: Workspace, books: Mapping[str, OpenBook]) -> Clock:
    named = workspace.workspace.clock
    if named is None:
        return system_clock
    book, account, _ = books[named]
    if not isinstance(book, StripeBook):
        raise TypeError(f"workspace.clock: {named} is no connection whose clock can be read")
    circuit = runtime.circuit(
        workspace.id, workspace.connections[named], role="clock", account=account()
    )
    return vendor_clock(book.now, circuit)


def _budget(runtime: Runtime, workspace: Workspace, name: str) -> Budget:
    zone = workspace.workspace.timezone
    return Budget.of(runtime.pool, workspace.id, workspace.connections[name], timezone=zone)


def main() -> None:
    """Entry point of the process."""
    raise SystemExit(run_service("reconciler", build))


if __name__ == "__main__":
    main()
