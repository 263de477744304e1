"""Facts about a running deployment, gathered from PostgreSQL and Kafka; nothing is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from plumbline_runtime.circuit_rows import Standing, closed_off
from plumbline_runtime.config import DeploymentConfig
from plumbline_schemas.outputs import RatesStatus
from plumbline_schemas.topics import (
    ACCOUNTS_STATE,
    OBSERVATIONS,
    REFRESH_REQUESTS,
    WEBHOOKS_RECEIVED,
    Topic,
    all_topics,
    dead_letter_topics,
)

from console import attention, rates

GROUPS: tuple[tuple[str, Topic], ...] = (
    ("observe", WEBHOOKS_RECEIVED),
    ("refresh", REFRESH_REQUESTS),
    ("matcher", OBSERVATIONS),
    ("writeback-crm", OBSERVATIONS),
    ("writeback-accounts", ACCOUNTS_STATE),
)
"""Consumer groups in the order records flow, so that work moving on is never missed."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What still waits, link by link."""

    consumers: Mapping[str, int]
    outbox: int
    reads: int
    effects: int
    attention: int

    @property
    def lag(self) -> int:
        """Records not processed and ledger rows not published."""
        return sum(self.consumers.values()) + self.outbox

    @property
    def settled(self) -> bool:
        """Nothing is under way; what waits for a person doesn't count."""
        return self.lag == 0 and self.reads == 0 and self.effects == 0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a process last said of itself, `age` seconds ago by the database's clock."""

    pid: int
    ready: bool
    age: float
    unmet: list[str]


class Facts:
    """Reads through one database connection and one Kafka client."""

    def __init__(self, db: asyncpg.Connection, kafka: AIOKafkaConsumer, prefix: str = "") -> None:
        self._db = db
        self._kafka = kafka
        self._prefix = prefix

    async def backlog(self) -> Backlog:
        """Count twice around the loop of reads, and keep the larger: nothing slips between."""
        first = await self._backlog_once()
        if not first.settled:
            return first
        return await self._backlog_once()

    async def _backlog_once(self) -> Backlog:
        consumers = {group: await self._lag(group, topic) for group, topic in GROUPS}
        outbox = await self._db.fetchval(
            "select coalesce(sum(sequence - published_up_to), 0)::bigint from matcher.outbox_view"
        )
        reads = await self._db.fetchval(
            "select coalesce(sum(n), 0)::bigint from ingest_webhooks.pending_reads"
        )
        effects = await self._db.fetchval(
            """select coalesce(sum(n), 0)::bigint from writeback.pending_effects
               where state = 'pending'"""
        )
        return Backlog(consumers, int(outbox), int(reads), int(effects), await self._attention())

    async def _attention(self) -> int:
        """Held effects count one by one; what asks for their approval is not more."""
        held = await self._db.fetchval(
            """select coalesce(sum(n), 0)::bigint from writeback.pending_effects
               where state = 'held'"""
        )
        matches = await self._db.fetchval(
            "select count(*) from matcher.attention_view where status = 'open'"
        )
        desk = await self._db.fetchval(
            """select count(*) from runtime.attention_view
               where status = 'open' and kind not in ('plan_approval', 'conflict', 'mass_change')"""
        )
        return int(held) + int(matches) + int(desk)

    async def _lag(self, group: str, topic: Topic) -> int:
        ends = await self._offsets(topic.name, end=True)
        rows = await self._db.fetch(
            """select partition, next_offset from runtime.offsets
               where group_id = $1 and topic = $2""",
            group,
            topic.name,
        )
        positions = {row["partition"]: row["next_offset"] for row in rows}
        missing = [partition for partition in ends if partition not in positions]
        if missing:
            begins = await self._offsets(topic.name, end=False)
            positions |= {partition: begins[partition] for partition in missing}
        return sum(max(0, end - positions[partition]) for partition, end in ends.items())

    async def _offsets(self, topic: str, *, end: bool) -> dict[int, int]:
        # The registry's number: a client in no group knows no topics until it is asked about one.
        name, partitions = self._prefix + topic, all_topics()[topic].partitions
        asked = [TopicPartition(name, partition) for partition in range(partitions)]
        call = self._kafka.end_offsets if end else self._kafka.beginning_offsets
        found: Mapping[TopicPartition, int] = await call(asked)
        return {tp.partition: offset for tp, offset in found.items()}

    async def dead_letters(self) -> dict[str, int]:
        """Open letters of each dead-letter topic; what no service has read yet counts as open."""
        rows = await self._db.fetch("select topic, letters from runtime.dead_letter_view")
        known = {row["topic"]: row["letters"] for row in rows}
        return {
            name: known.get(name, 0) + await self._lag("letters", topic)
            for name, topic in dead_letter_topics().items()
        }

    async def attention_kinds(self) -> dict[str, int]:
        """Open attention items by kind."""
        return await attention.kinds(self._db)

    async def incomplete(self) -> int:
        """Accounts of which something is missing."""
        return int(
            await self._db.fetchval("select coalesce(sum(n), 0) from matcher.incomplete_view")
        )

    async def rates(self, config: DeploymentConfig) -> list[RatesStatus]:
        """The exchange rates of each workspace that has some."""
        return await rates.standings(self._db, config)

    async def last_events(self) -> dict[tuple[str, str], datetime]:
        """When each connection last delivered something."""
        rows = await self._db.fetch(
            """select workspace, connection, last_event_at from ingest_webhooks.connections
               where last_event_at is not null"""
        )
        return {(row["workspace"], row["connection"]): row["last_event_at"] for row in rows}

    async def closed_off(self) -> dict[tuple[str, str], Standing]:
        """Connections that refuse us or are another account."""
        return await closed_off(self._db)

    async def heartbeats(self) -> dict[str, Heartbeat]:
        """The newest sign of life of each service."""
        rows = await self._db.fetch(
            """select distinct on (service) service, pid, ready, conditions,
                      extract(epoch from now() - at)::float8 as age
               from runtime.heartbeats order by service, at desc"""
        )
        return {
            row["service"]: Heartbeat(
                row["pid"], row["ready"], row["age"], _unmet(row["conditions"])
            )
            for row in rows
        }


def _unmet(conditions: object) -> list[str]:
    if not isinstance(conditions, Mapping):
        return []
    unmet = []
    for name, condition in conditions.items():
        if isinstance(condition, Mapping) and not condition.get("ok"):
            unmet.append(f"{name}: {condition.get('detail') or 'not yet'}")
    return unmet
