"""Events: rendered once when they happen, kept compressed, listed for 30 simulated days."""

import sqlite3
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from plumbline_simulators.stripe.ids import IdFactory
from plumbline_simulators.stripe.store import Record, Store

RETENTION_SECONDS = 30 * 86_400

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL,
    created INTEGER NOT NULL, object_id TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS events_newest ON events (created, sequence);
CREATE TABLE IF NOT EXISTS renderings (
    event_id TEXT NOT NULL, version TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (event_id, version)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, endpoint_id TEXT NOT NULL,
    state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, statuses TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS deliveries_event ON deliveries (event_id);
CREATE INDEX IF NOT EXISTS deliveries_open ON deliveries (event_id) WHERE state != 'delivered';
"""


@dataclass(frozen=True)
class Cause:
    """The API call behind a change; both null for changes made by the clock."""

    request_id: str | None = None
    idempotency_key: str | None = None


Shape = Callable[[str], tuple[Record, Record | None]]


class EventLog:
    """`shape(version)` gives the object and its previous attributes in that version."""

    def __init__(self, store: Store, ids: IdFactory, *, livemode: bool, version: str) -> None:
        self._store = store
        self._sql: sqlite3.Connection = store.connection
        self._ids = ids
        self._livemode = livemode
        self._version = version
        self._inserted = 0
        self.notify: Callable[[], None] = _nobody
        self._sql.executescript(_SCHEMA)
        self.endpoints: list[Record] = store.page_all("webhook_endpoint")

    def emit(self, event_type: str, object_id: str, shape: Shape, cause: Cause, now: int) -> str:
        """Keep the event and line it up for every endpoint that wants it; returns its id."""
        event_id = self._ids.next("evt")
        wanted = [endpoint for endpoint in self.endpoints if wants(endpoint, event_type)]
        versions = {self._version} | {self._version_of(endpoint) for endpoint in wanted}
        for version in versions:
            shaped, previous = shape(version)
            data: Record = {"object": shaped}
            if previous is not None:
                data["previous_attributes"] = previous
            event = {
                "id": event_id,
                "object": "event",
                "account": None,
                "api_version": version,
                "context": None,
                "created": now,
                "data": data,
                "livemode": self._livemode,
                "pending_webhooks": len(wanted),
                "request": {"id": cause.request_id, "idempotency_key": cause.idempotency_key},
                "type": event_type,
            }
            self._keep(event, version, object_id)
        self.line_up(event_id, wanted)
        self._inserted += 1
        if self._inserted % 1000 == 0:
            self.purge(now)
        return event_id

    def line_up(self, event_id: str, endpoints: Iterable[Record]) -> None:
        self._sql.executemany(
            "INSERT INTO deliveries (event_id, endpoint_id, state) VALUES (?, ?, 'pending')",
            [(event_id, endpoint["id"]) for endpoint in endpoints],
        )
        self.notify()

    def body(self, event_id: str, version: str | None = None) -> bytes | None:
        """The event's body as delivered to an endpoint of this version (the account's: None)."""
        row = None
        if version is not None and version != self._version:
            row = self._sql.execute(
                "SELECT body FROM renderings WHERE event_id = ? AND version = ?",
                (event_id, version),
            ).fetchone()
        if row is None:
            row = self._sql.execute("SELECT body FROM events WHERE id = ?", (event_id,)).fetchone()
        return None if row is None else zlib.decompress(row[0])

    def read(self, event_id: str, now: int) -> Record | None:
        """The event as the API shows it, None when unknown or older than 30 days."""
        row = self._sql.execute(
            "SELECT body FROM events WHERE id = ? AND created >= ?",
            (event_id, now - RETENTION_SECONDS),
        ).fetchone()
        return None if row is None else self._shown(event_id, row[0])

    def twin(self, event_id: str) -> str | None:
        """A second event, with an id of its own, for the same change; None when unknown."""
        row = self._sql.execute("SELECT object_id FROM events WHERE id = ?", (event_id,)).fetchone()
        body = self.body(event_id)
        if row is None or body is None:
            return None
        twin_id = self._ids.next("evt")
        self._keep({**orjson.loads(body), "id": twin_id}, self._version, row[0])
        for version, raw in self._sql.execute(
            "SELECT version, body FROM renderings WHERE event_id = ?", (event_id,)
        ).fetchall():
            event = {**orjson.loads(zlib.decompress(raw)), "id": twin_id}
            self._keep(event, version, row[0])
        return twin_id

    def page(
        self,
        *,
        conditions: list[str],
        values: list[Any],
        now: int,
        limit: int,
        starting_after: str | None,
        ending_before: str | None,
    ) -> tuple[list[Record], bool]:
        """Events of the last 30 days, newest first; KeyError for an unknown cursor."""
        where = ["created >= ?", *conditions]
        bound: list[Any] = [now - RETENTION_SECONDS, *values]
        backwards = ending_before is not None
        cursor = starting_after or ending_before
        if cursor is not None:
            row = self._sql.execute(
                "SELECT created, sequence FROM events WHERE id = ?", (cursor,)
            ).fetchone()
            if row is None:
                raise KeyError(cursor)
            where.append(f"(created, sequence) {'>' if backwards else '<'} (?, ?)")
            bound += row
        order = "ASC" if backwards else "DESC"
        rows = self._sql.execute(
            f"SELECT id, body FROM events WHERE {' AND '.join(where)}"  # noqa: S608
            f" ORDER BY created {order}, sequence {order} LIMIT ?",
            (*bound, limit + 1),
        ).fetchall()
        events = [self._shown(*row) for row in rows[:limit]]
        return (events[::-1] if backwards else events), len(rows) > limit

    def purge(self, now: int) -> None:
        """Forget what is older than 30 days and not waiting for delivery."""
        old = now - RETENTION_SECONDS
        condition = (
            "created < ? AND NOT EXISTS (SELECT 1 FROM deliveries"
            " WHERE event_id = events.id AND state = 'pending')"
        )
        for table in ("renderings", "deliveries"):
            self._sql.execute(
                f"DELETE FROM {table} WHERE event_id IN"  # noqa: S608
                f" (SELECT id FROM events WHERE {condition})",
                (old,),
            )
        self._sql.execute(f"DELETE FROM events WHERE {condition}", (old,))  # noqa: S608

    def count(self) -> int:
        return int(self._sql.execute("SELECT count(*) FROM events").fetchone()[0])

    def latest_of(self, object_id: str) -> str | None:
        """The newest event about an object."""
        row = self._sql.execute(
            "SELECT id FROM events WHERE object_id = ? ORDER BY sequence DESC LIMIT 1",
            (object_id,),
        ).fetchone()
        return None if row is None else row[0]

    def _keep(self, event: Record, version: str, object_id: str) -> None:
        packed = zlib.compress(orjson.dumps(event), 1)
        if version == self._version:
            self._sql.execute(
                "INSERT INTO events (id, type, created, object_id, body) VALUES (?, ?, ?, ?, ?)",
                (event["id"], event["type"], event["created"], object_id, packed),
            )
        else:
            self._sql.execute(
                "INSERT INTO renderings VALUES (?, ?, ?)", (event["id"], version, packed)
            )

    def _shown(self, event_id: str, packed: bytes) -> Record:
        event: Record = orjson.loads(zlib.decompress(packed))
        row = self._sql.execute(
            "SELECT count(*) FROM deliveries WHERE event_id = ? AND state = 'pending'",
            (event_id,),
        ).fetchone()
        event["pending_webhooks"] = row[0]
        return event

    def _version_of(self, endpoint: Record) -> str:
        return endpoint.get("api_version") or self._version


def _nobody() -> None:
    """Before the deliverer is attached there is none to tell of new deliveries."""


def wants(endpoint: Record, event_type: str) -> bool:
    chosen = endpoint["enabled_events"]
    return endpoint["status"] == "enabled" and ("*" in chosen or event_type in chosen)
