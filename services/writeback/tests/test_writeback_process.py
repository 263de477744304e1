"""The service as a process: real Kafka and PostgreSQL, HubSpot simulated over HTTP."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from plumbline_runtime.producer import Message, Producer
from plumbline_runtime.settings import Settings
from plumbline_runtime.topics import ensure_topics
from plumbline_schemas.fields import default_mapping
from plumbline_schemas.observations import decode_observation
from plumbline_schemas.topics import ACCOUNTS_STATE
from plumbline_simulators.hubspot.simulator import HubSpotSimulator, hubspot_simulator

pytestmark = pytest.mark.server

CONFIG = """
[workspace]
id = "acme"
currency = "USD"
[connections.stripe]
kind = "stripe"
mode = "test"
api_key = "env:UNSET_STRIPE_KEY"
webhook_secrets = ["env:UNSET_STRIPE_SECRET"]
[connections.hubspot]
kind = "hubspot"
mode = "test"
access_token = "env:HUBSPOT_TOKEN"
api_base = "{api_base}"
rate_per_10_seconds = 1000
[policies]
first_write = "auto"
"""


class Stage:
    """A deployment of one service."""

    def __init__(self, settings: Settings, producer: Producer, hubspot: HubSpotSimulator) -> None:
        self.settings = settings
        self.producer = producer
        self.hubspot = hubspot
        self.start: Callable[..., Any]

    def company(self, vendor_id: str) -> dict[str, str | None]:
        """What the CRM holds."""
        return dict(self.hubspot.state.of("companies").get(vendor_id)["properties"])

    def batches(self) -> list[list[dict[str, Any]]]:
        """Bodies of all batch updates that were tried."""
        calls = self.hubspot.state.calls.calls(path="companies/batch/update")
        return [json.loads(call["body"])["inputs"] for call in calls]

    async def open(self) -> None:
        """Configuration and completed walks enter the log."""

        def own(kind: str, name: str, body: dict[str, Any], connection: str = "@") -> Any:
            return decode_observation(orjson.dumps({
                "workspace": "acme", "connection": connection, "kind": kind, "id": name,
                "vendor_time_ms": 1_790_000_000_000, "seen": "event", "origin": "console",
                "received_at": "2026-09-21T14:00:00Z", "body": body,
            }))  # fmt: skip

        config = {
            "currency": "usd",
            "connections": [{"name": "stripe", "kind": "stripe"},
                            {"name": "hubspot", "kind": "hubspot"}],
            "first_write": "auto",
            "fields": {"company": default_mapping()},
        }  # fmt: skip
        await self.producer.publish_observations([
            own("config", "workspace", config),
            own("walk", "initial", {}, "stripe"),
            own("walk", "initial", {}, "hubspot"),
        ])  # fmt: skip

    async def publish(self, *states: Any) -> None:
        """Account states enter their topic."""
        messages = [Message(state.id, state.model_dump_json().encode(), []) for state in states]
        await self.producer.publish_many(ACCOUNTS_STATE, messages)

    async def until(self, check: Callable[[], Any], seconds: float = 20.0) -> float:
        """Wait; returns how long it took."""
        began = time.perf_counter()
        while not check():
            assert time.perf_counter() - began < seconds, "not so in time"
            await asyncio.sleep(0.002)
        return time.perf_counter() - began


@pytest.fixture
async def stage(
    bootstrap_servers: str, topic_prefix: str, database_url: str, tmp_path: Path
) -> AsyncIterator[Stage]:
    settings = Settings(
        service="test", kafka_bootstrap_servers=bootstrap_servers, database_url=database_url,
        topic_prefix=topic_prefix,
    )  # fmt: skip
    await ensure_topics(bootstrap_servers, topic_prefix)
    producer = Producer(settings)
    await producer.start()
    running: list[asyncio.subprocess.Process] = []
    log = (tmp_path / "writeback.log").open("ab")
    async with hubspot_simulator() as hubspot:
        config = tmp_path / "plumbline.toml"
        config.write_text(CONFIG.format(api_base=hubspot.base_url))
        made = Stage(settings, producer, hubspot)

        async def start() -> asyncio.subprocess.Process:
            port = _free_port()
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "writeback.main",
                env=os.environ | {
                    "PLUMBLINE_CONFIG": str(config),
                    "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
                    "DATABASE_URL": database_url,
                    "PLUMBLINE_TOPIC_PREFIX": topic_prefix,
                    "PLUMBLINE_HEALTH_LISTEN": f"127.0.0.1:{port}",
                    "PLUMBLINE_SESSION_SECONDS": "6",
                    "PLUMBLINE_WRITEBACK_HTTP_TIMEOUT_SECONDS": "0.5",
                    "HUBSPOT_TOKEN": "pat-na1-simulated",
                },
                stdout=log,
            )  # fmt: skip
            running.append(process)
            await _ready(process, port)
            return process

        made.start = start
        yield made
        for process in running:
            if process.returncode is None:
                process.kill()
            await process.wait()
    log.close()
    await producer.stop()


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _ready(process: asyncio.subprocess.Process, port: int) -> None:
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(30):
        while process.returncode is None:
            try:
                answer = await client.get(f"http://127.0.0.1:{port}/health/ready")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code == 200:
                assert "crm_properties:acme/hubspot" in answer.json()["conditions"]
                return
            await asyncio.sleep(0.05)
    raise AssertionError(f"writeback ended with {process.returncode}")


def _seed(stage: Stage, *ids: str) -> None:
    from plumbline_simulators.hubspot.control_api import PERSON

    for one in ids:
        stage.hubspot.state.of("companies").create({"name": f"Acme {one}"}, PERSON, one)


async def test_a_state_reaches_hubspot_fast_and_sigterm_is_clean(
    stage: Stage, account: Any
) -> None:
    _seed(stage, "9001")
    process = await stage.start()
    await stage.open()
    await stage.publish(account(1, links=[("company", "9001", 1)]))
    await stage.until(lambda: stage.company("9001").get("plumbline_mrr") == "83.33")
    taken = []
    for version in range(2, 8):
        await stage.publish(account(version, mrr=version * 100, links=[("company", "9001", 1)]))
        wanted = str(version)
        taken.append(
            await stage.until(
                lambda wanted=wanted: stage.company("9001").get("plumbline_mrr") == wanted
            )
        )
        await asyncio.sleep(0.1)
    assert sorted(taken)[len(taken) // 2] < 0.5
    assert len(stage.batches()) == 7
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(20):
        assert await process.wait() == 0


async def test_kill_minus_nine_between_the_call_and_the_commit(stage: Stage, account: Any) -> None:
    _seed(stage, "9001")
    process = await stage.start()
    await stage.open()
    stage.hubspot.state.faults.add_json({
        "path": "batch/update", "nth": 1, "action": {"kind": "delay", "delay_seconds": 2},
    })  # fmt: skip
    await stage.publish(account(1, links=[("company", "9001", 1)]))
    await asyncio.sleep(0.5)
    assert stage.batches() == []
    process.kill()
    await process.wait()
    second = await stage.start()
    await stage.until(lambda: stage.company("9001").get("plumbline_mrr") == "83.33")
    await asyncio.sleep(2)
    bodies = {json.dumps(batch, sort_keys=True) for batch in stage.batches()}
    assert len(bodies) == 1
    calls = len(stage.batches())
    second.kill()
    await second.wait()
    await stage.start()  # a third one has nothing to do
    await asyncio.sleep(0.5)
    assert len(stage.batches()) == calls


async def test_an_answer_lost_by_the_network_is_not_written_twice(
    stage: Stage, account: Any
) -> None:
    _seed(stage, "9001")
    await stage.start()
    await stage.open()
    stage.hubspot.state.faults.add_json(
        {"path": "batch/update", "nth": 1, "action": {"kind": "drop_after"}}
    )
    await stage.publish(account(1, links=[("company", "9001", 1)]))
    await stage.until(lambda: stage.company("9001").get("plumbline_mrr") == "83.33")
    await asyncio.sleep(1)
    assert len(stage.batches()) == 1
