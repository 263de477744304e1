"""The tables of this service: wanted reads and facts about connections.

A read is a row, newest wins, retried until done (design 2). A request older than the start of the
object's last read is already done (design 5). `requested_at` is the requester's clock, all other
times are the database's, so the comparison leaves a margin for the two to differ: too little would
lose an update, too much costs one more read.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from plumbline_schemas.observations import Origin

Connection = Any
"""An asyncpg connection, pooled or not."""


class ReadWish(NamedTuple):
    """Somebody wants an object looked at."""

    workspace: str
    connection: str
    kind: str
    vendor_id: str
    reason: str
    origin: Origin
    requested_at: datetime
    received_at: datetime
    """What the latency of the observation is measured from."""
    not_before: datetime | None = None
    """The read must start no earlier (ties of one second, design 5)."""

    @property
    def target(self) -> tuple[str, str, str, str]:
        """The primary key."""
        return self[:4]


class DueRead(NamedTuple):
    """A read whose time has come."""

    kind: str
    vendor_id: str
    reason: str
    origin: Origin
    received_at: datetime
    attempts: int


class Backlog(NamedTuple):
    """What waits for one connection."""

    due: int
    """Counted up to one batch."""
    oldest_seconds: float | None
    """How long the first has been due; None when none is."""


class Failure(NamedTuple):
    """A read that must be tried again."""

    kind: str
    vendor_id: str
    delay_seconds: float
    error: str
    attempts: int
    """Tries so far, with this one."""


# A pending row keeps its place in the queue (the earliest attempt stands, a back-off is not cut
# short), the latest `not_before` and the earliest `received_at`; the rest is the newest request's.
# A request from the future would never be done, so it counts as made now.
_WANT = """
insert into ingest_webhooks.reads as r
    (workspace, connection, kind, vendor_id, reason, origin, requested_at, received_at, not_before,
     next_attempt_at)
select w.workspace, w.connection, w.kind, w.vendor_id, w.reason, w.origin,
       least(w.requested_at, clock_timestamp()), least(w.received_at, clock_timestamp()),
       w.not_before, greatest(clock_timestamp(), w.not_before)
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
            $7::timestamptz[], $8::timestamptz[], $9::timestamptz[])
    as w(workspace, connection, kind, vendor_id, reason, origin, requested_at, received_at,
         not_before)
on conflict (workspace, connection, kind, vendor_id) do update set
    reason = excluded.reason,
    origin = case when r.state = 'pending' and r.origin = 'webhook' then r.origin
                  else excluded.origin end,
    requested_at = greatest(r.requested_at, excluded.requested_at),
    asked_at = case when r.state = 'pending' and excluded.requested_at <= r.requested_at
                    then r.asked_at else clock_timestamp() end,
    received_at = case when r.state = 'pending' then least(r.received_at, excluded.received_at)
                       else excluded.received_at end,
    not_before = case when r.state = 'pending' then greatest(r.not_before, excluded.not_before)
                      else excluded.not_before end,
    state = 'pending',
    attempts = case when r.state = 'pending' then r.attempts else 0 end,
    next_attempt_at = case
        when r.state <> 'pending' then excluded.next_attempt_at
        when r.attempts > 0 then r.next_attempt_at
        else least(r.next_attempt_at, excluded.next_attempt_at) end
where r.last_started_at is null
   or excluded.requested_at > r.last_started_at - interval '200 ms'
   or excluded.not_before > r.last_started_at
"""

_BACKLOG = """
select count(*) as due, extract(epoch from clock_timestamp() - min(next_attempt_at)) as oldest
from (select next_attempt_at from ingest_webhooks.reads
      where workspace = $1 and connection = $2 and state = 'pending'
        and next_attempt_at <= clock_timestamp()
      order by next_attempt_at limit $3) as waiting
"""

_DUE = """
select kind, vendor_id, reason, origin, received_at, attempts, clock_timestamp() as started_at
from ingest_webhooks.reads
where workspace = $1 and connection = $2 and state = 'pending'
  and next_attempt_at <= clock_timestamp()
order by next_attempt_at limit $3
"""

# Asked for again, or to be read again later, while this read ran: it stays pending. Rows are locked
# in the order in which `want` touches them.
_DONE = """
update ingest_webhooks.reads as r set
    state = case when again then 'pending' else 'done' end,
    next_attempt_at = greatest(clock_timestamp(), r.not_before),
    attempts = 0, last_error = null, last_started_at = $5
