"""How a command reaches the deployment: the running one of PLUMBLINE_HOME, or the servers named."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from aiokafka import AIOKafkaConsumer
from plumbline_domain.policies import policy_of
from plumbline_local.paths import Home
from plumbline_local.run import Run, database_url, read_run
from plumbline_runtime.config import DeploymentConfig, load_config
from plumbline_runtime.postgres import prepare_connection


class NotRunning(Exception):  # noqa: N818 - reads as the sentence it prints
    """There is no deployment to ask."""


def find_run() -> Run | None:
    """The running deployment of this home, if there is one."""
    return read_run(Home.from_environment())


def find_config(config: Path | None, run: Run | None) -> DeploymentConfig:
    """The file that was named, else the one the running deployment was started with."""
    if config is None and run is not None and not os.environ.get("PLUMBLINE_CONFIG"):
        note = config_note(Home.from_environment())
        if note.exists():
            config = Path(note.read_text(encoding="utf-8").strip())
    return load_config(config, check_policy=policy_of)


def config_note(home: Home) -> Path:
    """Where `plumbline up` leaves the path of its configuration, for commands started elsewhere."""
    return home.root / "config_path"


def servers(run: Run | None) -> tuple[str, str]:
    """Kafka's bootstrap servers and the database's address; raises NotRunning."""
    kafka = os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or (
        run.kafka.bootstrap_servers if run else None
    )
    database = os.environ.get("DATABASE_URL") or (database_url(run) if run else None)
    if not kafka or not database:
        home = Home.from_environment().root
        raise NotRunning(
            f"nothing runs in {home}; start `plumbline up`, or set PLUMBLINE_HOME, or "
            "KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL"
        )
    return kafka, database


def kafka_server(run: Run | None) -> str:
    """Kafka's bootstrap servers, for what needs no database; raises NotRunning."""
    named = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    return named or servers(run)[0]


@asynccontextmanager
async def connected(database: str) -> AsyncIterator[asyncpg.Connection]:
    """One database connection with our codecs, closed at the end."""
    connection = await asyncpg.connect(database, timeout=5)
    try:
        await prepare_connection(connection)
        yield connection
    finally:
        await connection.close(timeout=5)


@asynccontextmanager
async def kafka_client(bootstrap: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A Kafka client in no group, for asking about offsets."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
    await consumer.start()
    await asyncio.sleep(0)  # or a stop at once would raise the cancellation of a task of its own
    try:
        yield consumer
    finally:
        await consumer.stop()
