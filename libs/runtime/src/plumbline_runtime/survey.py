"""A look at the whole deployment every few seconds: lag, backlog, age, freshness, attention.

It runs in one process beside its work, reads views and the log's ends, and writes nothing.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, get_args

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from plumbline_schemas.attention import AttentionKind
from plumbline_schemas.topics import all_topics, dead_letter_topics
from prometheus_client import Gauge

from plumbline_runtime import survey_metrics as found
from plumbline_runtime.config import DeploymentConfig
from plumbline_runtime.postgres import UNREACHABLE
from plumbline_runtime.settings import Settings

if TYPE_CHECKING:
    from plumbline_runtime.composition import Runtime

_PATIENCE_SECONDS: Final = 20.0
_PEEK_SECONDS: Final = 2.0
_PEEK_BYTES: Final = 64 * 1024
_STATES: Final = ("pending", "held", "failed")
_UNREACHABLE: Final = (*UNREACHABLE, KafkaError)

_POSITIONS: Final = "select group_id, topic, partition, next_offset from runtime.offsets"
_OUTBOX: Final = "select workspace, sequence - published_up_to as n from matcher.outbox_view"
_READS: Final = "select workspace, connection, n from ingest_webhooks.pending_reads"
_EFFECTS: Final = """
select workspace, connection, state, n,
       greatest(extract(epoch from clock_timestamp() - due_since), 0)::float8 as age
from writeback.pending_effects
"""
_EVENTS: Final = """
select workspace, connection, last_event_at from ingest_webhooks.connections
where last_event_at is not null
"""
_ATTENTION: Final = """
select workspace, kind, count(*) as n
from (select workspace, kind, subject from runtime.attention where status = 'open'
      union
      select workspace, kind, subject from matcher.attention_view where status = 'open') as item
group by workspace, kind
"""
_INCOMPLETE: Final = "select workspace, n from matcher.incomplete_view"
_BUDGETS: Final = """
select workspace, connection, throttled,
       greatest(extract(epoch from blocked_until - clock_timestamp())::float8, 0) as blocked
from connection.budgets
"""
_HEARTBEATS: Final = """
select service, instance, ready,
       extract(epoch from clock_timestamp() - at)::float8 as age
