"""The brake of dead letters, per connection (design 11).

A connection's letters are counted in a row: its own good record ends the row, another's doesn't.
At the limit its brake engages: what comes of it afterwards is parked, unhandled, in the dead-letter
topic with the reason `braked`, and all others flow on. The brake is the open attention item
`dead_letter_brake`, so it outlives the process. It lets go when a replayed record of the connection
is good, or when no letter of the connection is left open.

The workspace's log is never parked: a rebuild folds it again and knows no brakes (design 13), so
there each record is tried, and the brake only says what goes on.

Where nobody can say whose fault it is the consumer stops: when the records name no connection, or
when a second connection reaches the limit while nothing at all was good.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

import asyncpg
import structlog
from plumbline_schemas.attention import AttentionKind
from plumbline_schemas.topics import OBSERVATIONS, Topic

from plumbline_runtime.attention import close_attention, open_attention
from plumbline_runtime.letters import NO_WORKSPACE, connection_of, is_replayed
from plumbline_runtime.postgres import UNREACHABLE
from plumbline_runtime.records import Record

if TYPE_CHECKING:
    from plumbline_runtime.health import Health

KIND: Final[AttentionKind] = "dead_letter_brake"
_LOOK_SECONDS: Final = 2.0

_ENGAGED: Final = """
select details ->> 'topic' as topic, details ->> 'connection' as connection
from runtime.attention
where kind = 'dead_letter_brake' and status = 'open' and details ->> 'service' = $1
"""


class BrakeEngaged(Exception):  # noqa: N818 - the word of the design
    """Too many dead letters in a row: something other than the records is wrong (design 11)."""


class _Row(NamedTuple):
    topic: str
    connection: str


class Brakes:
    """The brakes of one process, for every topic it consumes."""

    def __init__(self, pool: asyncpg.Pool, health: "Health", *, service: str, limit: int) -> None:
        self._pool = pool
        self._health = health
        self._service = service
        self._limit = limit
        self._rows: dict[_Row, int] = defaultdict(int)
        self._engaged: set[_Row] = set()
        self._nothing_good: dict[str, str] = {}
        """Topic -> the connection whose brake engaged last, with no good record since."""
        self._turn = asyncio.Lock()

    def parks(self, record: Record, topic: Topic) -> bool:
        """Whether the record is to be parked untried; a replayed one is always tried."""
        if not self._engaged or topic.name == OBSERVATIONS.name:
            return False
        return _Row(topic.name, connection_of(record)) in self._engaged and not is_replayed(record)

    def check(self, topic: Topic, connection: str, reason: str) -> None:
        """Raises BrakeEngaged when the topic may take no further letter of nobody's."""
        row = _Row(topic.name, connection)
        if not connection and self._rows[row] >= self._limit:
            raise BrakeEngaged(
                f"{topic.name}: {self._rows[row]} dead letters in a row, the last reason was "
                f"{reason}"
            )

    async def count(self, topic: Topic, connection: str, reason: str) -> None:
        """A letter was written; engages the brake at the limit.

        Raises BrakeEngaged when the whole topic fails, and what the database raises.
        """
        row = _Row(topic.name, connection)
        self._rows[row] += 1
        if not connection or row in self._engaged or self._rows[row] < self._limit:
            return
        other = self._nothing_good.get(topic.name, connection)
        if other != connection:
            raise BrakeEngaged(
                f"{topic.name}: {self._limit} dead letters in a row of each of {other} and "
                f"{connection}, nothing good in between, the last reason was {reason}"
            )
        async with self._turn:
            await self._engage(row, reason)

    async def settle(self, topic: Topic, good: Iterable[Record]) -> None:
        """Records were handled well: their connections' rows end, their brakes let go."""
        if not self._rows:
            return
        connections = {connection_of(record) for record in good}
        if connections:
            self._nothing_good.pop(topic.name, None)
            self._rows.pop(_Row(topic.name, ""), None)
        for row in sorted(_Row(topic.name, connection) for connection in connections):
            if row in self._engaged:
                async with self._turn:
                    await self._release(row)
            self._rows.pop(row, None)

    async def run(self, stopping: asyncio.Event) -> None:
        """Take over the brakes of an earlier life, then see which ones were let go elsewhere."""
        restored = False
        while not stopping.is_set():
            try:
                if not restored or self._engaged:
                    await self.refresh(restore=not restored)
                    restored = True
            except UNREACHABLE as error:
                structlog.get_logger().warning("brakes_unread", error=type(error).__name__)
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await stopping.wait()
            except TimeoutError:
                continue

    async def refresh(self, *, restore: bool) -> None:
        """Let go what has no open attention item; `restore` also engages what has one."""
        async with self._turn, self._pool.acquire() as conn:
            rows = await conn.fetch(_ENGAGED, self._service)
            found = {_Row(row["topic"], row["connection"]) for row in rows}
            for row in self._engaged - found:
                self._let_go(row)
            if restore:
                for row in found - self._engaged:
                    self._hold(row, "before the service started")

    async def _engage(self, row: _Row, reason: str) -> None:
        workspace = row.connection.partition("/")[0] or NO_WORKSPACE
        details = {
            "topic": row.topic,
            "connection": row.connection,
            "service": self._service,
            "reason": reason,
        }
        async with self._pool.acquire() as conn:
            await open_attention(
                conn,
                workspace=workspace,
                kind=KIND,
                subject=self._subject(row),
                summary=f"{self._limit} dead letters in a row of {row.connection} "
                f"({row.topic}): what comes is parked until it is replayed",
                details=details,
            )
        self._nothing_good[row.topic] = row.connection
        self._hold(row, f"the last reason was {reason}")

    def _hold(self, row: _Row, why: str) -> None:
        self._engaged.add(row)
        self._rows[row] = max(self._rows[row], self._limit)
        detail = f"{self._limit} dead letters in a row, {why}"
        self._health.set(_condition(row), False, detail, gates=False)
        structlog.get_logger().error(
            "connection_braked", topic=row.topic, connection=row.connection, why=why
        )

    async def _release(self, row: _Row) -> None:
        async with self._pool.acquire() as conn:
            await close_attention(
                conn,
                workspace=row.connection.partition("/")[0] or NO_WORKSPACE,
                kind=KIND,
                subject=self._subject(row),
            )
        self._let_go(row)

    def _let_go(self, row: _Row) -> None:
        self._engaged.discard(row)
        self._rows.pop(row, None)
        self._nothing_good.pop(row.topic, None)
        self._health.remove(_condition(row))
        structlog.get_logger().info(
            "connection_released", topic=row.topic, connection=row.connection
        )

    def _subject(self, row: _Row) -> str:
        return f"{self._service}/{row.topic}/{row.connection}"


def _condition(row: _Row) -> str:
    return f"dead letters:{row.topic}:{row.connection}"
