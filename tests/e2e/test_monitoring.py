"""A real Prometheus on a real deployment: what dashboard and alerts ask for is there.

Run by `make monitoring`; promtool's unit tests of the alerts are in deploy/prometheus/tests.
"""

import asyncio
import json
import math
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from plumbline_local.ports import free_port

pytestmark = [pytest.mark.prometheus, pytest.mark.server, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "deploy/grafana/plumbline.json").read_text(encoding="utf-8"))
RULES = (ROOT / "deploy/prometheus/rules/plumbline.yml").read_text(encoding="utf-8")
QUERIES = [
    (f"{panel['title']}: {target['expr']}", target["expr"])
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", [])
]
NAMES = sorted(
    set(re.findall(r"\b(?:plumbline_|process_)\w+|\bup\b(?=\{)|plumbline:[\w:]+", RULES))
)


class Prometheus:
    """A server of the test's own, scraping every second."""

    def __init__(self, folder: Path, targets: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self.http = httpx.AsyncClient(trust_env=False, timeout=30)
        self._folder = folder
        shutil.copytree(ROOT / "deploy/prometheus/rules", folder / "rules")
        config = (ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8")
        config = re.sub(r"(scrape|evaluation|refresh)_interval: 15s", r"\1_interval: 1s", config)
        (folder / "prometheus.yml").write_text(config)
        (folder / "prometheus-targets.json").symlink_to(targets)
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        program = shutil.which("prometheus")
        assert program, "install prometheus (Debian: apt-get install prometheus)"
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, "--config.file", self._folder / "prometheus.yml",
                 "--storage.tsdb.path", self._folder / "data",
                 "--web.listen-address", self.url.removeprefix("http://")],
                cwd=self._folder, stdout=log, stderr=log,
            )  # fmt: skip

    async def stop(self) -> None:
        await self.http.aclose()
        if self._process is not None:
            self._process.terminate()
            await asyncio.to_thread(self._process.wait, 30)

    async def ask(self, expr: str) -> list[dict[str, Any]]:
        """The vector an expression gives now; none while the server starts."""
        try:
            answer = await self.http.get(f"{self.url}/api/v1/query", params={"query": expr})
        except httpx.TransportError:
            return []
        if answer.status_code == 503:
            return []
        assert answer.status_code == 200, f"{expr}: {answer.text}"
        return list(answer.json()["data"]["result"])

    async def alerts(self) -> set[str]:
        """Names of what fires."""
        answer = await self.http.get(f"{self.url}/api/v1/alerts")
        found = answer.json()["data"]["alerts"]
        return {one["labels"]["alertname"] for one in found if one["state"] == "firing"}

    async def says_something(self, expr: str) -> bool:
        """Whether an expression gives at least one number."""
        return any(not math.isnan(float(one["value"][1])) for one in await self.ask(expr))


async def silent(prometheus: Prometheus, queries: list[tuple[str, str]]) -> list[str]:
    """The queries that give nothing."""
    return [name for name, expr in queries if not await prometheus.says_something(expr)]


@pytest.fixture(scope="module")
async def watched(opened: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    """A deployment of this file's own."""
    async with opened(tmp_path_factory.mktemp("watched"), first_write="auto") as world:
        await world.settled()
        yield world


@pytest.fixture(scope="module")
async def prometheus(
    watched: Any, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Prometheus]:
    """A Prometheus that has seen traffic, and all that can go wrong at the door."""
    targets = watched.folder / "home" / "prometheus-targets.json"
    server = Prometheus(tmp_path_factory.mktemp("prometheus"), targets)
    try:
        await server.start()
        await watched.until(lambda: server.says_something("count(up) == 4"), 60)
        for number in range(5):
            company = await watched.company(f"Seen {number}", f"seen{number}.example")
            await watched.customer(f"ap@seen{number}.example", "price_monthly")
            await watched.shows(company, mrr="49")
        assert await watched.post(b"no JSON") == 200
        assert await watched.post(b"{}", stripe_signature="t=1,v1=ff") == 400
        yield server
    finally:
        await server.stop()


async def test_every_process_is_scraped(prometheus: Prometheus) -> None:
    up = await prometheus.ask("up == 1")
    services = {one["metric"]["service"] for one in up}
    assert services == {"ingest-webhooks", "matcher", "writeback", "reconciler"}


async def test_every_query_of_the_dashboard_gives_data(watched: Any, prometheus: Any) -> None:
    left: list[str] = [name for name, _ in QUERIES]

    async def all_speak() -> bool:
        left[:] = await silent(prometheus, QUERIES)
        return not left

    await watched.until(all_speak, 90, found=lambda: f"without data: {left}")
    assert len(QUERIES) > 40


async def test_every_metric_of_the_rules_is_there(watched: Any, prometheus: Any) -> None:
    names = [(name, f"count({name})") for name in NAMES]
    left: list[str] = []

    async def all_there() -> bool:
        left[:] = await silent(prometheus, names)
        return not left

    await watched.until(all_there, 60, found=lambda: f"unknown: {left}")
    assert len(NAMES) > 20


async def test_a_dead_letter_raises_its_alert_and_nothing_else_is_critical(
    watched: Any, prometheus: Prometheus
) -> None:
    firing: set[str] = set()

    async def warned() -> bool:
        firing.update(await prometheus.alerts())
        return "PlumblineDeadLetters" in firing

    await watched.until(warned, 60, found=lambda: str(firing))
    assert firing == {"PlumblineDeadLetters"}


async def test_a_dead_consumer_still_shows_its_lag(watched: Any, prometheus: Prometheus) -> None:
    status = await watched.status()
    [matcher] = [one["pid"] for one in status["services"] if one["name"] == "matcher"]
    with stopped(matcher):
        await watched.stripe_api("POST", "/v1/customers", {"email": "late@late.example"})
        late = 'plumbline_group_lag_seconds{group="matcher"} > 2'
        await watched.until(lambda: prometheus.says_something(late), 60)
        behind = 'plumbline_group_lag_records{group="matcher"} > 0'
        assert await prometheus.says_something(behind)


def stopped(pid: int) -> Any:
    """A process that does nothing for a while."""
    import contextlib
    import os
    import signal

    @contextlib.contextmanager
    def held() -> Iterator[None]:
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    return held()
