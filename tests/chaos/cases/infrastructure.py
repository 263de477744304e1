"""Rows 4, 10, 11, 12, 19 and the watchdog: Kafka and PostgreSQL fail, or the way to them does."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from tests.chaos.gather import read_topics
from tests.chaos.registry import case
from tests.chaos.stage import FaultMissingError, Stage
from tests.chaos.stand_in import BrokenPromiseError, StandIn, bent, holds, instead_of
from tests.chaos.tunnel import Tunnel, kafka_tunnel, postgres_tunnel

RAW_DEAD = "webhooks.received.v1.dlq"
SET_FOR_THIS_TOPIC = 1
"""Kafka's config source DYNAMIC_TOPIC_CONFIG."""
WAITING = "waiting_for_infrastructure"
MOST_WAITS = 40
"""Retries that one service may log in an outage of some seconds: they are spaced out."""
IMPATIENT = {
    "PLUMBLINE_STATEMENT_TIMEOUT_SECONDS": "3",
    "PLUMBLINE_IDLE_IN_TRANSACTION_SECONDS": "4",
}


def answers(stage: Stage, status: int) -> int:
    """How often Stripe's deliveries were answered with it so far."""
    return int(stage.vendors.stripe.state.deliverer.statuses.get(status, 0))


def waits(stage: Stage) -> dict[str, int]:
    """How often each service has logged that it waits."""
    logs = sorted((stage.home / "logs").glob("*.log"))
    return {log.stem: log.read_bytes().count(WAITING.encode()) for log in logs}


@asynccontextmanager
async def bounded_retries(stage: Stage) -> AsyncIterator[None]:
    """Nobody tries again without a pause."""
    before = waits(stage)
    yield
    found = {name: n - before.get(name, 0) for name, n in waits(stage).items()}
    hasty = {name: n for name, n in found.items() if n > MOST_WAITS}
    if hasty:
        raise BrokenPromiseError(f"retries are not bounded: {hasty}")


@case("broker-killed", row="4", settle_seconds=40, everyday=False)
async def broker_killed(stage: Stage) -> None:
    """kill -9 of the broker under load; it needs some seconds to come back."""
    async with stage.traffic():
        await asyncio.sleep(1)
        await stage.kill("kafka")
        async with stage.no_acks():
            await asyncio.sleep(0.7)
        await holds(60, "the broker is back", lambda: _broker_answers(stage))


async def _broker_answers(stage: Stage) -> bool:
    """Whether it leads the log again: after kill -9 it recovers its partitions first."""
    try:
        async with asyncio.timeout(3):
            await read_topics(stage.kafka, (RAW_DEAD,), {})
    except (KafkaError, OSError, TimeoutError):
        return False
    return True


@case("broker-frozen", row="4", settle_seconds=45, everyday=False)
async def broker_frozen(stage: Stage) -> None:
    """A broker that takes connections and answers nothing; services still stop and start."""
    async with stage.traffic():
        await asyncio.sleep(1)
        refused = answers(stage, 503)
        async with stage.frozen("kafka"), stage.no_acks():
            await asyncio.gather(stage.terminate("matcher"), stage.terminate("writeback"))
            await stage.start("matcher")
            await stage.start("writeback")
            await holds(30, "the edge answers 503", lambda: _more(stage, refused))
        await asyncio.sleep(1)


async def _more(stage: Stage, than: int) -> bool:
    return answers(stage, 503) > than


@case("loop-blocked", row="10", settle_seconds=30, everyday=False)
async def loop_blocked(stage: Stage) -> None:
    """The matcher's event loop stands still beyond the session: the watchdog ends the process."""
    blocked = stage.pid("matcher")
    async with stage.traffic():
        await asyncio.sleep(0.5)
        stage.arm("matcher.after_commit", block_seconds=7)
        await stage.fired("matcher.after_commit")
        await holds(60, "the watchdog ends the matcher", lambda: _replaced(stage, blocked))


async def _replaced(stage: Stage, pid: int) -> bool:
    try:
        return stage.pid("matcher") != pid
    except FaultMissingError:
        return False


