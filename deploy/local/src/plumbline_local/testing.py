"""pytest fixtures: one pair of servers per session, a database and a topic prefix per test.

Load with `pytest_plugins = ["plumbline_local.testing"]` in the root conftest.py. The servers are
those of KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL when both are set, containers with
PLUMBLINE_TEST_CONTAINERS=1, else the embedded pair in a temporary home. A server that is missing
fails the test; nothing is skipped.
"""

import asyncio
import os
import secrets
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from plumbline_local.pair import EmbeddedPair
from plumbline_local.paths import Cache, Home

KAFKA_IMAGE = "confluentinc/cp-kafka:8.1.0"
POSTGRES_IMAGE = "postgres:18"


@dataclass(frozen=True)
class Servers:
    """The addresses of a Kafka and of a PostgreSQL in which databases may be created."""

    bootstrap_servers: str
    database_url: str


class ServersMissingError(Exception):
    """The environment names half of a pair."""


@pytest.fixture(scope="session")
def pair() -> Iterator[Servers]:
    """The session's servers."""
    bootstrap = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    database = os.environ.get("DATABASE_URL")
    if bootstrap and database:
        yield Servers(bootstrap, database)
    elif bootstrap or database:
        raise ServersMissingError("set both KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL, or neither")
    else:
        containers = os.environ.get("PLUMBLINE_TEST_CONTAINERS") == "1"
        with _containers() if containers else _embedded() as servers:
            yield servers


@pytest.fixture(scope="session")
def bootstrap_servers(pair: Servers) -> str:
    """Kafka's address."""
    return pair.bootstrap_servers


@pytest.fixture(scope="session")
def template_database(pair: Servers) -> Iterator[str]:
    """The name of a migrated database that is copied for each test."""
    from plumbline_runtime.migrations import migrate  # noqa: PLC0415 - when needed

    with _database(pair.database_url) as name:
        _run(lambda: migrate(with_database(pair.database_url, name)))
        yield name


@pytest.fixture
def database_url(pair: Servers, template_database: str) -> Iterator[str]:
    """The address of a migrated database of this test's own, dropped afterwards."""
    with _database(pair.database_url, template_database) as name:
        yield with_database(pair.database_url, name)


@pytest.fixture
def topic_prefix() -> str:
    """A prefix no other test uses, such as `t0a1b2c3d-`."""
    return f"t{secrets.token_hex(4)}-"


def with_database(database_url: str, name: str) -> str:
    """The same server and credentials, another database."""
    return urlunsplit(urlsplit(database_url)._replace(path=f"/{name}"))


@contextmanager
def _embedded() -> Iterator[Servers]:
    with tempfile.TemporaryDirectory(prefix="plumbline-tests-") as folder:
        home = Home(Path(folder).resolve() / "home")
        with EmbeddedPair(home, Cache.from_environment(), durable=False, progress=print) as servers:
            yield Servers(servers.bootstrap_servers, servers.database_url)


@contextmanager
def _containers() -> Iterator[Servers]:
    from testcontainers.community.kafka import KafkaContainer  # noqa: PLC0415 - asked for
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415

    with ExitStack() as stack:
        kafka = stack.enter_context(KafkaContainer(KAFKA_IMAGE).with_kraft())
        postgres = stack.enter_context(PostgresContainer(POSTGRES_IMAGE, driver=None))
        yield Servers(kafka.get_bootstrap_server(), postgres.get_connection_url())


@contextmanager
def _database(server_url: str, template: str | None = None) -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    _execute(server_url, f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
    try:
        yield name
    finally:
        _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(database_url: str, statement: str) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(database_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    _run(execute)


def _run(make: Callable[[], Coroutine[object, object, object]]) -> None:
    """Run a coroutine on a loop of its own in another thread, whatever loop this thread has."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(make())).result()
