"""A deployment with tiny services: supervised, restarted, told in run.json, ended within bounds."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from plumbline_local.deployment import Deployment, ServiceSpec
from plumbline_local.infrastructure import External
from plumbline_local.leftovers import find_leftovers
from plumbline_local.paths import Cache, Home
from plumbline_local.run import Run, RunService, database_url, read_run
from plumbline_local.testing import Servers
from plumbline_local.watch import ManagerEndedError

pytestmark = pytest.mark.server

HEALTHY = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write((os.environ["DATABASE_URL"] + " " + os.environ["TOKEN"]).encode())
    def log_message(self, *arguments): pass
host, port = os.environ["PLUMBLINE_HEALTH_LISTEN"].split(":")
http.server.HTTPServer((host, int(port)), Handler).serve_forever()
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("stubborn", flush=True)
time.sleep(600)
"""
UP = """
import asyncio, sys
from pathlib import Path
from plumbline_local.deployment import Deployment, ServiceSpec
from plumbline_local.infrastructure import External
from plumbline_local.paths import Cache, Home
home, cache, *codes = sys.argv[1:]
services = [
    ServiceSpec(f"service-{number}", (sys.executable, "-c", code), {"TOKEN": "s3cret"})
    for number, code in enumerate(codes)
]
deployment = Deployment(
    Home(Path(home)), Cache(Path(cache)), services, external=External.from_environment()
)
asyncio.run(deployment.run())
"""


