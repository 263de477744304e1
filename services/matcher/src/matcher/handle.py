"""One batch of the log: gather, decide, apply, with the position in the same transaction."""

import asyncio
import gc
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

import asyncpg
import structlog
from plumbline_runtime import failpoints
from plumbline_runtime.postgres import UNREACHABLE, transaction
from plumbline_runtime.producer import PublishFailed
from plumbline_runtime.records import Batch, Record
from plumbline_schemas.billing import CATALOGUE_KINDS
from plumbline_schemas.ids import ExternalKey
from plumbline_schemas.observations import (
    AnyObservation,
    ConfigObservation,
    CustomerObservation,
    SubscriptionObservation,
)
from plumbline_schemas.topics import Topic

from matcher.decide import decide
from matcher.fan_out import FanOut, catalogue_with_dependants, fans_out
from matcher.gather import Seeds, catalogue_named, gather, seeds_of
from matcher.lacking import settle
from matcher.loading import read_workspace
from matcher.news import news_among
from matcher.rate_tables import RateShelf
from matcher.records import Entry, Undecodable
from matcher.records import decode as decode_record
from matcher.reindex import Indexing
from matcher.shelf import Shelf
from matcher.snapshot import Snapshot
from matcher.store import Advance, apply
from matcher.twins import looks_for_twins, tell_twins

log = structlog.get_logger()

GROUP: Final = "matcher"


class DeadLetterSink(Protocol):
    """Where records go that are no observations."""

    async def send(
        self, record: Record, topic: Topic, *, reason: str, error: BaseException | str
    ) -> None:
        """Return when the dead letter is stored."""


class Outbox(Protocol):
    """Publishes what a commit left to publish."""

    async def flush(self, workspace: str) -> None:
        """Raises PublishFailed when Kafka does not answer; what is left stays in line."""


