"""The edge with a real producer: stored before 200, and 503 within two seconds without Kafka."""

import os
import signal
import time
from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from ingest_webhooks.edge import Edge
from ingest_webhooks.endpoints import endpoints
from ingest_webhooks.settings import IngestSettings
from plumbline_local.pair import EmbeddedPair
from plumbline_local.paths import Cache, Home
from plumbline_runtime.producer import Producer
from plumbline_runtime.settings import Settings
from plumbline_runtime.topics import ensure_topics

pytestmark = pytest.mark.server

STRIPE = "/webhooks/acme/pay"


@pytest.fixture
def edge_client(deployment, kit):
    def make(producer) -> httpx.AsyncClient:
        edge = Edge(
            endpoints(deployment, public_url=kit.public_url, tolerance_seconds=300),
            producer,
            kit.readiness(),
            IngestSettings(),
            stopping=lambda: False,
        )
        transport = httpx.ASGITransport(app=edge)
        return httpx.AsyncClient(transport=transport, base_url="http://edge.example")

    return make


def settings(bootstrap: str, prefix: str) -> Settings:
    return Settings(
        service="ingest-webhooks",
        kafka_bootstrap_servers=bootstrap,
        database_url="postgresql://unused.example/x",
        topic_prefix=prefix,
    )


async def timed(http: httpx.AsyncClient, kit, event_id: str) -> tuple[int, float]:
    body = kit.dumps(kit.stripe_event(id=event_id))
    began = time.perf_counter()
    answer = await http.post(STRIPE, content=body, headers=kit.stripe_headers(body))
    return answer.status_code, time.perf_counter() - began


async def until_stored(http: httpx.AsyncClient, kit, seconds: float = 30) -> None:
    """A fresh topic has no leader yet, a thawed broker no session: the vendor's retry gets in."""
    deadline = time.monotonic() + seconds
    while (await timed(http, kit, "evt_again"))[0] != 200:
        assert time.monotonic() < deadline


async def values(bootstrap: str, topic: str) -> list[bytes]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        found = []
        while batch := await consumer.getmany(timeout_ms=1500):
            found += [record.value for records in batch.values() for record in records]
        return found
    finally:
        await consumer.stop()


async def test_an_accepted_delivery_is_in_kafka(bootstrap_servers, topic_prefix, edge_client, kit):
    await ensure_topics(bootstrap_servers, topic_prefix)
    producer = Producer(settings(bootstrap_servers, topic_prefix))
    await producer.start()
    try:
        body = b"signed, but not JSON"
        async with edge_client(producer) as http:
            await until_stored(http, kit)
            answer = await http.post(STRIPE, content=body, headers=kit.stripe_headers(body))
        assert answer.status_code == 200
        topic = f"{topic_prefix}webhooks.received.v1"
        assert body in await values(bootstrap_servers, topic)
    finally:
        await producer.stop()


async def test_nobody_at_the_address_is_503_within_two_seconds(topic_prefix, edge_client, kit):
    producer = Producer(settings("127.0.0.1:1", topic_prefix))
    async with edge_client(producer) as http:
        status, seconds = await timed(http, kit, "evt_1")
    assert status == 503
    assert seconds < 2
    await producer.stop()


async def test_a_frozen_broker_is_503_within_two_seconds_and_then_all_is_well(
    tmp_path: Path, topic_prefix, edge_client, kit
):
    home = Home(tmp_path.resolve() / "home")
    with EmbeddedPair(home, Cache.from_environment(), durable=False) as pair:
        await ensure_topics(pair.bootstrap_servers, topic_prefix)
        producer = Producer(settings(pair.bootstrap_servers, topic_prefix))
        await producer.start()
        kafka = pair.processes["kafka"].pid
        try:
            async with edge_client(producer) as http:
                await until_stored(http, kit)
                os.kill(kafka, signal.SIGSTOP)
                for number in range(3):
                    status, seconds = await timed(http, kit, f"evt_2{number}")
                    assert status == 503
                    assert seconds < 2
                os.kill(kafka, signal.SIGCONT)
                await until_stored(http, kit)
        finally:
            os.kill(kafka, signal.SIGCONT)
            await producer.stop()
