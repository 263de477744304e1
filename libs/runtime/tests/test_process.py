"""A service as a process: readiness, signals, failing parts, servers that are not there yet."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import httpx
import pytest

pytestmark = pytest.mark.server

PROGRAM = Path(__file__).with_name("slow_service.py")
CONFIG = """
[workspace]
id = "acme"
currency = "eur"
"""


class Running:
    """One process of the test's service, and its log."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict] = []
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def events(self, name: str) -> list[dict]:
        return [line for line in self.lines if line["event"] == name]

    async def event(self, name: str, seconds: float = 60) -> dict:
        for _ in range(round(seconds / 0.02)):
            if found := self.events(name):
                return found[0]
            if self.process.returncode is not None:
                break
            await asyncio.sleep(0.02)
        raise AssertionError(f"no {name} in {self.lines}")

    async def ends(self, seconds: float = 60) -> int:
        async with asyncio.timeout(seconds):
            code = await self.process.wait()
            await self.reading
            return code


async def until_ready(client: httpx.AsyncClient) -> httpx.Response:
    for _ in range(1200):
        if (answer := await client.get("/health/ready")).status_code == 200:
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError(f"never ready: {answer.text}")


@pytest.fixture
async def start(settings, tmp_path) -> AsyncIterator[Callable]:
    config = tmp_path / "plumbline.toml"
    config.write_text(CONFIG)
    started: list[Running] = []

    async def start_service(**environment: str) -> Running:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROGRAM),
            env=os.environ
            | {
                "PLUMBLINE_CONFIG": str(config),
                "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
                "DATABASE_URL": settings.database_url,
                "PLUMBLINE_TOPIC_PREFIX": settings.topic_prefix,
                "PLUMBLINE_HEALTH_LISTEN": "127.0.0.1:0",
            }
            | environment,
            stdout=asyncio.subprocess.PIPE,
        )
        started.append(Running(process))
        return started[-1]

    yield start_service
    for running in started:
        if running.process.returncode is None:
            running.process.kill()
        await running.process.wait()
        await running.reading
        running.process._transport.close()


async def test_sigterm_finishes_the_batch_in_hand_and_leaves_with_zero(rig, start):
    service = await start(SLOW_SECONDS="1.5")
    await service.event("service_started")
    await rig.publish(b"1")
    await service.event("batch_begun")
    service.process.send_signal(signal.SIGTERM)
    assert await service.ends() == 0
    assert service.events("batch_done")
    assert service.events("farewell")
    assert await rig.position() == 1


async def test_a_batch_longer_than_the_drain_is_left_for_the_next_start(rig, start):
    service = await start(SLOW_SECONDS="60", PLUMBLINE_DRAIN_SECONDS="0.5")
    await service.event("service_started")
    await rig.publish(b"1")
    await service.event("batch_begun")
    service.process.send_signal(signal.SIGTERM)
    assert await service.ends() == 0
    assert not service.events("batch_done")
    assert await rig.position() == 0


async def test_a_farewell_that_waits_in_vain_is_no_failure(rig, start):
    service = await start(FAREWELL_SECONDS="60")
    await service.event("service_started")
    service.process.send_signal(signal.SIGTERM)
    assert await service.ends() == 0
    assert service.events("left_to_the_next_start")


async def test_an_address_answers_until_the_draining_is_over(rig, start):
    service = await start(PLUMBLINE_DRAINING_SECONDS="2")
    await service.event("service_started")
    address = (await service.event("http_bound"))["address"]
    async with (
        httpx.AsyncClient(trust_env=False) as kept,
        httpx.AsyncClient(trust_env=False) as fresh,
    ):
        assert (await kept.get(f"http://{address}/")).text == "hello"
        service.process.send_signal(signal.SIGTERM)
        await service.event("signal_received")
        assert (await kept.get(f"http://{address}/")).text == "hello"
        assert (await fresh.get(f"http://{address}/")).text == "hello"
    assert await service.ends() == 0


async def test_a_second_signal_leaves_at_once_with_one(rig, start):
    service = await start(SLOW_SECONDS="60")
    await service.event("service_started")
    await rig.publish(b"1")
    await service.event("batch_begun")
    service.process.send_signal(signal.SIGTERM)
    await service.event("signal_received")
    service.process.send_signal(signal.SIGTERM)
    assert await service.ends() == 1


