"""Events of the customers of a book against a large index: by identity alone, and as the matcher
handles them.

A customer is an observation of `observations.v1`, in a batch of its own; what a commit leaves to
publish goes to a broker that answers at once.
"""

import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import psutil
from matcher.handle import GROUP, Matcher
from matcher.identity_index import PostgresIndex
from matcher.publish import OutboxPublisher
from plumbline_domain.identity.decide import decide
from plumbline_domain.identity.profile import Party, customer_profile
from plumbline_domain.identity.weights import shipped
from plumbline_runtime.positions import create_positions
from plumbline_runtime.postgres import transaction
from plumbline_runtime.producer import Message
from plumbline_runtime.records import Batch, Record
from plumbline_schemas.observations import OBSERVATION_ADAPTER, encode_observation
from plumbline_schemas.topics import OBSERVATIONS, Topic

from bench.identity_book import read_book, record_of

WORKSPACE = "bench"
START = datetime(2026, 6, 15, 12, tzinfo=UTC)
OPENING = 4
"""Records of the log before the customers': the configuration, two complete walks, a record."""
HANDLED = 3
"""One in so many customers goes through the whole handler."""
WARM = 50
"""Customers that are played before the clock counts."""

TEMPLATE = "template"
"""The record that the matcher folded; the others' objects are copies of its."""

RECORDS = f"""
insert into matcher.objects
    (workspace, key, kind, vendor_time_ms, deleted, content_hash, body, held, needs)
select $1, $1 || '/' || p.id, o.kind, o.vendor_time_ms, false, o.content_hash, o.body, o.held,
       o.needs
from matcher.identity_profiles p cross join matcher.objects o
where p.workspace = $1 and p.side = 'record'
  and o.workspace = $1 and o.key = $1 || '/{record_of(TEMPLATE)}'
on conflict do nothing
"""


class _Broker:
    async def publish_many(self, topic: Topic, messages: Sequence[Message]) -> None:
        """Nothing to wait for."""

    async def send(
        self, record: Record, topic: Topic, *, reason: str, error: BaseException | str
    ) -> None:
        """No record of this log is a dead letter."""
        raise RuntimeError(f"{topic.name}/{record.offset}: a dead letter: {reason}: {error}")


def _value(kind: str, vendor_id: str, connection: str, second: int, **facts: Any) -> bytes:
    at = START + timedelta(seconds=second)
    plain = {
        "workspace": WORKSPACE, "connection": connection, "kind": kind, "id": vendor_id,
        "vendor_time_ms": int(at.timestamp() * 1000), "received_at": at, "seen": "event",
        "origin": "webhook", "event_id": f"evt_{second}", **facts,
    }  # fmt: skip
    return encode_observation(OBSERVATION_ADAPTER.validate_python(plain))


def _opening() -> list[bytes]:
    named = [{"name": "stripe", "kind": "stripe", "mode": "test"},
             {"name": "hubspot", "kind": "hubspot"}]  # fmt: skip
    body = {"currency": "eur", "connections": named}
    facts = {"event_id": None, "origin": "console", "body": body}
    found = [_value("config", "workspace", "@", 0, **facts)]
    for name in ("stripe", "hubspot"):
        walked: dict[str, Any] = {"event_id": None, "seen": "walk", "origin": "walk", "body": {}}
        found.append(_value("walk", "initial", name, 1, **walked))
    facts = {"event_id": None, "seen": "read", "body": {"name": "asdf"}}
    found.append(_value("company", TEMPLATE, "hubspot", 2, **facts))
    return found


def _customer(number: int, party: Party) -> bytes:
    email = party.emails[0] if party.emails else None
    body = {"email": email, "name": party.name, "company": party.company, "phone": party.phone}
    return _value("customer", party.id, "stripe", 10 + number, body=body)


def _batch(offset: int, values: Sequence[bytes]) -> Batch:
    records = [
        Record(OBSERVATIONS.name, 0, offset + n, 0, b"", value, ())
        for n, value in enumerate(values)
    ]
    return Batch(OBSERVATIONS, 0, records, group=GROUP)


def _matcher(pool: asyncpg.Pool) -> Matcher:
    broker = _Broker()
    return Matcher(pool, broker, OutboxPublisher(pool, broker))


async def opened(pool: asyncpg.Pool) -> None:
    """A workspace whose first walks are over."""
    await create_positions(pool, GROUP, OBSERVATIONS.name, {0: 0})
    matcher = _matcher(pool)
    await matcher.handle(_batch(0, _opening()))
    await matcher.settled()


class Events:
    """Plays the customers of a book and prints what an event takes."""

    def __init__(self, pool: asyncpg.Pool, folder: Path) -> None:
        self._pool = pool
        self._customers = read_book(folder).customers
        self._matcher = _matcher(pool)
        self._published: list[float] = []

    async def play(self) -> None:
        """Identity's part first, on an index it leaves as it was; then whole events."""
        postgres = psutil.Process(await self._pool.fetchval("select pg_backend_pid()")).parent()
        assert postgres is not None
        await self._pool.execute("checkpoint")
        await self._timed("identity", self._decided, postgres)
        gone = [party.id for party in self._customers]
        await transaction(
            self._pool, lambda conn: PostgresIndex(conn, WORKSPACE).remove("customer", gone)
        )
        await self._pool.execute("checkpoint")
        self._customers = self._customers[::HANDLED]
        self._published.clear()
        await self._timed("event", self._handled, postgres)
        _print("+outbox", "wall", self._published[WARM:])

    async def _timed(
        self,
        name: str,
        play: Callable[[int, Party], Coroutine[Any, Any, None]],
        postgres: psutil.Process,
    ) -> None:
        wall, cpu, database = [], [], 0.0
        for n, party in enumerate(self._customers):
            if n == WARM:
                database = _cpu_of(postgres)
            began, spent = time.perf_counter(), time.process_time()
            await play(n, party)
            wall.append(time.perf_counter() - began)
            cpu.append(time.process_time() - spent)
            began = time.perf_counter()
            await self._matcher.settled()
            self._published.append(wall[-1] + time.perf_counter() - began)
        wall, cpu = wall[WARM:], cpu[WARM:]
        _print(name, "wall", wall)
        mean = (_cpu_of(postgres) - database) / len(wall)
        _print(name, "CPU", cpu, f", PostgreSQL's {1000 * mean:.2f} ms on average")

    async def _decided(self, _: int, party: Party) -> None:
        async def work(conn: asyncpg.Connection) -> None:
            index, profile = PostgresIndex(conn, WORKSPACE), customer_profile(party)
            await index.put("customer", [profile])
            decide(profile, await index.gather([profile]), shipped())

        await transaction(self._pool, work)

    async def _handled(self, number: int, party: Party) -> None:
        await self._matcher.handle(_batch(OPENING + number, [_customer(number, party)]))


def _cpu_of(postgres: psutil.Process) -> float:
    """Seconds of the server's processes, of those that have ended too."""
    ended = postgres.cpu_times()
    spent = [p.cpu_times() for p in (postgres, *postgres.children(recursive=True))]
    found = sum(one.user + one.system for one in spent)
    return float(found + ended.children_user + ended.children_system)


def _print(name: str, what: str, seconds: Sequence[float], more: str = "") -> None:
    ranked = sorted(seconds)
    cuts = (f"p{at} {1000 * ranked[len(ranked) * at // 100]:.2f} ms" for at in (50, 95, 99))
    print(f"{name:8} {what} {', '.join(cuts)}{more}", flush=True)