from (select workspace, connection, kind, vendor_id,
             (asked_at > $5 and requested_at > $5 - interval '200 ms')
             or coalesce(not_before > $5, false) as again
      from ingest_webhooks.reads
      where workspace = $1 and connection = $2
        and (kind, vendor_id) in (select * from unnest($3::text[], $4::text[]))
      order by kind collate "C", vendor_id collate "C"
      for update) as held
where r.workspace = held.workspace and r.connection = held.connection
  and r.kind = held.kind and r.vendor_id = held.vendor_id
"""

_FAILED = """
update ingest_webhooks.reads as r set
    attempts = r.attempts + 1, last_error = held.error,
    next_attempt_at = clock_timestamp() + make_interval(secs => held.delay)
from (select w.workspace, w.connection, w.kind, w.vendor_id, f.delay, f.error
      from ingest_webhooks.reads as w
      join unnest($3::text[], $4::text[], $5::float8[], $6::text[])
          as f(kind, vendor_id, delay, error) using (kind, vendor_id)
      where w.workspace = $1 and w.connection = $2
      order by w.kind collate "C", w.vendor_id collate "C"
      for update of w) as held
where r.workspace = held.workspace and r.connection = held.connection
  and r.kind = held.kind and r.vendor_id = held.vendor_id
"""

_SEEN = """
insert into ingest_webhooks.connections as c (workspace, connection, last_event_at)
select * from unnest($1::text[], $2::text[], $3::timestamptz[])
on conflict (workspace, connection) do update
    set last_event_at = greatest(c.last_event_at, excluded.last_event_at)
"""


def storable(text: str) -> str:
    """Text that PostgreSQL takes, short enough for a column people read."""
    return text[:500].replace("\0", "").encode("utf-8", errors="replace").decode()


def coalesce(wishes: Iterable[ReadWish]) -> list[ReadWish]:
    """One wish per object, sorted by key: the newest, with the earliest `received_at`.

    The same rule as the table's, as one statement may not touch a row twice.
    """
    merged: dict[tuple[str, str, str, str], ReadWish] = {}
    for wish in wishes:
        known = merged.get(wish.target)
        if known is None:
            merged[wish.target] = wish
            continue
        older, newer = sorted((known, wish), key=lambda one: one.requested_at)
        starts = [one.not_before for one in (known, wish) if one.not_before is not None]
        merged[wish.target] = newer._replace(
            origin="webhook" if "webhook" in (known.origin, wish.origin) else newer.origin,
            received_at=min(older.received_at, newer.received_at),
            not_before=max(starts, default=None),
        )
    return [merged[target] for target in sorted(merged)]


async def want(conn: Connection, wishes: Iterable[ReadWish]) -> int:
    """Queue the reads; returns how many objects were asked for after coalescing."""
    rows = coalesce(wishes)
    if rows:
        await conn.execute(_WANT, *(list(column) for column in zip(*rows, strict=True)))
    return len(rows)


async def saw(conn: Connection, last_events: Mapping[tuple[str, str], datetime]) -> None:
    """Note when each connection was last heard of."""
    if last_events:
        keys = sorted(last_events)
        await conn.execute(
            _SEEN,
            [workspace for workspace, _ in keys],
            [connection for _, connection in keys],
            [last_events[key] for key in keys],
        )


async def backlog(conn: Connection, workspace: str, connection: str, limit: int) -> Backlog:
    """How many reads of the connection are due, up to `limit`, and since when."""
    row = await conn.fetchrow(_BACKLOG, workspace, connection, limit)
    oldest = row["oldest"]
    return Backlog(row["due"], None if oldest is None else float(oldest))


async def due(
    conn: Connection, workspace: str, connection: str, limit: int
) -> tuple[list[DueRead], datetime | None]:
    """The reads whose time has come, longest due first, and the database's time now."""
    rows = await conn.fetch(_DUE, workspace, connection, limit)
    reads = [DueRead(*list(row.values())[:6]) for row in rows]
    return reads, rows[0]["started_at"] if rows else None


async def done(
    conn: Connection,
    workspace: str,
    connection: str,
    reads: Sequence[DueRead],
    started_at: datetime,
) -> None:
    """The objects have been looked at, by reads that began at `started_at`."""
    if reads:
        kinds = [read.kind for read in reads]
        ids = [read.vendor_id for read in reads]
        await conn.execute(_DONE, workspace, connection, kinds, ids, started_at)


async def failed(
    conn: Connection, workspace: str, connection: str, failures: Sequence[Failure]
) -> None:
    """The reads are tried again after their delay."""
    if failures:
        columns = [list(column) for column in zip(*failures, strict=True)][:4]
        await conn.execute(_FAILED, workspace, connection, *columns)
