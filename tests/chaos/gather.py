"""Fills in the evidence of a window: topics, tables and simulators' logs since the last one."""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from console.facts import Facts
from plumbline_schemas.topics import all_topics

from tests.chaos.evidence import (
    Change,
    Evidence,
    Letter,
    Made,
    Observed,
    Outcome,
    Published,
    Raw,
    Read,
    Sent,
    Stored,
    Write,
)
from tests.chaos.truth import amount, monthly
from tests.chaos.vendors import WORKSPACE, Vendors

RAW, LOG = "webhooks.received.v1", "observations.v1"
STATES, EVENTS = "accounts.state.v1", "accounts.events.v1"
OUTCOMES = "writeback.outcomes.v1"
DEAD = (f"{RAW}.dlq", f"{LOG}.dlq", f"{STATES}.dlq", "refresh.requests.v1.dlq")
TOPICS = (RAW, LOG, STATES, EVENTS, OUTCOMES, *DEAD)
WRITING = ("/batch/update", "/batch/upsert")
POLL_MS = 500
LOOKS = 20


class Gatherer:
    """Remembers where the last window ended."""

    def __init__(self, vendors: Vendors) -> None:
        self._vendors = vendors
        self._next: dict[TopicPartition, int] = {}
        self._deliveries = 0
        self._made = 0
        self._calls = 0
        self._writes = vendors.hubspot.state.write_count
        self._posts = 0
        self._sequence = 0
        self._shown: dict[str, dict[str, str]] = {}

    async def window(self, kafka: str, database: str) -> Evidence:
        """Everything since the last call."""
        records = await self._records(kafka)
        evidence = Evidence(
            raws=[_raw(one) for one in records[RAW]],
            observed=[_observed(one) for one in records[LOG]],
            letters=[_letter(one) for topic in DEAD for one in records[topic]],
            states=[_published(one) for one in records[STATES]],
            events=[_published(one) for one in records[EVENTS]],
            outcomes=[_outcome(one) for one in records[OUTCOMES]],
            acked=self._acked(),
            notified=self._notified(),
            sent=self._sent(),
            writes=self._written(),
            made=self._made_since(),
            shown_before=self._shown,
        )
        connection = await asyncpg.connect(database)
        try:
            await self._tables(connection, evidence)
            evidence.backlog = await _backlog(connection, kafka)
        finally:
            await connection.close()
        await self._values(evidence)
        return evidence

    async def _values(self, evidence: Evidence) -> None:
        """What the companies must show and do: those of the book, and those made for newcomers."""
        truth = await self._vendors.truth()
        known, others = self._vendors.book.companies(), self._vendors.beside_the_book()
        companies = known | {one: domain for one, domain in others.items() if domain in truth}
        evidence.newcomers = sorted(truth.keys() - known.values())
        evidence.beside_the_book = others
        evidence.expected = {one: truth[domain] for one, domain in companies.items()}
        self._shown = {one: self._vendors.shown(one) for one in companies}
        evidence.shown = self._shown
        evidence.companies = _alone(evidence.expected)

    async def skip(self, kafka: str, database: str) -> None:
        """End a window without a verdict: what a replay repeats is judged by itself."""
        await self.window(kafka, database)

    async def _records(self, kafka: str) -> Mapping[str, list[ConsumerRecord[Any, Any]]]:
        return await read_topics(kafka, TOPICS, self._next)

    def _acked(self) -> dict[str, int]:
        rows = self._vendors.stripe.state.ledger.store.connection.execute(
            "SELECT sequence, event_id, statuses FROM deliveries WHERE sequence > ?",
            (self._deliveries,),
        ).fetchall()
        acked: dict[str, int] = defaultdict(int)
        for sequence, event_id, statuses in rows:
            self._deliveries = max(self._deliveries, sequence)
            good = sum(1 for status in statuses.split() if status.startswith("2"))
            if good:
                acked[event_id] += good
        return dict(acked)

    def _notified(self) -> list[int]:
        posts = [one for one in self._vendors.hubspot.state.webhooks.posts if one["at"]
                 > self._posts]  # fmt: skip
        self._posts = max((one["at"] for one in posts), default=self._posts)
        return [
            name for one in posts if 200 <= one["status"] < 300 for name in one["event_ids"]
        ]  # fmt: skip

    def _sent(self) -> list[Sent]:
        fresh = []
        last = self._calls
        for entry in self._vendors.hubspot.state.calls._newest_first():
            if entry["sequence"] <= self._calls:
                break
            last = max(last, entry["sequence"])
            if entry["method"] == "POST" and entry["path"].endswith(WRITING):
                fresh.append(entry)
        self._calls = last
        return [one for entry in reversed(fresh) for one in _rows_sent(entry)]

    def _written(self) -> list[Write]:
        state = self._vendors.hubspot.state
        number = min(state.write_count - self._writes, len(state.writes))
        self._writes = state.write_count
        rows = [orjson.loads(one) for one in list(state.writes)[len(state.writes) - number :]]
        return [
            Write(row["id"], row["objectWriteTraceId"], row["properties"])
            for row in rows
            if row["source"] == "INTEGRATION"
        ]

    def _made_since(self) -> list[Made]:
        events = self._vendors.stripe.state.ledger.events
        rows = self._vendors.stripe.state.ledger.store.connection.execute(
            "SELECT sequence, id, type FROM events WHERE sequence > ?", (self._made,)
        ).fetchall()
        made = []
        for sequence, event_id, kind in rows:
            self._made = max(self._made, sequence)
            body = events.body(event_id) if kind.startswith("customer.subscription.") else None
            if body is not None:
                event = orjson.loads(body)
                about = event["data"]["object"]
                paid = amount(monthly(about))
                made.append(Made(event["created"], about["customer"], about["id"], paid))
        return made

    async def _tables(self, connection: asyncpg.Connection, evidence: Evidence) -> None:
        rows = await connection.fetch(
            """select sequence, account_id, cause ->> 'event_id' as event_id,
                      json_array_length(events) as events
               from matcher.account_changes where sequence > $1 order by sequence""",
            self._sequence,
        )
        evidence.ledger = [Change(*row) for row in rows]
        self._sequence = max((row["sequence"] for row in rows), default=self._sequence)
        touched = sorted({row["account_id"] for row in rows})
        evidence.versions = {
            row["account_id"]: row["version"]
            for row in await connection.fetch(
                """select account_id, version from matcher.accounts
                   where account_id = any($1) and merged_into is null""",
                touched,
            )
        }
        evidence.objects = await _objects(connection, _named(evidence.raws))
        evidence.reads = {
            (row["kind"], row["vendor_id"]): Read(row["state"], row["at"])
            for row in await connection.fetch(
                """select kind, vendor_id, state,
                          (extract(epoch from last_started_at) * 1000)::bigint as at
                   from ingest_webhooks.reads where connection = 'hubspot'"""
            )
        }
        evidence.positions = {
            (row["group_id"], row["partition"]): row["next_offset"]
            for row in await connection.fetch(
                """select group_id, partition, next_offset from runtime.offsets
                   where group_id in ('observe', 'matcher')"""
            )
        }
        evidence.unfinished = [
            f"{row['kind']} {row['vendor_id']} {row['state']}: {row['last_error']}"
            for row in await connection.fetch(
                """select kind, vendor_id, state, last_error from writeback.effects
                   where state not in ('applied', 'skipped')
                   union all
                   select kind, 'new:' || account_id, state, last_error from writeback.creations
                   where state <> 'done'"""
            )
        ]