async def test_a_stop_that_takes_too_long_is_forced(rig, start):
    service = await start(SLOW_SECONDS="60", PLUMBLINE_SHUTDOWN_SECONDS="1")
    await service.event("service_started")
    await rig.publish(b"1")
    await service.event("batch_begun")
    service.process.send_signal(signal.SIGTERM)
    assert await service.ends() == 1


async def test_a_failing_background_task_ends_the_process_with_a_log_line(rig, start, tmp_path):
    flag = tmp_path / "fail"
    service = await start(FAIL_WHEN=str(flag))
    await service.event("service_started")
    flag.touch()
    assert await service.ends() == 1
    assert "told to fail" in service.events("service_failed")[0]["error"]


async def test_health_metrics_and_the_heartbeat_say_what_is_so(rig, start):
    service = await start()
    address = (await service.event("service_starting"))["health"]
    await service.event("service_started")
    async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
        assert (await client.get("/health/live")).status_code == 200
        ready = await until_ready(client)
        assert ready.json()["conditions"]["consumer:observe"]["ok"]
        assert "plumbline_rebalances_total" in (await client.get("/metrics")).text
    await rig.publish(b"1")
    await service.event("batch_done")
    await asyncio.sleep(1.2)
    row = await rig.pool.fetchrow("select * from runtime.heartbeats where service = 'slow'")
    assert row["ready"]
    assert row["pid"] == service.process.pid
    assert row["addresses"]["health"] == address
    service.process.send_signal(signal.SIGTERM)
    assert await service.ends() == 0
    row = await rig.pool.fetchrow("select * from runtime.heartbeats where service = 'slow'")
    assert not row["ready"]


async def test_open_requests_are_answered_before_the_end(rig, start):
    service = await start()
    await service.event("service_started")
    address = (await service.event("http_bound"))["address"]
    async with httpx.AsyncClient(trust_env=False) as client:
        request = asyncio.create_task(client.get(f"http://{address}/"))
        await asyncio.sleep(0.2)
        service.process.send_signal(signal.SIGTERM)
        assert (await request).text == "hello"
    assert await service.ends() == 0


async def test_it_waits_for_servers_that_are_not_there_and_says_so(rig, start, unused_tcp_port):
    service = await start(
        KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{unused_tcp_port}",
        DATABASE_URL=f"postgresql://plumbline@127.0.0.1:{unused_tcp_port}/plumbline",
        PLUMBLINE_PUBLISH_TIMEOUT_SECONDS="0.5",
    )
    address = (await service.event("service_starting"))["health"]
    waiting = await service.event("waiting_for_server")
    assert waiting["what"] in {"database", "kafka"}
    async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
        assert (await client.get("/health/live")).status_code == 200
        ready = await client.get("/health/ready")
    assert ready.status_code == 503
    conditions = ready.json()["conditions"]
    assert not conditions["database"]["ok"]
    assert not conditions["kafka"]["ok"]
    public = (await service.event("http_bound"))["address"]
    async with httpx.AsyncClient(base_url=f"http://{public}", trust_env=False) as client:
        refused = await client.post("/", content=b"{}")
    assert refused.status_code == 503
    assert "database" in refused.json()["error"]
    service.process.send_signal(signal.SIGTERM)
    assert await service.ends() == 0


async def test_a_database_that_comes_back_is_found_again(rig, start):
    service = await start()
    await service.event("service_started")
    name = rig.settings.database_url.rsplit("/", 1)[1]
    admin = await asyncpg.connect(rig.settings.database_url)
    await admin.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = $1 and pid <> pg_backend_pid()",
        name,
    )
    await admin.close()
    await rig.publish(b"1")
    await service.event("batch_done")
    assert service.process.returncode is None


async def test_a_wrong_configuration_ends_with_two_and_names_the_key(start, tmp_path, capfd):
    (tmp_path / "plumbline.toml").write_text(CONFIG.replace("currency", "curency"))
    service = await start()
    assert await service.ends() == 2
    assert "workspace.curency: unknown key, did you mean currency?" in capfd.readouterr().err