class Up:
    """`plumbline up` in a process of its own."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.processes: list[subprocess.Popen[bytes]] = []

    def __call__(self, *codes: str, servers: Servers | None = None) -> subprocess.Popen[bytes]:
        """Start it; with `servers` instead of an embedded pair of its own."""
        addresses = {
            "KAFKA_BOOTSTRAP_SERVERS": servers.bootstrap_servers if servers else "",
            "DATABASE_URL": servers.database_url if servers else "",
        }
        cache = Cache.from_environment().root
        command = [sys.executable, "-c", UP, str(self.home.root), str(cache), *codes]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, **addresses})
        self.processes.append(process)
        return process

    def wait(self, what: Callable[[Run], bool], seconds: float = 30) -> Run:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            run = read_run(self.home)
            if run is not None and what(run):
                return run
            time.sleep(0.1)
        raise AssertionError(f"not so within {seconds} s: {run}")


def kill_all(home: Home) -> None:
    for process in find_leftovers(home):
        with suppress(psutil.NoSuchProcess):  # it ended with its parent
            process.kill()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    made = Up(Home(tmp_path / "home"))
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.kill()
        process.communicate()
    kill_all(made.home)


def all_up(run: Run) -> bool:
    return all(service.state == "up" for service in run.services)


def service(run: Run, number: int) -> RunService:
    return run.services[number]


def test_life_of_a_deployment(up: Up, pair: object) -> None:
    owner = up(HEALTHY, HEALTHY)
    run = up.wait(all_up)
    assert run.pid == owner.pid
    text = up.home.run_file.read_text()
    assert json.loads(text)["version"] == 1
    password = (up.home.postgres / "password").read_text().strip()
    assert password not in text
    for path in (up.home.run_file, up.home.supervisor_config, *up.home.logs.iterdir()):
        assert "s3cret" not in path.read_text()
        assert password not in path.read_text()
    with urllib.request.urlopen(service(run, 0).health_url) as answer:  # it got both secrets
        assert answer.read().decode() == f"{database_url(run)} s3cret"

    second = up(HEALTHY)
    _, said = second.communicate(timeout=20)
    assert second.returncode != 0
    assert f"in use by process {owner.pid}" in said.decode()

    killed = service(run, 1).pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    run = up.wait(lambda now: service(now, 1).restarts == 1 and all_up(now))
    assert service(run, 1).pid != killed
    assert service(run, 0).restarts == 0

    started = time.monotonic()
    owner.send_signal(signal.SIGTERM)
    assert owner.wait(30) == 0
    assert time.monotonic() - started < 15
    assert find_leftovers(up.home) == []
    assert not up.home.run_file.exists()
    assert not up.home.database_url_file.exists()


def test_a_crash_loop_is_slowed_and_shown_as_down(up: Up, pair: Servers) -> None:
    up("raise SystemExit(3)", servers=pair)
    run = up.wait(lambda now: service(now, 0).restarts >= 2 and service(now, 0).state == "down")
    began = time.monotonic()
    before = service(run, 0).restarts
    run = up.wait(lambda now: service(now, 0).restarts >= before + 2)
    assert time.monotonic() - began > 4  # third and fourth wait: 3 s and more
    assert service(run, 0).log.exists()


def test_a_second_signal_hurries_past_a_service_that_does_not_end(up: Up, pair: Servers) -> None:
    owner = up(STUBBORN, servers=pair)
    run = up.wait(lambda now: service(now, 0).pid is not None)
    while "stubborn" not in service(run, 0).log.read_text():
        time.sleep(0.1)
    started = time.monotonic()
    owner.send_signal(signal.SIGINT)
    time.sleep(1)
    assert owner.poll() is None
    owner.send_signal(signal.SIGINT)
    assert owner.wait(15) == 0
    assert time.monotonic() - started < 10
    assert find_leftovers(up.home) == []


def test_kill_9_of_everything_then_up_again(up: Up, pair: object) -> None:
    owner = up(HEALTHY)
    first = up.wait(all_up)
    owner.kill()
    owner.wait()
    kill_all(up.home)
    assert up.home.run_file.exists()
    assert read_run(up.home) is None
    owner = up(HEALTHY)
    second = up.wait(all_up)
    assert second.kafka.bootstrap_servers == first.kafka.bootstrap_servers
    owner.send_signal(signal.SIGTERM)
    assert owner.wait(30) == 0


def test_nothing_outlives_a_killed_owner(up: Up, pair: object) -> None:
    owner = up(HEALTHY)
    up.wait(all_up)
    owner.kill()
    owner.wait()
    deadline = time.monotonic() + 30
    while find_leftovers(up.home):
        assert time.monotonic() < deadline
        time.sleep(0.2)


async def test_external_servers_replace_the_pair(tmp_path: Path, pair: Servers) -> None:
    prepared: list[tuple[str, str]] = []

    async def prepare(bootstrap_servers: str, url: str) -> None:
        prepared.append((bootstrap_servers, url))

    home = Home(tmp_path / "home")
    deployment = Deployment(
        home,
        Cache.from_environment(),
        [ServiceSpec("one", (sys.executable, "-c", HEALTHY), {"TOKEN": "t"})],
        prepare=prepare,
        edge_url="http://127.0.0.1:1",
        external=External(pair.bootstrap_servers, pair.database_url),
    )
    try:
        await deployment.up()
        assert prepared == [(pair.bootstrap_servers, pair.database_url)]
        run = await until(deployment, lambda now: now.services[0].state == "up")
        assert (run.kafka.pid, run.postgres.pid) == (None, None)
        assert run.edge_url == "http://127.0.0.1:1"
        assert {process.name() for process in find_leftovers(home)} <= {"python", "python3.11"}

        await deployment.stop("one")
        await until(deployment, lambda now: now.services[0].state == "down")
        await deployment.start("one")
        await until(deployment, lambda now: now.services[0].state == "up")
        await deployment.restart("one")
        await deployment.kill("one")
        await until(deployment, lambda now: now.services[0].restarts >= 2 and all_up(now))
    finally:
        await deployment.down()
    assert find_leftovers(home) == []


async def test_killed_servers_come_back_and_a_killed_manager_is_an_error(
    tmp_path: Path, pair: object
) -> None:
    home = Home(tmp_path / "home")
    deployment = Deployment(home, Cache.from_environment(), [])

    async def story() -> None:
        before = await until(deployment, lambda now: bool(now.kafka.pid and now.postgres.pid))
        await asyncio.gather(deployment.kill("kafka"), deployment.kill("postgres"))
        await until(
            deployment,
            lambda now: {None, before.kafka.pid, before.postgres.pid}.isdisjoint(
                {now.kafka.pid, now.postgres.pid}
            ),
        )
        for process in find_leftovers(home):
            with suppress(psutil.NoSuchProcess):  # servers end processes all the time
                if "supervisor.supervisord" in process.cmdline():
                    process.kill()
        await asyncio.sleep(60)

    with pytest.raises(ManagerEndedError):
        await deployment.run(story)
    assert find_leftovers(home) == []


async def test_what_prepare_raises_is_raised_after_everything_has_ended(
    tmp_path: Path, pair: Servers
) -> None:
    async def prepare(_bootstrap_servers: str, _url: str) -> None:
        raise LookupError("no topics")

    home = Home(tmp_path / "home")
    deployment = Deployment(
        home,
        Cache.from_environment(),
        [],
        prepare=prepare,
        external=External(pair.bootstrap_servers, pair.database_url),
    )
    with pytest.raises(LookupError, match="no topics"):
        await deployment.run()
    assert find_leftovers(home) == []


async def until(deployment: Deployment, what: Callable[[Run], bool]) -> Run:
    async with asyncio.timeout(30):
        while not what(deployment.current()):
            await asyncio.sleep(0.1)
    return deployment.current()