@case("postgres-immediate", row="11", settle_seconds=40, everyday=False)
async def postgres_immediate(stage: Stage) -> None:
    """`stop -m immediate`: no shutdown, recovery from the log at the next start."""
    async with stage.traffic(), bounded_retries(stage):
        await asyncio.sleep(1)
        os.kill(stage.pid("postgres"), signal.SIGQUIT)
        await asyncio.sleep(4)


@case("postgres-terminate-storm", row="11", settle_seconds=40, everyday=False)
async def terminate_storm(stage: Stage) -> None:
    """Every session of every service is ended, ten times a second for two seconds."""
    async with stage.traffic(), bounded_retries(stage):
        await asyncio.sleep(0.5)
        ended = 0
        for _ in range(20):
            rows = await stage.sql(
                """select pg_terminate_backend(pid) from pg_stat_activity
                   where application_name like 'plumbline-%' and pid <> pg_backend_pid()"""
            )
            ended += len(rows)
            await asyncio.sleep(0.1)
        if not ended:
            raise FaultMissingError("there was no session to end")
        await asyncio.sleep(1)


@asynccontextmanager
async def through_postgres_tunnel(stage: Stage, name: str) -> AsyncIterator[tuple[Tunnel, StandIn]]:
    """A service that reaches PostgreSQL through a tunnel only."""
    port = urlsplit(stage.database).port or 5432
    async with postgres_tunnel(port) as tunnel:
        url = stage.database.replace(f":{port}/", f":{tunnel.port}/")
        async with instead_of(stage, name, DATABASE_URL=url, **IMPATIENT) as one:
            yield tunnel, one


@case("postgres-black-hole", row="12", settle_seconds=40, everyday=False)
async def postgres_black_hole(stage: Stage) -> None:
    """The matcher's COMMIT meets silence; healed, it may still arrive, late."""
    async with stage.traffic(), through_postgres_tunnel(stage, "matcher") as (tunnel, one):
        stage.arm("matcher.before_commit", stage.chance.randint(1, 10), block_seconds=0.4)
        await stage.fired("matcher.before_commit")
        await _silent(tunnel, one)


@case("postgres-black-hole-writeback", row="12", settle_seconds=40, everyday=False)
async def writeback_black_hole(stage: Stage) -> None:
    """HubSpot has said 200, and the database can't be told."""
    async with stage.traffic(), through_postgres_tunnel(stage, "writeback") as (tunnel, one):
        stage.arm("writeback.after_answer", block_seconds=0.4)
        await stage.fired("writeback.after_answer")
        await _silent(tunnel, one)


async def _silent(tunnel: Tunnel, one: StandIn) -> None:
    words = (WAITING, "sender_interrupted", "outbox_interrupted")
    before = sum(one.said(word) for word in words)
    tunnel.silence()

    async def noticed() -> bool:
        return sum(one.said(word) for word in words) > before or bool(one.ends)

    try:
        await holds(30, "a time-out fires", noticed)
    finally:
        tunnel.heal()
    if not tunnel.held:
        raise FaultMissingError("nothing met the silence")
    await one.ready()


@case("postgres-half-open", row="12", settle_seconds=40, everyday=False)
async def postgres_half_open(stage: Stage) -> None:
    """The server's side of every connection is gone."""
    async with stage.traffic(), through_postgres_tunnel(stage, "matcher") as (tunnel, one):
        for _ in range(5):
            await asyncio.sleep(0.4)
            tunnel.halve()
        await asyncio.sleep(0.5)
        await one.ready()


