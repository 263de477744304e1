"""observe: the consumer of raw deliveries. Gather, decide, apply."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import asyncpg
from plumbline_runtime import failpoints
from plumbline_runtime.pins import pinned_accounts
from plumbline_runtime.postgres import transaction
from plumbline_runtime.records import Batch, Record
from plumbline_schemas.observations import AnyObservation
from plumbline_schemas.topics import Topic

from ingest_webhooks import desired, store
from ingest_webhooks.handle import (
    HubSpotSource,
    Plan,
    Sources,
    Understood,
    decide,
    echo_candidates,
    understand,
)
from ingest_webhooks.metrics import SKIPPED

_YIELD_EVERY: Final = 20


class ObservationPublisher(Protocol):
    """The part of the runtime's producer that observe and the reader need."""

    async def publish_observations(self, observations: Sequence[AnyObservation]) -> None:
        """Return when all replicas have them; raises PublishFailed."""


class DeadLetterSink(Protocol):
    """The runtime's way out for records that cannot be handled."""

    async def send(
        self,
        record: Record,
        topic: Topic,
        *,
        reason: str,
        error: BaseException | str,
        connection: str = "",
    ) -> None:
        """Store the record, untouched, in the topic's dead-letter topic."""


class ObserveHandler:
    """Handles batches of `webhooks.received.v1`."""

    def __init__(
        self,
        sources: Sources,
        *,
        pool: asyncpg.Pool,
        producer: ObservationPublisher,
        dead_letters: DeadLetterSink,
        wake_readers: Callable[[], None],
    ) -> None:
        self._sources = sources
        self._pool = pool
        self._producer = producer
        self._dead_letters = dead_letters
        self._wake_readers = wake_readers
        self._desired_exists = False

    async def handle(self, batch: Batch) -> None:
        """Publish what the batch says, then move reads, facts and position in one transaction.

        A crash in between publishes the same observations again, which folds to no change.
        """
        await self._learn_portals()
        understood = await self._understand(batch.records)
        plan = decide(understood, await self._desired(understood))
        for dead in plan.dead:
            await self._dead_letters.send(
                dead.record,
                batch.topic,
                reason=dead.reason,
                error=dead.error,
                connection=dead.source,
            )
        if plan.observations:
            await self._producer.publish_observations(plan.observations)
        failpoints.hit("observe.after_publish")

        async def apply(conn: asyncpg.Connection) -> None:
            await store.want(conn, plan.wishes)
            await store.saw(conn, plan.last_events)
            await batch.advance(conn)

        await transaction(self._pool, apply)
        self._report(batch, plan)

    async def _learn_portals(self) -> None:
        """Notifications are held against the pinned portal where the file names none (design 9)."""
        unknown = [
            (key, source)
            for key, source in self._sources.items()
            if isinstance(source, HubSpotSource) and source.portal_id is None
        ]
        if not unknown:
            return
        pinned = await pinned_accounts(self._pool)
        learnt = {
            key: source._replace(portal_id=pinned[key]) for key, source in unknown if key in pinned
        }
        self._sources = {**self._sources, **learnt}

    async def _understand(self, records: Sequence[Record]) -> list[Understood]:
        understood = []
        for place, record in enumerate(records):
            if place % _YIELD_EVERY == _YIELD_EVERY - 1:
                await asyncio.sleep(0)  # the edge shares this event loop
            understood.append(understand(record, self._sources))
        return understood

    async def _desired(
        self, understood: Sequence[Understood]
    ) -> dict[tuple[str, str], dict[str, dict[str, str | None]]]:
        wanted = echo_candidates(understood)
        if not wanted:
            return {}
        if not self._desired_exists:
            # Writeback's schema may be migrated later than ours; until then nothing is an echo.
            self._desired_exists = await desired.view_exists(self._pool)
            if not self._desired_exists:
                return {}
        return {
            (workspace, connection): await desired.desired_values(
                self._pool, workspace, connection, ids
            )
            for (workspace, connection), ids in wanted.items()
        }

    def _report(self, batch: Batch, plan: Plan) -> None:
        for reason, count in plan.skipped.items():
            SKIPPED.labels(reason).inc(count)
        if plan.wishes:
            self._wake_readers()
        batch.counts.update(
            observations=len(plan.observations),
            reads=len(plan.wishes),
            dead_letters=len(plan.dead),
            skipped=sum(plan.skipped.values()),
        )
