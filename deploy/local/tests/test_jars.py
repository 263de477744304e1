"""Downloads: from a Maven repository on loopback, with what can go wrong with them."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from plumbline_local.jars import Jar, JarError, Repository, ensure_jars, locked_jars
from plumbline_local.kafka import properties_text
from plumbline_local.paths import Cache

CONTENT = b"not really a jar"
GOOD = Jar("org.acme", "good", "1.0", sha256(CONTENT).hexdigest())
BAD = Jar("org.acme", "bad", "2.0", "0" * 64)
CLOSED = Repository("http://127.0.0.1:9")


class Handler(SimpleHTTPRequestHandler):
    requests: list[str]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        super().do_GET()

    def log_message(self, *arguments: object) -> None:
        return


@pytest.fixture
def requests() -> list[str]:
    return []


@pytest.fixture
def repository(tmp_path: Path, requests: list[str]) -> Iterator[Repository]:
    served = tmp_path / "served"
    for jar in (GOOD, BAD):
        folder = served / "org" / "acme" / jar.artifact / jar.version
        folder.mkdir(parents=True)
        (folder / jar.file_name).write_bytes(CONTENT)
    handler = type("Recording", (Handler,), {"requests": requests})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(served)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Repository(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def ignore(_line: str) -> None:
    return


def test_the_committed_lock_names_kafka_and_a_sum_for_every_jar() -> None:
    jars = locked_jars()
    assert "kafka_2.13-4.3.0.jar" in {jar.file_name for jar in jars}
    assert len({jar.file_name for jar in jars}) == len(jars) == 46
    assert all(len(jar.sha256) == 64 for jar in jars)


def test_downloads_once_and_reports(
    cache: Cache, repository: Repository, requests: list[str]
) -> None:
    lines: list[str] = []
    (path,) = ensure_jars(cache, lines.append, [GOOD], repository)
    assert path.read_bytes() == CONTENT
    assert any("1 of 1 jars" in line for line in lines)
    asked = len(requests)
    assert ensure_jars(cache, lines.append, [GOOD], CLOSED) == (path,)
    assert len(requests) == asked


def test_a_damaged_jar_is_downloaded_again(cache: Cache, repository: Repository) -> None:
    (path,) = ensure_jars(cache, ignore, [GOOD], repository)
    path.write_bytes(CONTENT[:-1])
    ensure_jars(cache, ignore, [GOOD], repository)
    assert path.read_bytes() == CONTENT


def test_a_jar_with_a_wrong_sum_is_refused_and_not_kept(
    cache: Cache, repository: Repository
) -> None:
    with pytest.raises(JarError, match=r"bad-2\.0\.jar .*SHA-256.*the lock says 0000"):
        ensure_jars(cache, ignore, [BAD], repository)
    assert list((cache.root / "jars").iterdir()) == []
    assert not list(cache.root.glob("staging-*"))


def test_without_network_the_error_says_what_and_from_where(cache: Cache) -> None:
    with pytest.raises(JarError, match=r"good-1\.0\.jar.*http://127\.0\.0\.1:9"):
        ensure_jars(cache, ignore, [GOOD], CLOSED)


def test_what_a_killed_download_left_is_removed(cache: Cache, repository: Repository) -> None:
    abandoned = cache.root / "staging-dead"
    abandoned.mkdir(parents=True)
    (abandoned / "good-1.0.jar").write_bytes(b"half")
    ensure_jars(cache, ignore, [GOOD], repository)
    assert not abandoned.exists()


def test_several_at_once_fill_one_cache(
    cache: Cache, repository: Repository, requests: list[str]
) -> None:
    with ThreadPoolExecutor(6) as pool:
        tasks = [pool.submit(ensure_jars, cache, ignore, [GOOD], repository) for _ in range(6)]
        found = {task.result() for task in tasks}
    assert found == {(cache.root / "jars" / GOOD.file_name,)}
    assert len([path for path in requests if path.endswith(".jar")]) == 1


def test_properties_are_latin_and_escaped() -> None:
    assert properties_text({"a": "C:\\x", "b": "ü"}) == "a=C:\\\\x\nb=\\xfc\n"