async def read_topics(
    kafka: str, topics: Iterable[str], since: dict[TopicPartition, int]
) -> Mapping[str, list[ConsumerRecord[Any, Any]]]:
    """All records from `since` (which moves on) to the ends that the topics have now."""
    partitions = [
        TopicPartition(topic, number)
        for topic in topics
        for number in range(all_topics()[topic].partitions)
    ]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, enable_auto_commit=False, fetch_max_wait_ms=50
    )
    await consumer.start()
    found: dict[str, list[ConsumerRecord[Any, Any]]] = defaultdict(list)
    try:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition in partitions:
            consumer.seek(partition, since.get(partition, 0))
        missing = {p for p in partitions if since.get(p, 0) < ends[p]}
        while missing:
            batches = await consumer.getmany(*missing, timeout_ms=POLL_MS)
            for partition, batch in batches.items():
                found[partition.topic] += batch
            for partition in list(missing):
                since[partition] = await consumer.position(partition)
                if since[partition] >= ends[partition]:
                    missing.discard(partition)
    finally:
        await consumer.stop()
    return found


async def open_items(kafka: str) -> list[str]:
    """Keys of the items whose newest record in attention.v1 is not closed."""
    newest: dict[str, str] = {}
    for record in (await read_topics(kafka, ("attention.v1",), {}))["attention.v1"]:
        item = orjson.loads(record.value or b"{}")
        newest[(record.key or b"").decode()] = item.get("status", "closed")
    return sorted(key for key, status in newest.items() if status != "closed")