from runtime.heartbeats where at > clock_timestamp() - interval '1 day'
"""


def watch_deployment(runtime: "Runtime") -> None:
    """Let this process survey the deployment."""
    survey = Survey(runtime.settings, runtime.config, runtime.pool, runtime.stopping)
    runtime.background("survey", survey.run)


class Survey:
    """Measures until `stopping` says so; a failed look is counted, never fatal."""

    def __init__(
        self,
        settings: Settings,
        config: DeploymentConfig,
        pool: "asyncpg.Pool",
        stopping: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._config = config
        self._pool = pool
        self._stopping = stopping
        self._kafka: Any = None
        self._quiet = False

    async def run(self) -> None:
        """Look, wait, look again."""
        try:
            while not self._stopping.is_set():
                await self._try()
                try:
                    async with asyncio.timeout(self._settings.survey_seconds):
                        await self._stopping.wait()
                except TimeoutError:
                    continue
        finally:
            await self.close()

    async def _try(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self.look()
        except _UNREACHABLE as error:
            found.SURVEY_FAILURES.inc()
            if not self._quiet:
                structlog.get_logger().warning("survey_failed", error=error)
            self._quiet = True
            await self.close()
        else:
            self._quiet = False

    async def look(self) -> None:
        """Measure everything once; raises what the servers raise."""
        await self._tables()
        await self._logs()
        found.SURVEYED_AT.set(time.time())

    async def _tables(self) -> None:
        workspaces = [workspace.id for workspace in self._config.workspaces]
        connections = [
            (workspace.id, name)
            for workspace in self._config.workspaces
            for name in workspace.connections
        ]
        crms = [(one.id, one.crm.name) for one in self._config.workspaces if one.crm is not None]
        kinds = get_args(AttentionKind)
        fetch = self._pool.fetch
        _set(found.OUTBOX_ROWS, [(one,) for one in workspaces], _n(await fetch(_OUTBOX)))
        _set(found.READS_WAITING, connections, _n(await fetch(_READS), "connection"))
        effects = await fetch(_EFFECTS)
        states = [(*crm, state) for crm in crms for state in _STATES]
        _set(found.EFFECTS_WAITING, states, _n(effects, "connection", "state"))
        due = [row for row in effects if row["state"] == "pending"]
        _set(found.EFFECT_AGE, crms, _n(due, "connection", value="age"))
        attention = _n(await fetch(_ATTENTION), "kind")
        _set(found.ATTENTION_OPEN, [(one, kind) for one in workspaces for kind in kinds], attention)
        incomplete = _n(await fetch(_INCOMPLETE))
        _set(found.INCOMPLETE_ACCOUNTS, [(one,) for one in workspaces], incomplete)
        for row in await fetch(_EVENTS):
            at: datetime = row["last_event_at"]
            found.LAST_EVENT.labels(row["workspace"], row["connection"]).set(at.timestamp())
        budgets = await fetch(_BUDGETS)
        _set(found.THROTTLED, connections, _n(budgets, "connection", value="throttled"))
        _set(found.BLOCKED_SECONDS, connections, _n(budgets, "connection", value="blocked"))
        for row in await fetch(_HEARTBEATS):
            process = f"{row['service']}-{row['instance']}"
            found.HEARTBEAT_AGE.labels(process).set(row["age"])
            found.READY.labels(process).set(row["ready"])

    async def _logs(self) -> None:
        kafka = await self._client()
        topics = all_topics()
        stored: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
        for row in await self._pool.fetch(_POSITIONS):
            if row["topic"] in topics:
                stored[row["group_id"], row["topic"]][row["partition"]] = row["next_offset"]
        for (group, topic), positions in stored.items():
            name = self._settings.topic_prefix + topic
            places = {TopicPartition(name, number): at for number, at in positions.items()}
            ends = await kafka.end_offsets(list(places))
            behind = {place: at for place, at in places.items() if ends[place] > at}
            lag = sum(ends[place] - at for place, at in behind.items())
            found.GROUP_LAG_RECORDS.labels(group, topic).set(lag)
            oldest = await _oldest(kafka, behind) if behind else None
            age = 0.0 if oldest is None else max(time.time() - oldest / 1000, 0.0)
            found.GROUP_LAG_SECONDS.labels(group, topic).set(age)
        for topic in dead_letter_topics():
            name = self._settings.topic_prefix + topic
            parts = [TopicPartition(name, n) for n in range(topics[topic].partitions)]
            ends, begins = await kafka.end_offsets(parts), await kafka.beginning_offsets(parts)
            found.DEAD_LETTERS.labels(topic).set(sum(ends[p] - begins[p] for p in parts))

    async def _client(self) -> Any:
        if self._kafka is None:
            client = AIOKafkaConsumer(
                bootstrap_servers=self._settings.kafka_bootstrap_servers,
                client_id=f"{self._settings.service}-survey",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_partition_fetch_bytes=_PEEK_BYTES,
            )
            await client.start()
            self._kafka = client
        return self._kafka

    async def close(self) -> None:
        """Let go of Kafka; the next look connects anew."""
        client, self._kafka = self._kafka, None
        if client is None:
            return
        try:
            async with asyncio.timeout(self._settings.stop_seconds):
                await client.stop()
        except (KafkaError, OSError, TimeoutError) as error:
            structlog.get_logger().info("survey_client_stop_forced", error=error)


async def _oldest(kafka: Any, behind: Mapping[TopicPartition, int]) -> int | None:
    """The smallest timestamp, in ms, of the first record at each place; None when none came."""
    kafka.assign(list(behind))
    for place, at in behind.items():
        kafka.seek(place, at)
    first: dict[TopicPartition, int] = {}
    deadline = time.monotonic() + _PEEK_SECONDS
    while len(first) < len(behind) and time.monotonic() < deadline:
        for place, records in (await kafka.getmany(timeout_ms=200)).items():
            first.setdefault(place, records[0].timestamp)
            kafka.pause(place)
    return min(first.values(), default=None)


def _n(
    rows: "Iterable[asyncpg.Record]", *labels: str, value: str = "n"
) -> dict[tuple[str, ...], float]:
    """A column by workspace and further labels."""
    return {(row["workspace"], *(row[name] for name in labels)): row[value] for row in rows}


def _set(
    gauge: Gauge, known: Iterable[tuple[str, ...]], values: Mapping[tuple[str, ...], float]
) -> None:
    """Set what was found, and 0 where nothing was: a gauge must not stand at its last value."""
    for labels in {*known, *values}:
        gauge.labels(*labels).set(values.get(labels, 0))
