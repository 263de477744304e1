"""Handing a batch to its handler until it is handled: infrastructure back-off, poison records."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog
from plumbline_schemas.topics import Topic

from plumbline_runtime import metrics
from plumbline_runtime.backoff import (
    Abandoned,
    Backoff,
    InfrastructureDown,
    is_infrastructure,
)
from plumbline_runtime.batch_log import log_batch
from plumbline_runtime.brakes import BrakeEngaged
from plumbline_runtime.dead_letters import UNHANDLED
from plumbline_runtime.letter_box import LetterBox
from plumbline_runtime.positions import read_positions
from plumbline_runtime.postgres import transaction
from plumbline_runtime.records import Batch, BatchHandler, Fenced, JoinedBatch, Record
from plumbline_runtime.settings import Settings

if TYPE_CHECKING:
    import asyncpg

_TRIES_PER_RECORD: Final = 3
_PAUSE_SECONDS: Final = 0.1


class HandlerBug(Exception):  # noqa: N818 - what it is
    """A handler returned without having advanced past its records."""


STOPS_CONSUMER: Final = (Fenced, InfrastructureDown, Abandoned, BrakeEngaged, HandlerBug)
"""Raised by `deliver`; nothing was passed unhandled."""


class _Rest(NamedTuple):
    """Records still to be handled, from the stored position on."""

    position: int
    records: Sequence[Record]


class Delivery:
    """Delivers the batches of one consumer group to its handler."""

    def __init__(
        self,
        *,
        topic: Topic,
        group: str,
        handler: BatchHandler,
        pool: "asyncpg.Pool",
        dead_letters: LetterBox,
        settings: Settings,
        stopping: asyncio.Event,
    ) -> None:
        self._topic = topic
        self._group = group
        self._handler = handler
        self._pool = pool
        self._dead_letters = dead_letters
        self._settings = settings
        self._stopping = stopping
        self._log = structlog.get_logger().bind(group=group, topic=topic.name)

    async def deliver(self, position: int, records: Sequence[Record]) -> int:
        """Handle all records; returns the new stored position.

        Raises one of STOPS_CONSUMER; never passes a record that is neither handled nor
        dead-lettered.
        """
        wanted: list[Record] = []
        parked: list[Record] = []
        for record in records:
            braked = self._dead_letters.parks(record, self._topic)
            (parked if braked else wanted).append(record)
        if parked:
            await self._park(parked)
        end = await self._deliver(position, wanted) if wanted else position
        if end <= records[-1].offset:
            end = await self._step_behind(end, records[-1])
        await self._settle(records)
        return end

    async def _deliver(self, position: int, records: Sequence[Record]) -> int:
        try:
            return await self._until_healthy(_Rest(position, records))
        except STOPS_CONSUMER:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, some record causes it
            self._log.exception(
                "handler_failed", partition=records[0].partition, offset=records[0].offset
            )
            metrics.BATCH_RETRIES.labels(self._group, "handler").inc()
            return await self._one_by_one(position, records)

    async def _park(self, records: Sequence[Record]) -> None:
        """Set the records of braked connections aside, before the position passes them."""
        backoff = self._backoff(records[0].partition)
        for record in records:
            while True:
                try:
                    await self._dead_letters.park(record, self._topic)
                    break
                except Exception as failure:  # noqa: BLE001 - raised again unless waiting may help
                    await backoff.after(failure)

    async def _settle(self, records: Sequence[Record]) -> None:
        backoff = self._backoff(records[0].partition)
        while True:
            try:
                return await self._dead_letters.settle(self._topic, records)
            except Exception as failure:  # noqa: BLE001 - raised again unless waiting may help
                await backoff.after(failure)

    async def deliver_all(
        self, parts: Mapping[int, tuple[int, Sequence[Record]]]
    ) -> dict[int, int]:
        """As `deliver`, for the position and records of several partitions in one transaction.

        When that fails, whatever the reason, each partition is delivered by itself.
        """
        braked = (
            self._dead_letters.parks(record, self._topic)
            for _, records in parts.values()
            for record in records
        )
        if len(parts) == 1 or any(braked):
            return {
                partition: await self.deliver(position, records)
                for partition, (position, records) in parts.items()
            }
        batch = JoinedBatch(
            [
                Batch(self._topic, partition, records, group=self._group, position=position)
                for partition, (position, records) in parts.items()
            ]
        )
        try:
            await self._once(batch)
        except STOPS_CONSUMER:
            raise
        except Exception as error:  # noqa: BLE001 - delivered again, partition by partition
            self._log.warning("joined_batch_failed", error=f"{type(error).__name__}: {error}")
            return {
                part.partition: await self._apart(part, error if number == 0 else None)
                for number, part in enumerate(batch.parts)
            }
        await self._settle(batch.records)
        return {part.partition: part.end for part in batch.parts}

    async def _apart(self, part: Batch, error: Exception | None) -> int:
        """One partition of a joined batch, from wherever it stands now."""
        backoff = self._backoff(part.partition)
        if error is not None and is_infrastructure(error):
            await backoff.after(error)
        stored = await self._stored(part.partition, backoff)
        if stored == part.end:  # the joined transaction had committed unheard
            await self._settle(part.records)
            return stored
        if stored != part.position:
            raise Fenced(
                f"{self._group}: the position of {self._topic.name}/{part.partition} is {stored}, "
                f"expected {part.position}: another process moved it"
            )
        return await self.deliver(stored, part.records)

    async def _until_healthy(self, rest: _Rest) -> int:
        """One batch, again and again while only the infrastructure fails."""
        partition = rest.records[0].partition
        backoff = self._backoff(partition)
        while rest.records:
            batch = Batch(
                self._topic, partition, rest.records, group=self._group, position=rest.position
            )
            try:
                return await self._once(batch)
            except Exception as error:  # noqa: BLE001 - raised again unless waiting may help
                await backoff.after(error)
            rest = await self._resume(batch, backoff)
        return rest.position

    async def _once(self, batch: Batch) -> int:
        began = time.monotonic()
        await self._handler.handle(batch)
        if not batch.finished:
            raise HandlerBug(
                f"{self._group}: {self._topic.name}/{batch.partition}: the handler returned at "
                f"{batch.advanced_to}, expected it to have advanced to {batch.end}"
            )
        log_batch(batch, began)
        return batch.end

    async def _resume(self, batch: Batch, backoff: Backoff) -> _Rest:
        """Where the batch stands now: its last transaction may have committed unheard."""
        position = await self._stored(batch.partition, backoff)
        if position not in {batch.position, *batch.asked_for}:
            raise Fenced(
                f"{self._group}: the position of {self._topic.name}/{batch.partition} is "
                f"{position}, expected {batch.position}: another process moved it"
            )
        return _Rest(position, [r for r in batch.records if r.offset >= position])

    async def _one_by_one(self, position: int, records: Sequence[Record]) -> int:
        """Find the record that can't be handled, dead-letter it, and go on behind it."""
        partition = records[0].partition
        stored = await self._stored(partition, self._backoff(partition))
        if not position <= stored <= records[-1].offset + 1:
            raise Fenced(
                f"{self._group}: the position of {self._topic.name}/{partition} is {stored}, "
                f"expected {position} or little more: another process moved it"
            )
        for record in records:
            if record.offset < stored:
                continue
            if self._dead_letters.parks(record, self._topic):  # braked by a record before it
                await self._park([record])
                stored = await self._step_behind(stored, record)
            else:
                stored = await self._single(stored, record)
        return stored

    async def _single(self, stored: int, record: Record) -> int:
        backoff = self._backoff(record.partition)
        for attempt in range(1, _TRIES_PER_RECORD + 1):
            try:
                return await self._until_healthy(_Rest(stored, [record]))
            except STOPS_CONSUMER:
                raise
            except Exception as error:  # noqa: BLE001 - the dead letter says what it was
                if attempt == _TRIES_PER_RECORD:
                    return await self._pass_over(stored, record, error)
            await backoff.pause(_PAUSE_SECONDS * attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _pass_over(self, stored: int, record: Record, error: Exception) -> int:
        """Dead-letter one record and step behind it, in that order."""
        backoff = self._backoff(record.partition)
        while True:
            try:
                await self._dead_letters.send(
                    record, self._topic, reason=UNHANDLED, error=error, attempts=_TRIES_PER_RECORD
                )
                break
            except Exception as failure:  # noqa: BLE001 - raised again unless waiting may help
                await backoff.after(failure)
        return await self._step_behind(stored, record)

    async def _step_behind(self, stored: int, record: Record) -> int:
        """Move the position past records that are safe elsewhere."""
        batch = Batch(self._topic, record.partition, [record], group=self._group, position=stored)
        backoff = self._backoff(record.partition)
        while True:
            try:
                await transaction(self._pool, batch.advance)
                return batch.end
            except Exception as failure:  # noqa: BLE001 - raised again unless waiting may help
                await backoff.after(failure)

    async def _stored(self, partition: int, backoff: Backoff) -> int:
        while True:
            try:
                stored = await read_positions(
                    self._pool, self._group, self._topic.name, [partition]
                )
                break
            except Exception as error:  # noqa: BLE001 - raised again unless waiting may help
                await backoff.after(error)
        if partition not in stored:
            raise Fenced(f"{self._group}: the position of {self._topic.name}/{partition} is gone")
        return stored[partition]

    def _backoff(self, partition: int) -> Backoff:
        return Backoff(
            group=self._group,
            what=f"{self._topic.name}/{partition}",
            seconds=self._settings.retry_seconds,
            stopping=self._stopping,
        )