async def _backlog(connection: asyncpg.Connection, kafka: str) -> dict[str, int]:
    """The least each link held in a few looks: a tick of time is always on its way somewhere."""
    least: dict[str, int] = {}
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        for _ in range(LOOKS):
            found = await Facts(connection, consumer).backlog()
            links = {"outbox": found.outbox, "reads": found.reads, "effects": found.effects}
            links |= found.consumers
            least = {name: min(n, least.get(name, n)) for name, n in links.items()}
            if not any(least.values()):
                break
            await asyncio.sleep(0.1)
    finally:
        await consumer.stop()
    return least


async def _objects(connection: asyncpg.Connection, names: set[str]) -> dict[str, Stored]:
    rows = await connection.fetch(
        """select key, vendor_time_ms, deleted, held::text as held from matcher.objects
           where key = any($1)""",
        sorted(f"{WORKSPACE}/stripe/{name}" for name in names),
    )
    return {
        row["key"].split("/", 2)[2]: Stored(
            row["vendor_time_ms"], row["deleted"], frozenset(_event_ids(orjson.loads(row["held"])))
        )
        for row in rows
    }


def _event_ids(held: Any) -> Iterable[str]:
    """Every event id a stored object remembers, wherever it keeps them."""
    if isinstance(held, dict):
        if isinstance(held.get("event_id"), str):
            yield held["event_id"]
        for value in held.values():
            yield from _event_ids(value)
    elif isinstance(held, list):
        for value in held:
            yield from _event_ids(value)


def _named(raws: Iterable[Raw]) -> set[str]:
    """kind/id of every Stripe object that a delivery is about."""
    names = set()
    for raw in raws:
        data = raw.event.get("data") if isinstance(raw.event, dict) else None
        about = data.get("object") if isinstance(data, dict) else None
        if isinstance(about, dict):
            names.add(f"{about.get('object')}/{about.get('id')}")
    return names


def _raw(record: ConsumerRecord[Any, Any]) -> Raw:
    headers = _headers(record)
    received = headers.get("plumbline-received-at", "")
    try:
        event = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        event = None
    return Raw(
        record.partition, record.offset, headers.get("ce_id", ""),
        headers.get("plumbline-vendor", ""), int(received) if received.isdigit() else 0, event,
    )  # fmt: skip


def _observed(record: ConsumerRecord[Any, Any]) -> Observed:
    try:
        event_id = orjson.loads(record.value or b"null")
    except orjson.JSONDecodeError:
        event_id = None
    found = event_id.get("event_id") if isinstance(event_id, dict) else None
    key = (record.key or b"").decode("utf-8", "replace")
    return Observed(record.partition, record.offset, key, found)


