"""The pair itself: starts, keeps data, survives kill -9, starts offline from a warm cache."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from plumbline_local.identity import RootRefusedError, choose_identity
from plumbline_local.leftovers import find_leftovers
from plumbline_local.pair import EmbeddedPair
from plumbline_local.paths import Cache, Home, HomeError
from plumbline_local.ports import free_port
from plumbline_local.postgres import binaries, prepare_postgres
from plumbline_local.program import OWNER, launch_command, launch_environment
from plumbline_local.readiness import wait_for_postgres

pytestmark = pytest.mark.server
IDENTITIES = ("user_namespace", "uid:65534", "user_namespace") if os.geteuid() == 0 else ("same",)
"""Every way to run PostgreSQL that this user has."""
LARGE = b"x" * (3 * 1024 * 1024)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def cache() -> Cache:
    return Cache.from_environment()


async def write(pair: EmbeddedPair, value: bytes) -> None:
    connection = await asyncpg.connect(pair.database_url)
    await connection.execute("create table if not exists kept(value bytea)")
    await connection.execute("insert into kept values ($1)", value)
    await connection.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=pair.bootstrap_servers)
    await admin.start()
    if "kept" not in await admin.list_topics():
        await admin.create_topics(
            [NewTopic("kept", 1, 1, topic_configs={"max.message.bytes": str(4 * 1024 * 1024)})]
        )
    await admin.close()
    producer = AIOKafkaProducer(
        bootstrap_servers=pair.bootstrap_servers, acks="all", max_request_size=4 * 1024 * 1024
    )
    await producer.start()
    await producer.send_and_wait("kept", value)
    await producer.stop()


async def read(pair: EmbeddedPair) -> tuple[list[bytes], list[bytes]]:
    connection = await asyncpg.connect(pair.database_url)
    rows = [row["value"] for row in await connection.fetch("select value from kept")]
    assert await connection.fetchval("show timezone") == "UTC"
    await connection.close()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=pair.bootstrap_servers, max_partition_fetch_bytes=5 * 1024 * 1024
    )
    await consumer.start()
    partition = TopicPartition("kept", 0)
    consumer.assign([partition])
    await consumer.seek_to_beginning(partition)
    end = (await consumer.end_offsets([partition]))[partition]
    values = [(await consumer.getone()).value for _ in range(end)]
    await consumer.stop()
    return rows, values


def kill_everything(home: Home) -> None:
    found = find_leftovers(home)
    assert {"java", "postgres"} <= {process.name() for process in found}
    for process in found:
        with suppress(psutil.NoSuchProcess):  # a worker that ended with its server
            process.kill()


async def test_data_survives_a_stop_and_kill_9_of_everything(home: Home, cache: Cache) -> None:
    with EmbeddedPair(home, cache) as pair:
        await write(pair, b"first")
        await write(pair, LARGE)
        addresses = pair.bootstrap_servers, pair.database_url
    assert find_leftovers(home) == []
    with EmbeddedPair(home, cache) as pair:
        assert (pair.bootstrap_servers, pair.database_url) == addresses
        await write(pair, b"second")
        kill_everything(home)
    assert (home.postgres / "data" / "postmaster.pid").exists()
    with EmbeddedPair(home, cache) as pair:
        expected = [b"first", LARGE, b"second"]
        assert await read(pair) == (expected, expected)


async def test_two_homes_side_by_side(tmp_path: Path, cache: Cache) -> None:
    with (
        EmbeddedPair(Home(tmp_path / "one"), cache) as one,
        EmbeddedPair(Home(tmp_path / "two"), cache) as two,
    ):
        await write(one, b"one")
        await write(two, b"two")
        assert await read(one) == ([b"one"], [b"one"])
        assert await read(two) == ([b"two"], [b"two"])
        with pytest.raises(HomeError, match=f"in use by process {os.getpid()}"):
            EmbeddedPair(Home(tmp_path / "one"), cache).__enter__()


def test_a_new_home_starts_without_network_from_a_warm_cache(
    home: Home, pair: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUMBLINE_MAVEN_REPOSITORY", "http://127.0.0.1:9")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    lines: list[str] = []
    with EmbeddedPair(home, Cache.from_environment(), progress=lines.append):
        assert not any("download" in line for line in lines)


def test_what_a_killed_owner_left_is_ended_first(home: Home, cache: Cache) -> None:
    script = f"""
import time
from pathlib import Path
from plumbline_local.pair import EmbeddedPair
from plumbline_local.paths import Cache, Home
with EmbeddedPair(Home(Path({str(home.root)!r})), Cache(Path({str(cache.root)!r}))):
    print("ready", flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"ready\n"
        owner.kill()
    with EmbeddedPair(home, cache) as pair:
        assert pair.bootstrap_servers


def test_only_marked_processes_are_leftovers(home: Home) -> None:
    home.ensure()
    bystander = subprocess.Popen(["tail", "-f", str(home.ports_file)], stderr=subprocess.DEVNULL)
    marked = subprocess.Popen(["sleep", "60"], env={**os.environ, OWNER: str(home.root)})
    try:
        deadline = time.monotonic() + 5
        while find_leftovers(home) != [psutil.Process(marked.pid)]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        for process in (bystander, marked):
            process.send_signal(signal.SIGKILL)
            process.wait()


async def test_postgres_runs_under_each_identity_and_changes_between_them(home: Home) -> None:
    home.ensure()
    for identity in IDENTITIES:
        prepared = prepare_postgres(home, free_port(), identity=identity)
        with subprocess.Popen(
            launch_command("postgres"),
            env={**os.environ, **launch_environment([prepared.program], home.root)},
            stderr=subprocess.DEVNULL,
        ) as server:
            await wait_for_postgres(prepared.url, 20, lambda: None)
            assert psutil.Process(server.pid).name() == "postgres"
            server.send_signal(prepared.program.stop_signal)
            assert server.wait(10) == 0


def test_root_without_any_other_identity_is_told_what_to_do() -> None:
    executable = binaries() / "postgres"
    if os.geteuid() != 0:
        assert choose_identity(executable, ()) == "same"
        return
    with pytest.raises(RootRefusedError, match=r"uid:-7: .*ordinary user, or set DATABASE_URL"):
        choose_identity(executable, ["uid:-7"])
