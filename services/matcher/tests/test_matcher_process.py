"""The service itself, as a process, over the real Kafka and PostgreSQL."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer
from plumbline_runtime.observation_records import observation_record
from plumbline_runtime.producer import Message, Producer
from plumbline_runtime.settings import Settings
from plumbline_runtime.topics import ensure_topics
from plumbline_schemas.accounts import AccountState
from plumbline_schemas.topics import ACCOUNTS_STATE, OBSERVATIONS

pytestmark = pytest.mark.server

CONFIG = """
[workspace]
id = "acme"
currency = "EUR"
[connections.stripe]
kind = "stripe"
mode = "test"
api_key = "env:NOT_NEEDED_HERE"
webhook_secrets = ["env:NOT_NEEDED_HERE"]
"""


@pytest.fixture
def settings(bootstrap_servers: str, topic_prefix: str, database_url: str) -> Settings:
    return Settings(
        service="matcher",
        kafka_bootstrap_servers=bootstrap_servers,
        database_url=database_url,
        topic_prefix=topic_prefix,
    )


async def publish(settings: Settings, log: Any) -> None:
    producer = Producer(settings)
    await producer.start()
    try:
        records = [Message(*observation_record(o)) for o in log.observations]
        await producer.publish_many(OBSERVATIONS, records)
    finally:
        await producer.stop()


async def newest_state(settings: Settings) -> AccountState:
    """The first published state that is linked to a CRM record."""
    consumer = AIOKafkaConsumer(
        settings.topic_prefix + ACCOUNTS_STATE.name,
        bootstrap_servers=settings.kafka_bootstrap_servers,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        async with asyncio.timeout(60):
            async for record in consumer:
                state = AccountState.model_validate_json(record.value)
                if any("/company/" in link.key for link in state.links):
                    return state
    finally:
        await consumer.stop()
    raise AssertionError("the topic ended")


async def test_a_record_in_the_log_becomes_a_published_account(
    pool: asyncpg.Pool, kit: Any, settings: Settings, tmp_path: Path
) -> None:
    await ensure_topics(settings.kafka_bootstrap_servers, settings.topic_prefix)
    config = tmp_path / "plumbline.toml"
    config.write_text(CONFIG)
    log = kit.log()
    log.ready()
    log.company("77", "acme.example")
    log.customer("cus_1", "ann@acme.example")
    log.subscription("sub_1", "cus_1")
    await publish(settings, log)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "matcher.main",
        env={
            **os.environ,
            "PLUMBLINE_CONFIG": str(config),
            "PLUMBLINE_HOME": str(tmp_path),
            "PLUMBLINE_TOPIC_PREFIX": settings.topic_prefix,
            "PLUMBLINE_HEALTH_LISTEN": "127.0.0.1:0",
            "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
            "DATABASE_URL": settings.database_url,
        },
    )
    try:
        state = await newest_state(settings)
        assert kit.crm_links(state.model_dump(mode="json")) == ["77"]
        process.terminate()
        async with asyncio.timeout(25):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    lag = await pool.fetchval("select sum(sequence - published_up_to) from matcher.outbox_view")
    assert lag == 0