@asynccontextmanager
async def through_kafka_tunnel(
    stage: Stage, name: str, **extra: str
) -> AsyncIterator[tuple[Tunnel, StandIn]]:
    """A service that reaches Kafka through a tunnel only."""
    port = int(stage.kafka.rpartition(":")[2])
    async with kafka_tunnel(port) as tunnel:
        given = {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{tunnel.port}", **extra}
        async with instead_of(stage, name, **given) as one:
            yield tunnel, one


@case("kafka-black-hole-edge", row="12", settle_seconds=40, everyday=False)
async def edge_black_hole(stage: Stage) -> None:
    """The edge's acknowledgements are lost in the network: 503, never 2xx."""
    async with through_kafka_tunnel(stage, "ingest-webhooks") as (tunnel, one), stage.traffic():
        await asyncio.sleep(1)
        refused = answers(stage, 503)
        tunnel.silence()
        try:
            async with stage.no_acks():
                await holds(30, "the edge answers 503", lambda: _more(stage, refused))
        finally:
            tunnel.heal()
        await one.ready()
        tunnel.halve()
        await asyncio.sleep(1)


@case("kafka-black-hole-matcher", row="12", settle_seconds=40, everyday=False)
async def matcher_black_hole(stage: Stage) -> None:
    """Neither polls nor heartbeats nor what the matcher publishes get through."""
    async with stage.traffic(), through_kafka_tunnel(stage, "matcher") as (tunnel, one):
        await asyncio.sleep(1)
        tunnel.silence()
        await asyncio.sleep(8)
        tunnel.heal()
        if not tunnel.held:
            raise FaultMissingError("nothing met the silence")
        await one.ready()
        tunnel.halve()
        await asyncio.sleep(1)


@case("consumer-stuck", row="watchdog", settle_seconds=30, everyday=False)
async def consumer_stuck(stage: Stage) -> None:
    """Partitions are assigned, records wait and none is taken: the process ends, is restarted."""
    file = stage.home / "stuck"
    limits = {"PLUMBLINE_WATCHDOG_STALLED_SECONDS": "3"}
    async with instead_of(stage, "matcher", **bent(stuck=file), **limits) as one, stage.traffic():
        await asyncio.sleep(1)
        file.touch()

        async def ended() -> bool:
            return bool(one.ends)

        try:
            await holds(60, "the watchdog ends a stuck consumer", ended)
        finally:
            file.unlink()
        if one.ends[0] == 0 or not one.said("none was taken for"):
            raise BrokenPromiseError(f"it ended with {one.ends[0]}, not as stuck")
        await one.ready()


@case("dlq-unavailable", row="19", settle_seconds=40, soak=False, everyday=False)
async def dead_letters_unavailable(stage: Stage) -> None:
    """The dead-letter topic takes nothing while poison arrives: the partition waits for it."""
    known = len((await read_topics(stage.kafka, (RAW_DEAD,), {}))[RAW_DEAD])
    bodies = ["not json", "[]", {"object": "event"}]
    async with stage.traffic():
        settings = await _settings(stage.kafka, RAW_DEAD)
        waited = waits(stage).get("ingest-webhooks", 0)
        await _set(stage.kafka, RAW_DEAD, {**settings, "max.message.bytes": "1"})
        try:
            for body in bodies:
                await stage.vendors.stripe_control("/emit", {"body": body})
            await _no_letter(stage, known, waited)
        finally:
            await _set(stage.kafka, RAW_DEAD, settings)
    stage.course.letters_expected = len(bodies)


async def _no_letter(stage: Stage, known: int, waited: int) -> None:
    """For some seconds no letter is written and the consumer waits; I4 tells what was skipped."""

    async def waiting() -> bool:
        return waits(stage).get("ingest-webhooks", 0) > waited

    await holds(30, "the consumer waits for the dead-letter topic", waiting)
    await asyncio.sleep(2)
    letters = len((await read_topics(stage.kafka, (RAW_DEAD,), {}))[RAW_DEAD])
    if letters != known:
        raise FaultMissingError(f"{letters - known} letters were written all the same")


async def _settings(kafka: str, topic: str) -> dict[str, str]:
    """What was set for this topic itself."""
    async with _admin(kafka) as admin:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        (answer,) = await admin.describe_configs([resource])
        ((_, _, _, _, entries),) = answer.resources
        return {one[0]: one[1] for one in entries if one[3] == SET_FOR_THIS_TOPIC}


async def _set(kafka: str, topic: str, settings: dict[str, str]) -> None:
    """Replace what is set for the topic."""
    async with _admin(kafka) as admin:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs=settings)
        (answer,) = await admin.alter_configs([resource])
        ((code, message, *_),) = answer.resources
        if code != 0:
            raise FaultMissingError(f"{topic} could not be set: {message}")


@asynccontextmanager
async def _admin(kafka: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
