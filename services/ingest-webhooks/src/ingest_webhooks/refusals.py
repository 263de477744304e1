"""Deliveries refused for their signature, again and again: a person is told (design 1.4).

A secret that was rotated, or is wrong, turns away all a vendor sends; the vendor gives up after
some days and nobody hears of it. Requests only count; a background task looks at the counts.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Final

import asyncpg
import structlog
from plumbline_runtime.attention import close_attention, open_attention
from plumbline_runtime.postgres import UNREACHABLE
from plumbline_schemas.attention import AttentionKind

from ingest_webhooks.deliveries import Source
from ingest_webhooks.settings import IngestSettings

log = structlog.get_logger()

KIND: Final[AttentionKind] = "connection_refused"


class Tally:
    """What the edge answered since the last look, by source: two sums, nothing else."""

    def __init__(self) -> None:
        self.accepted: defaultdict[Source, int] = defaultdict(int)
        self.refused: defaultdict[Source, int] = defaultdict(int)


class _Seen:
    """One source as far as this process knows."""

    def __init__(self) -> None:
        self.refused: deque[tuple[float, int]] = deque()
        self.accepted_at = float("-inf")
        self.open: bool | None = None
        """None: an earlier life may have left an item open."""


class RefusalWatch:
    """Opens `connection_refused` for `{connection}/webhooks`, closes it when one is accepted."""

    def __init__(
        self,
        tally: Tally,
        pool: asyncpg.Pool,
        settings: IngestSettings,
        *,
        stopping: asyncio.Event,
        wake: Callable[[], None],
    ) -> None:
        self._tally = tally
        self._pool = pool
        self._settings = settings
        self._stopping = stopping
        self._wake = wake
        self._seen: defaultdict[Source, _Seen] = defaultdict(_Seen)

    async def run(self) -> None:
        """Look until stopped; a database that is away is waited out, the counts stay."""
        while not self._stopping.is_set():
            try:
                await self.look(time.monotonic())
            except UNREACHABLE as error:
                log.warning("refusals_untold", error=type(error).__name__)
            try:
                async with asyncio.timeout(self._settings.refusal_look):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    async def look(self, now: float) -> None:
        """Take the counts and tell what they mean; raises what the database raises."""
        for source in self._tally.accepted.keys() | self._tally.refused.keys():
            seen = self._seen[source]
            if refused := self._tally.refused.pop(source, 0):
                seen.refused.append((now, refused))
            if self._tally.accepted.pop(source, 0):
                seen.accepted_at = now
        for source, seen in self._seen.items():
            await self._judge(source, seen, now)

    async def _judge(self, source: Source, seen: _Seen, now: float) -> None:
        since = now - self._settings.refusal_window
        while seen.refused and seen.refused[0][0] <= since:
            seen.refused.popleft()
        count = sum(number for _, number in seen.refused)
        if seen.accepted_at > since:
            if seen.open is not False:
                await self._close(source)
                seen.open = False
        elif not seen.open and count >= self._settings.refusal_limit:
            await self._open(source, count)
            seen.open = True

    async def _open(self, source: Source, count: int) -> None:
        minutes = self._settings.refusal_window / 60
        async with self._pool.acquire() as conn:
            await open_attention(
                conn,
                workspace=source.workspace,
                kind=KIND,
                subject=_subject(source),
                summary=f"{source.label}: {count} deliveries were refused for their signature and "
                f"none was accepted for {minutes:g} minutes: is the webhook secret the right one?",
                details={"refused": count},
            )
        self._wake()
        log.error("deliveries_refused", source=source.label, refused=count)

    async def _close(self, source: Source) -> None:
        async with self._pool.acquire() as conn:
            closed = await close_attention(
                conn, workspace=source.workspace, kind=KIND, subject=_subject(source)
            )
        if closed:
            self._wake()
            log.info("deliveries_accepted_again", source=source.label)


def _subject(source: Source) -> str:
    return f"{source.connection}/webhooks"
