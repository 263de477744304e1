"""Objects as JSON text in SQLite, sparse: what is not set is not kept. Also the due jobs."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

Record = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    sequence INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL, customer TEXT, parent TEXT, status TEXT, data TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS objects_newest ON objects (kind, created, sequence);
CREATE INDEX IF NOT EXISTS objects_customer ON objects (customer, kind);
CREATE INDEX IF NOT EXISTS objects_parent ON objects (parent, kind)
    WHERE parent IS NOT NULL;
CREATE TABLE IF NOT EXISTS due (
    object_id TEXT NOT NULL, job TEXT NOT NULL, at INTEGER NOT NULL, sequence INTEGER NOT NULL,
    PRIMARY KEY (object_id, job)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS due_at ON due (at, sequence);
"""


class DueJob(NamedTuple):
    object_id: str
    job: str
    at: int


@dataclass(frozen=True)
class Page:
    records: list[Record]
    has_more: bool


@dataclass(frozen=True)
class Query:
    """A list call: SQL conditions with their values, and where the page begins."""

    kind: str
    limit: int = 10
    conditions: tuple[str, ...] = ()
    values: tuple[Any, ...] = ()
    starting_after: str | None = None
    ending_before: str | None = None


@dataclass
class Store:
    """`path` is a SQLite file, in memory by default; one connection, one thread."""

    path: str = ":memory:"
    connection: sqlite3.Connection = field(init=False)
    _due_sequence: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = OFF")
        self.connection.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; nested use joins the outer one."""
        if self.connection.in_transaction:
            yield
            return
        self.connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def get(self, object_id: str, kind: str | None = None) -> Record | None:
        row = self.connection.execute(
            "SELECT kind, data FROM objects WHERE id = ?", (object_id,)
        ).fetchone()
        if row is None or kind not in (None, row[0]):
            return None
        record: Record = orjson.loads(row[1])
        return record

    def kind_of(self, object_id: str) -> str | None:
        row = self.connection.execute(
            "SELECT kind FROM objects WHERE id = ?", (object_id,)
        ).fetchone()
        return None if row is None else row[0]

    def put(self, kind: str, record: Record) -> None:
        """Insert, or replace the object of this id in its place."""
        self.connection.execute(
            "INSERT INTO objects (kind, id, created, customer, parent, status, data)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " customer = excluded.customer, parent = excluded.parent,"
            " status = excluded.status, data = excluded.data",
            (
                kind,
                record["id"],
                record.get("created", 0),
                record.get("customer"),
                record.get("_parent"),
                "deleted" if record.get("deleted") or record.get("_gone") else record.get("status"),
                orjson.dumps(record).decode(),
            ),
        )

    def delete(self, object_id: str) -> None:
        self.connection.execute("DELETE FROM objects WHERE id = ?", (object_id,))
        self.connection.execute("DELETE FROM due WHERE object_id = ?", (object_id,))

    def page(self, query: Query) -> Page:
        """Newest first; `ending_before` gives the page just newer than that object."""
        conditions = ["kind = ?", "status IS NOT 'deleted'", *query.conditions]
        values: list[Any] = [query.kind, *query.values]
        backwards = query.ending_before is not None
        cursor = query.starting_after or query.ending_before
        if cursor is not None:
            conditions.append(f"(created, sequence) {'>' if backwards else '<'} (?, ?)")
            values += self._position(cursor)
        order = "ASC" if backwards else "DESC"
        rows = self.connection.execute(
            f"SELECT data FROM objects WHERE {' AND '.join(conditions)}"  # noqa: S608
            f" ORDER BY created {order}, sequence {order} LIMIT ?",
            (*values, query.limit + 1),
        ).fetchall()
        records = [orjson.loads(row[0]) for row in rows[: query.limit]]
        return Page(records[::-1] if backwards else records, len(rows) > query.limit)

    def page_all(self, kind: str) -> list[Record]:
        """Every object of a kind of which there are few, oldest first."""
        rows = self.connection.execute(
            "SELECT data FROM objects WHERE kind = ? ORDER BY sequence", (kind,)
        )
        return [orjson.loads(row[0]) for row in rows]

    def of_customer(self, customer: str, kind: str) -> list[Record]:
        return self._related("customer", customer, kind)

    def of_parent(self, parent: str, kind: str) -> list[Record]:
        """The invoices of a subscription, the payments of an invoice (`_parent`)."""
        return self._related("parent", parent, kind)

    def subscription_of_item(self, item_id: str) -> Record | None:
        row = self.connection.execute(
            "SELECT data FROM objects, json_each(objects.data, '$.items') AS item"
            " WHERE kind = 'subscription' AND json_extract(item.value, '$.id') = ?",
            (item_id,),
        ).fetchone()
        return None if row is None else orjson.loads(row[0])

    def count(self, kind: str) -> int:
        row = self.connection.execute(
            "SELECT count(*) FROM objects WHERE kind = ?", (kind,)
        ).fetchone()
        return int(row[0])

    def plan_job(self, object_id: str, job: str, at: int) -> None:
        """Let `job` run when the simulated clock reaches `at`; replaces an earlier plan."""
        self._due_sequence += 1
        self.connection.execute(
            "INSERT OR REPLACE INTO due VALUES (?, ?, ?, ?)",
            (object_id, job, at, self._due_sequence),
        )

    def drop_jobs(self, object_id: str, *jobs: str) -> None:
        """Forget the named jobs of an object, or all of them."""
        if not jobs:
            self.connection.execute("DELETE FROM due WHERE object_id = ?", (object_id,))
        for job in jobs:
            self.connection.execute(
                "DELETE FROM due WHERE object_id = ? AND job = ?", (object_id, job)
            )

    def take_job(self, until: int) -> DueJob | None:
        """Remove and return the earliest job due at or before `until`."""
        row = self.connection.execute(
            "SELECT object_id, job, at FROM due WHERE at <= ? ORDER BY at, sequence LIMIT 1",
            (until,),
        ).fetchone()
        if row is None:
            return None
        self.drop_jobs(row[0], row[1])
        return DueJob(*row)

    def close(self) -> None:
        self.connection.close()

    def _position(self, object_id: str) -> list[int]:
        row = self.connection.execute(
            "SELECT created, sequence FROM objects WHERE id = ?", (object_id,)
        ).fetchone()
        if row is None:
            raise KeyError(object_id)
        return [row[0], row[1]]

    def _related(self, column: str, value: str, kind: str) -> list[Record]:
        rows = self.connection.execute(
            f"SELECT data FROM objects INDEXED BY objects_{column}"  # noqa: S608
            f" WHERE {column} = ? AND kind = ? ORDER BY created, sequence",
            (value, kind),
        )
        return [orjson.loads(row[0]) for row in rows]