class Matcher:
    """Folds batches of `observations.v1`. One batch at a time in a process (design 6).

    `outbox` None is a rebuild: nothing is published and nothing is left to publish.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        dead_letters: DeadLetterSink,
        outbox: Outbox | None,
        *,
        fan_out_accounts: int = 500,
        large_customer: int = 200,
    ) -> None:
        self._pool = pool
        self._dead_letters = dead_letters
        self._outbox = outbox
        self._rates = RateShelf()
        self._fan_out = FanOut(silent=outbox is None, accounts=fan_out_accounts, rates=self._rates)
        self._indexing = Indexing(pool)
        self._turn = asyncio.Lock()
        self._shelves: dict[int, Shelf] = defaultdict(partial(Shelf, large=large_customer))
        self._publishing: asyncio.Task[None] | None = None

    async def handle(self, batch: Batch) -> None:
        """Fold every record; the position moves with each transaction.

        What a batch changed is published while the next one is folded, never more than one behind.
        """
        async with self._turn:
            with _no_collection():
                entries = await self._decode(batch)
                await self._fold(batch, entries)
        failpoints.hit("matcher.after_commit")
        batch.counts["dead_letters"] = sum(e.observation is None for e in entries)
        await self._publish({e.observation.workspace for e in entries if e.observation})

    async def settled(self) -> None:
        """Wait until what the last batch changed is published, or waits for Kafka."""
        task, self._publishing = self._publishing, None
        if task is not None:
            await task

    async def _decode(self, batch: Batch) -> list[Entry]:
        entries = []
        for record in batch.records:
            try:
                entries.append(Entry(record.offset, decode_record(record)))
            except Undecodable as error:
                await self._dead_letters.send(record, batch.topic, reason=error.reason, error=error)
                entries.append(Entry(record.offset, None))
        return entries

    async def _fold(self, batch: Batch, entries: Sequence[Entry]) -> None:
        for name in {entry.observation.workspace for entry in entries if entry.observation}:
            await self._indexing.ensure(name)
        catalogue = await self._catalogue(entries)
        run: list[Entry] = []
        for entry in entries:
            observation = entry.observation
            if observation is None or not fans_out(observation, catalogue):
                run.append(entry)
                continue
            await self._fold_run(batch, run)
            run = []
            await self._fold_fan_out(batch, entry.offset, observation)
        await self._fold_run(batch, run)

    async def _catalogue(self, entries: Sequence[Entry]) -> set[ExternalKey]:
        """Catalogue objects of this batch that something depends on, or is about to."""
        observations = [e.observation for e in entries if e.observation is not None]
        named = [o for o in observations if o.kind in CATALOGUE_KINDS]
        if not named:
            return set()
        dependants = (SubscriptionObservation, CustomerObservation)
        wanted = catalogue_named(o for o in observations if isinstance(o, dependants))
        keys = {o.key for o in named}
        known = await catalogue_with_dependants(self._pool, keys)
        return known | (keys & wanted)

    async def _fold_run(self, batch: Batch, run: Sequence[Entry]) -> None:
        """Records without fan-out, in one transaction."""
        if not run:
            return
        by_workspace: dict[str, list[AnyObservation]] = defaultdict(list)
        for entry in run:
            if entry.observation is not None:
                by_workspace[entry.observation.workspace].append(entry.observation)
        end = run[-1].offset + 1

        shelf = self._shelves[batch.partition]
        moving = partial(batch.advance, next_offset=end)
        shelf.begin(batch.position if batch.advanced_to is None else batch.advanced_to)

        async def work(conn: asyncpg.Connection) -> list[Snapshot]:
            folded: list[Snapshot] = []
            for workspace, observations in sorted(by_workspace.items()):
                advance = None if len(folded) < len(by_workspace) - 1 else moving
                folded.append(
                    await self._fold_workspace(conn, workspace, observations, shelf, advance)
                )
            if not folded:
                await moving(conn)
            failpoints.hit("matcher.before_commit")
            return folded

        try:
            folded = await transaction(self._pool, work)
        except BaseException:
            shelf.clear()
            raise
        shelf.take_back(folded, end)

    async def _fold_workspace(
        self,
        conn: asyncpg.Connection,
        workspace: str,
        observations: Sequence[AnyObservation],
        shelf: Shelf,
        advance: Advance | None,
    ) -> Snapshot:
        was = shelf.workspace(workspace) or await read_workspace(conn, workspace)
        rates = await self._rates.rates(conn, was)
        missing = Seeds()
        while True:
            snapshot = Snapshot(replace(was), rates)
            shelf.lend(snapshot)
            news = await news_among(conn, snapshot, observations)
            if not news:
                if advance is not None:
                    await advance(conn)
                return snapshot
            seeds = seeds_of([one.observation for one in news], was, snapshot.objects)
            seeds.objects |= missing.objects
            seeds.identity.add_all(missing.identity)
            await gather(conn, snapshot, seeds)
            for observation, glance in news:
                decide(snapshot, observation, glance)
            if not snapshot.lacks:
                break
            missing.take_missing(snapshot)
        await settle(conn, snapshot)
        silent = self._outbox is None
        looks = [] if silent else looks_for_twins(snapshot)
        calls = [look.call for look in looks]
        seen = await apply(conn, snapshot, was=was, silent=silent, advance=advance, looks=calls)
        await tell_twins(conn, snapshot, zip(looks, seen, strict=True))
        return snapshot

    async def _fold_fan_out(self, batch: Batch, offset: int, observation: AnyObservation) -> None:
        """A record that touches many accounts: as many transactions as it takes."""
        if isinstance(observation, ConfigObservation):
            await self._indexing.foresee(observation)
        advance = partial(self._advance, batch, end=offset + 1)
        place = {"partition": batch.partition, "offset": offset}
        self._shelves[batch.partition].clear()
        finished = False
        while not finished:
            step = partial(
                self._fan_out.step, place=place, observation=observation, advance=advance
            )
            finished = await transaction(self._pool, step)

    async def _advance(self, batch: Batch, conn: asyncpg.Connection, end: int) -> None:
        await batch.advance(conn, end)
        failpoints.hit("matcher.before_commit")

    async def _publish(self, workspaces: set[str]) -> None:
        await self.settled()
        if self._outbox is not None:
            self._publishing = asyncio.create_task(self._flush(self._outbox, workspaces))

    async def _flush(self, outbox: Outbox, workspaces: set[str]) -> None:
        for workspace in sorted(workspaces):
            try:
                await outbox.flush(workspace)
            except (*UNREACHABLE, PublishFailed) as error:
                # The changes are committed; the outbox keeps them and tries again by itself.
                log.warning("publication_waits", workspace=workspace, error=error)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let no garbage collection walk over a batch's rows: they go with their last reference."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
