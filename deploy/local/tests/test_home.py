"""Folders, ports, locks and run.json: what needs no server."""

import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
from plumbline_local.infrastructure import describe_postgres
from plumbline_local.locks import BusyError, FileLock
from plumbline_local.paths import Cache, Home, HomeError
from plumbline_local.ports import free_port, is_free, keep_ports
from plumbline_local.run import Run, RunKafka, database_url, read_run, write_run


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "outer" / "home")
    made.ensure()
    return made


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_home_is_private_and_leaves_its_parents_alone(tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir(mode=0o755)
    outer.chmod(0o755)
    home = Home(outer / "home")
    home.root.mkdir(mode=0o777)
    home.root.chmod(0o777)
    home.ensure()
    assert mode(home.root) == mode(home.logs) == 0o700
    assert mode(outer) == 0o755


def test_home_that_cannot_be_made_names_the_folder_and_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError, match=r"file/home.*PLUMBLINE_HOME"):
        Home(tmp_path / "file" / "home").ensure()


def test_home_of_another_user_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: home.root.stat().st_uid + 1)
    with pytest.raises(HomeError, match="belongs to user"):
        home.ensure()


def test_folders_follow_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PLUMBLINE_HOME", raising=False)
    monkeypatch.delenv("PLUMBLINE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert Home.from_environment().root == tmp_path.resolve() / ".plumbline"
    assert Cache.from_environment().root == tmp_path.resolve() / "xdg" / "plumbline"
    monkeypatch.setenv("PLUMBLINE_HOME", str(tmp_path / "h"))
    monkeypatch.setenv("PLUMBLINE_CACHE", str(tmp_path / "c"))
    assert Home.from_environment().root == tmp_path.resolve() / "h"
    assert Cache.from_environment().root == tmp_path.resolve() / "c"


def test_cache_that_breaks_class_paths_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="PLUMBLINE_CACHE"):
        Cache(tmp_path / "a:b").ensure()


def test_a_long_home_has_its_socket_elsewhere(tmp_path: Path) -> None:
    short, long = Home(Path("/h")), Home(tmp_path / ("x" * 120))
    assert short.supervisor_socket() == Path("/h/supervisor.sock")
    elsewhere = long.supervisor_socket()
    assert len(os.fsencode(elsewhere)) < 90
    assert mode(elsewhere.parent) == 0o700
    assert elsewhere != Home(tmp_path / ("y" * 120)).supervisor_socket()
    elsewhere.parent.rmdir()
    Home(tmp_path / ("y" * 120)).supervisor_socket().parent.rmdir()


def test_ports_are_kept_while_free(home: Home) -> None:
    first = keep_ports(home, ("kafka", "postgres"))
    assert keep_ports(home, ("kafka", "postgres")) == first
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first["kafka"]))
        taken.listen()
        second = keep_ports(home, ("kafka", "postgres"))
    assert second["kafka"] != first["kafka"]
    assert second["postgres"] == first["postgres"]


def test_damaged_ports_file_only_means_new_ports(home: Home) -> None:
    home.ports_file.write_text("not json")
    assert is_free(keep_ports(home, ("kafka",))["kafka"])


def test_free_port_avoids(home: Home) -> None:
    assert free_port(avoid=range(20_000, 30_000)) >= 30_000


def test_lock_is_exclusive_and_names_its_holder(tmp_path: Path) -> None:
    one, two = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    one.acquire()
    with pytest.raises(BusyError) as refused:
        two.acquire()
    assert refused.value.holder == str(os.getpid())
    one.release()
    two.acquire()
    two.release()


def some_run(home: Home, pid: int, started_at: datetime) -> Run:
    url = "postgresql://plumbline:s3cr%40t@127.0.0.1:5433/plumb?sslmode=disable"
    home.database_url_file.write_text(url + "\n")
    return Run(
        pid=pid,
        edge_url="http://127.0.0.1:8080",
        kafka=RunKafka(bootstrap_servers="127.0.0.1:9092", pid=None),
        postgres=describe_postgres(home, url, None),
        services=(),
        started_at=started_at,
    )


def test_run_holds_no_password_but_leads_to_it(home: Home) -> None:
    write_run(home, some_run(home, os.getpid(), datetime.now(UTC)))
    assert "s3cr" not in home.run_file.read_text()
    assert mode(home.run_file) == 0o600
    run = read_run(home)
    assert run is not None
    assert (run.postgres.host, run.postgres.port) == ("127.0.0.1", 5433)
    assert (run.postgres.database, run.postgres.user) == ("plumb", "plumbline")
    assert "s3cr%40t" in database_url(run)


def test_a_run_whose_process_is_gone_or_another_is_none(home: Home) -> None:
    assert read_run(home) is None
    write_run(home, some_run(home, 2**22 + 1, datetime.now(UTC)))
    assert read_run(home) is None
    # The same number, given to a process that began later.
    write_run(home, some_run(home, os.getpid(), datetime(2020, 1, 1, tzinfo=UTC)))
    assert read_run(home) is None