def _letter(record: ConsumerRecord[Any, Any]) -> Letter:
    headers = _headers(record)
    place = int(headers.get("dlq-partition", -1)), int(headers.get("dlq-offset", -1))
    topic, reason = headers.get("dlq-topic", ""), headers.get("dlq-reason", "")
    return Letter(topic, place, reason, headers.get("dlq-service", ""))


def _published(record: ConsumerRecord[Any, Any]) -> Published:
    headers = _headers(record)
    account = (record.key or b"").decode()
    return Published(headers.get("ce_id", ""), account, int(headers.get("ce_sequence", 0)))


def _outcome(record: ConsumerRecord[Any, Any]) -> Outcome:
    row = orjson.loads(record.value or b"{}")
    vendor_id = row["record"].rpartition("/")[2]
    return Outcome(
        _headers(record)["ce_id"], vendor_id, row["account"], row["version"], row["result"],
        row["idempotency_key"],
    )  # fmt: skip


def _headers(record: ConsumerRecord[Any, Any]) -> dict[str, str]:
    return {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}


def _rows_sent(entry: Mapping[str, Any]) -> list[Sent]:
    found = []
    for row in orjson.loads(entry["body"])["inputs"]:
        body = orjson.dumps(row["properties"], option=orjson.OPT_SORT_KEYS)
        short = hashlib.sha256(body).hexdigest()[:12]
        trace = str(row.get("objectWriteTraceId") or "")
        text, late = f"{short} {body.decode()}", "delay" in entry["faults"]
        found.append(Sent(trace, str(row["id"]), text, entry["status"], late))
    return found


def _alone(expected: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Customers that are the only one of their company."""
    found = {}
    for company, values in expected.items():
        customer = values.get("plumbline_stripe_customer_id", "")
        if customer and ";" not in customer:
            found[customer] = company
    return found


STATE = {
    "account": """select account_id as name, version, state, merged_into from matcher.accounts""",
    "link": """select key || '/' || opened_version as name, account_id, closed_version
               from matcher.links""",
    "ledger": """select sequence::text as name, account_id, cause, before, after, movement, events
                 from matcher.account_changes""",
    "object": """select key as name, deleted, content_hash from matcher.objects
                 where split_part(key, '/', 2) = 'stripe'""",
    "effect": """select kind || '/' || vendor_id as name, state_version, desired, applied,
                        applied_version, state, writes from writeback.effects""",
}
"""What the log decided and what was sent, without processing times and ticks.

A redelivery may look at a vendor once more, so neither when an object was seen last nor what a CRM
record held then belongs to it (design 13)."""


async def state_hashes(database: str) -> dict[str, str]:
    """A hash for every row of STATE, by table and key."""
    connection = await asyncpg.connect(database)
    try:
        return {
            f"{table} {row['name']}": row["hash"]
            for table, query in STATE.items()
            for row in await connection.fetch(
                f"select name, md5(row::text) as hash from ({query}) as row"
            )
        }
    finally:
        await connection.close()


async def all_positions(database: str) -> list[tuple[str, str, int, int]]:
    """Every stored position."""
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch(
            "select group_id, topic, partition, next_offset from runtime.offsets"
        )
    finally:
        await connection.close()
    return [tuple(row) for row in rows]


async def set_back(database: str, to: Iterable[tuple[str, str, int, int]] | None) -> None:
    """Redelivery: positions go back to `to`, None: to 0; the services must be stopped."""
    connection = await asyncpg.connect(database)
    try:
        if to is None:
            await connection.execute("update runtime.offsets set next_offset = 0")
            return
        known = {(group, topic, number): offset for group, topic, number, offset in to}
        for row in await connection.fetch("select * from runtime.offsets"):
            key = (row["group_id"], row["topic"], row["partition"])
            await connection.execute(
                """update runtime.offsets set next_offset = $4
                   where group_id = $1 and topic = $2 and partition = $3 and next_offset > $4""",
                *key,
                known.get(key, 0),
            )
    finally:
        await connection.close()
