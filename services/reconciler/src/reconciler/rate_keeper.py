"""Keeps one workspace's exchange rates: look, decide, store, publish, and only then mark."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol

import structlog
from plumbline_domain.ecb import EcbError, parse_ecb
from plumbline_runtime import failpoints
from plumbline_runtime.config import RatesSection
from plumbline_schemas.internal import RatesEvery
from plumbline_schemas.observations import AnyObservation

from reconciler.metrics import RATES_AGE, RATES_FAILURES
from reconciler.rate_sources import Content, RateAddress, RateFile, RateSource, SourceFailedError
from reconciler.rate_store import RateStore, SourceRow
from reconciler.rates import Days, StoredTable, fresh_since, in_effect, revised, worth_keeping
from reconciler.settings import ReconcilerSettings

_REASON_LIMIT: Final = 500
_MONTH_SECONDS: Final = 0.2
"""How often a turn of the month is looked for, which asks nobody."""


class Publisher(Protocol):
    """Where observations go."""

    async def publish_observations(self, observations: Sequence[AnyObservation]) -> None:
        """Return when the broker has acknowledged all of them."""


@dataclass(frozen=True, slots=True)
class _Refused:
    """Content that was looked through and is wrong."""

    content_hash: str | None
    error: SourceFailedError


def source_of(section: RatesSection) -> RateSource:
    """The file or address of the configuration."""
    path = section.path
    return RateAddress(section.source) if path is None else RateFile(path)


class RateKeeper:
    """Brings a workspace's rates into its log, whenever they or the month have changed."""

    def __init__(
        self,
        workspace: str,
        section: RatesSection,
        *,
        store: RateStore,
        publisher: Publisher,
        clock: Callable[[], datetime | None],
        settings: ReconcilerSettings,
    ) -> None:
        """`clock` tells the last tick's time, None before the first: months change with it."""
        self._workspace = workspace
        self._every: RatesEvery = section.every
        self._source = source_of(section)
        self._digest = hashlib.sha256(f"{section.every} {section.source}".encode()).hexdigest()
        self._store = store
        self._publisher = publisher
        self._clock = clock
        self._settings = settings
        self._refused: _Refused | None = None
        self._failures = 0
        self._retry_at: datetime | None = None
        self._month: date | None = None
        self._told_age: str | None = ""
        self._log = structlog.get_logger().bind(workspace=workspace)

    async def run(self) -> None:
        """Keep the rates until cancelled; what an earlier process left unpublished goes first."""
        await self._publish()
        while True:
            await self.look(datetime.now(UTC))
            await self._pause()

    async def _pause(self) -> None:
        """Until the next look, or until a month begins: amounts wait for its table."""
        until = time.monotonic() + self._settings.rates_look_seconds
        while (left := until - time.monotonic()) > 0 and not self._month_begins():
            await asyncio.sleep(min(left, _MONTH_SECONDS))

    def _month_begins(self) -> bool:
        today = self._today()
        return today is not None and self._month != today.replace(day=1)

    async def look(self, now: datetime) -> None:
        """Ask the source if it is time, and turn the month if the clock has; `now` is real time."""
        row = await self._store.source()
        if self._due(row, now):
            await self._ask(row, now)
            row = await self._store.source()
        today = self._today()
        if today is not None and self._month_begins():
            await self._store.put(await self._revised(await self._store.days(), today, now))
            self._month = today.replace(day=1)
        await self._publish()
        if row.newest_day is not None:
            begun = datetime.combine(row.newest_day, datetime.min.time(), UTC)
            RATES_AGE.labels(self._workspace).set((now - begun).total_seconds())
            if today is not None:
                await self._mind_age(row.newest_day, today)

    async def _mind_age(self, newest: date, today: date) -> None:
        """A file that nobody renews never fails: say when its rates are too old to be right."""
        since = fresh_since(self._every, today)
        told = (
            None
            if newest >= since
            else (
                f"exchange rates are stale: the newest day of {self._source.name} is {newest}, "
                f"expected {since} or later; amounts are converted with the last ones"
            )
        )
        if told == self._told_age:
            return
        await self._store.tell_age(told)
        self._told_age = told
        if told is not None:
            self._log.warning("rates_stale", newest_day=newest, expected_since=since)

    def _due(self, row: SourceRow, now: datetime) -> bool:
        if self._retry_at is not None:
            return now >= self._retry_at
        if self._source.watched or row.digest != self._digest or row.checked_at is None:
            return True
        return now >= row.checked_at + timedelta(seconds=self._settings.rates_every_seconds)

    def _today(self) -> date | None:
        now = self._clock()
        return None if now is None else now.astimezone(UTC).date()

    async def _ask(self, row: SourceRow, now: datetime) -> None:
        """Other source or other choice of days: whatever is there is new."""
        if row.digest != self._digest:
            row = replace(row, digest=self._digest, seen=SourceRow().seen)
        try:
            content = await self._source.look(row.seen)
            days = None if content is None else await self._parsed(content)
        except SourceFailedError as error:
            await self._failed(error, now)
            return
        self._failures, self._retry_at, self._refused = 0, None, None
        if content is None or days is None:
            if row.failing or not self._source.watched:
                await self._store.checked(now)
            return
        await self._take(replace(row, seen=content.seen, checked_at=now), days, now)

    async def _parsed(self, content: Content) -> Days:
        """Off the loop, which has a clock to publish; what is wrong is not parsed every time."""
        if self._refused is not None and self._refused.content_hash == content.seen.content_hash:
            raise self._refused.error
        try:
            days = await asyncio.to_thread(parse_ecb, content.text)
            if not days:
                raise EcbError("no day with a rate")
        except EcbError as error:
            failed = SourceFailedError(f"{self._source.name}: {error.where}", broken=True)
            self._refused = _Refused(content.seen.content_hash, failed)
            raise failed from None
        return days

    async def _take(self, row: SourceRow, days: Days, now: datetime) -> None:
        """Known days stay, unless the source says otherwise: a shorter file loses no history."""
        kept = worth_keeping({**await self._store.days(), **days}, self._every)
        today = self._today()
        tables = [] if today is None else await self._revised(kept, today, now)
        newest = max(days)
        await self._store.take(replace(row, newest_day=newest), kept, tables)
        self._log.info("rates_taken", days=len(days), newest_day=newest, changed=len(tables))

    async def _revised(self, days: Days, today: date, now: datetime) -> list[StoredTable]:
        effective = in_effect(days, self._every, today)
        return list(revised(await self._store.tables(), effective, self._every, now))

    async def _publish(self) -> None:
        for table in (await self._store.tables(waiting=True)).values():
            await self._publisher.publish_observations([table.observation(self._workspace)])
            failpoints.hit("rates.after_publish")
            await self._store.mark_published(table)
            self._log.info("rates_published", table=table.id, revision=table.body.revision)

    async def _failed(self, error: SourceFailedError, now: datetime) -> None:
        """A file is looked at again at once; an address with longer and longer pauses."""
        reason = str(error)[:_REASON_LIMIT]
        RATES_FAILURES.labels(self._workspace).inc()
        if not self._source.watched:
            pause = self._settings.rates_retry_seconds * 2 ** min(self._failures, 6)
            self._retry_at = now + timedelta(seconds=pause)
        if self._failures == 0:
            self._log.warning("rates_failed", error=reason, broken=error.broken)
        self._failures += 1
        since = await self._store.failed(now, reason, broken=error.broken)
        patience = timedelta(seconds=self._settings.rates_failing_seconds)
        if error.broken or now - since > patience:
            await self._store.tell(
                f"no new exchange rates, the last ones stay in use: {reason}",
                {"source": self._source.name, "since": since.isoformat()},
            )
