"""The attention desk: what needs a person, stored with the change it tells of, then published.

`open_attention` and `close_attention` write into the caller's transaction, so an item is there
exactly when its cause is. Every process publishes what is not published yet, at least once.

Order per item: one process publishes at a time (an advisory lock), always an item's newest state.
A state whose acknowledgement never came may still arrive later, behind a newer one of another
process; the process that sent it therefore publishes the item again once it is heard, and
`ce_sequence` rises with every change, also across an emptied database.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

import asyncpg
import structlog
from plumbline_schemas.attention import Attention, AttentionKind
from plumbline_schemas.envelope import Envelope
from plumbline_schemas.topics import ATTENTION, Topic

from plumbline_runtime.postgres import UNREACHABLE
from plumbline_runtime.producer import Message, PublishFailed

_SOURCE: Final = "/attention"
_PAGE: Final = 500
_LOOK_SECONDS: Final = 1.0
"""Between looks at what other processes, or this one without `wake`, have left to publish."""
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_LOCK: Final = "plumbline attention publisher"

_OPEN: Final = """
insert into runtime.attention as a
    (workspace, kind, subject, status, summary, details, opened_at, changed_at, version)
values ($1, $2, $3, 'open', $4, $5, clock_timestamp(), clock_timestamp(),
        (extract(epoch from clock_timestamp()) * 1000)::bigint)
on conflict (workspace, kind, subject) do update set
    status = 'open', summary = excluded.summary, details = excluded.details,
    opened_at = case when a.status = 'open' then a.opened_at else excluded.opened_at end,
    changed_at = excluded.changed_at, version = greatest(a.version + 1, excluded.version)
where a.status <> 'open' or a.summary <> excluded.summary or a.details <> excluded.details
"""
_CLOSE: Final = """
update runtime.attention set
    status = 'closed', changed_at = clock_timestamp(),
    version = greatest(version + 1, (extract(epoch from clock_timestamp()) * 1000)::bigint)
where (workspace, kind, subject) in (select * from unnest($1::text[], $2::text[], $3::text[]))
  and status = 'open'
"""
_WAITING: Final = """
select workspace, kind, subject, status, summary, details, opened_at, changed_at, version
from runtime.attention where published_version < version order by version limit $1
"""
_AGAIN: Final = """
select workspace, kind, subject, status, summary, details, opened_at, changed_at, version
from runtime.attention
where (workspace, kind, subject) in (select * from unnest($1::text[], $2::text[], $3::text[]))
"""
_PUBLISHED: Final = """
update runtime.attention as a set published_version = done.version
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
     as done (workspace, kind, subject, version)
where (a.workspace, a.kind, a.subject) = (done.workspace, done.kind, done.subject)
  and a.published_version < done.version
"""

_INTERRUPTED: Final = (*UNREACHABLE, PublishFailed)

Connection = Any
"""An asyncpg connection, pooled or not, with the codecs of `plumbline_runtime.postgres`."""


class Publisher(Protocol):
    """The part of the producer that the desk needs."""

    async def publish_many(
        self, topic: Topic, messages: Sequence[Message], *, timeout_seconds: float | None = None
    ) -> None:
        """Return when all replicas have all of them; raises PublishFailed."""


class Item(NamedTuple):
    """What names an item."""

    workspace: str
    kind: AttentionKind
    subject: str


async def open_attention(
    conn: Connection,
    *,
    workspace: str,
    kind: AttentionKind,
    subject: str,
    summary: str,
    details: Mapping[str, Any] = _NOTHING,
) -> None:
    """Open an item in the caller's transaction, or change an open one; an unchanged one is silent.

    An item that was closed opens anew, with a new `opened_at`. Callers that open several in one
    transaction do so in the order of (workspace, kind, subject).
    """
    await conn.execute(_OPEN, workspace, kind, subject, summary, dict(details))


async def close_attention(
    conn: Connection, *, workspace: str, kind: AttentionKind, subject: str
) -> bool:
    """Close an item in the caller's transaction; False when none of that name was open."""
    return await close_items(conn, [Item(workspace, kind, subject)])


async def close_items(conn: Connection, items: Iterable[Item]) -> bool:
    """Close those that are open, in the caller's transaction; False when none was."""
    ordered = sorted(set(items))
    if not ordered:
        return False
    status = await conn.execute(_CLOSE, *map(list, zip(*ordered, strict=True)))
    return bool(status != "UPDATE 0")


class AttentionDesk:
    """Publishes to `attention.v1` what the table holds unpublished, whoever stored it."""

    def __init__(self, pool: asyncpg.Pool, publisher: Publisher, stopping: asyncio.Event) -> None:
        self._pool = pool
        self._publisher = publisher
        self._stopping = stopping
        self._wake = asyncio.Event()
        self._unsure: set[Item] = set()
        self._quiet = False

    def wake(self) -> None:
        """Say, after the commit, that something was stored; else it is found within a second."""
        self._wake.set()

    async def run(self) -> None:
        """Publish as it comes; broken infrastructure is waited out, nothing is lost meanwhile."""
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                more = await self.publish() == _PAGE
                self._quiet = False
            except _INTERRUPTED as error:
                more = False
                if not self._quiet:
                    structlog.get_logger().warning("attention_interrupted", error=error)
                self._quiet = True
            if not more:
                await self._pause()

    async def publish(self) -> int:
        """Publish one page; returns its length, 0 also while another process publishes.

        Raises PublishFailed and what the database raises; whatever was sent then is sent again.
        """
        async with self._pool.acquire() as conn, conn.transaction():
            free = await conn.fetchval("select pg_try_advisory_xact_lock(hashtext($1))", _LOCK)
            rows = await self._unpublished(conn) if free else {}
            if not rows:
                return 0
            self._unsure |= rows.keys()
            items = [(Attention.model_validate(dict(row)), row["version"]) for row in rows.values()]
            await self._publisher.publish_many(ATTENTION, [_message(*item) for item in items])
            versions = [version for _, version in items]
            await conn.execute(_PUBLISHED, *map(list, zip(*rows, strict=True)), versions)
        self._unsure -= rows.keys()
        return len(rows)

    async def _unpublished(self, conn: Connection) -> dict[Item, Any]:
        rows = list(await conn.fetch(_WAITING, _PAGE))
        if self._unsure:
            rows += await conn.fetch(_AGAIN, *map(list, zip(*self._unsure, strict=True)))
        return {Item(row["workspace"], row["kind"], row["subject"]): row for row in rows}

    async def _pause(self) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in (self._wake, self._stopping)]
        try:
            await asyncio.wait(waits, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def _message(item: Attention, version: int) -> Message:
    envelope = Envelope(
        id=f"{item.key}/{version}",
        source=_SOURCE,
        type="attention.changed",
        time=item.changed_at.astimezone(UTC),
        subject=item.key,
        schema=ATTENTION.name,
        sequence=version,
    )
    return Message(item.key, item.model_dump_json().encode(), envelope.headers())
