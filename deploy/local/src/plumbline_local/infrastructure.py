"""Which Kafka and PostgreSQL a deployment uses: the embedded ones, or those the environment
names."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from plumbline_local.kafka import Kafka, prepare_kafka
from plumbline_local.paths import Cache, Home
from plumbline_local.ports import keep_ports
from plumbline_local.postgres import Postgres, prepare_postgres
from plumbline_local.program import Program
from plumbline_local.run import RunPostgres


@dataclass(frozen=True)
class External:
    """Servers that are not ours; None means the embedded one."""

    bootstrap_servers: str | None = None
    database_url: str | None = None

    @classmethod
    def from_environment(cls) -> "External":
        """KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL; either may be given alone."""
        environment = os.environ
        return cls(
            environment.get("KAFKA_BOOTSTRAP_SERVERS") or None,
            environment.get("DATABASE_URL") or None,
        )


@dataclass(frozen=True)
class Infrastructure:
    """Where both are, and the programs to start for those that are ours."""

    bootstrap_servers: str
    database_url: str
    programs: tuple[Program, ...]


async def prepare_infrastructure(
    home: Home, cache: Cache, external: External, progress: Callable[[str], None]
) -> Infrastructure:
    """Make the embedded servers startable, both at once. Raises what their `prepare` raises."""
    ports = keep_ports(home, ("kafka", "controller", "postgres"))

    async def kafka() -> Kafka | None:
        if external.bootstrap_servers:
            return None
        pair = (ports["kafka"], ports["controller"])
        return await asyncio.to_thread(prepare_kafka, home, cache, pair, progress)

    async def postgres() -> Postgres | None:
        if external.database_url:
            return None
        return await asyncio.to_thread(prepare_postgres, home, ports["postgres"])

    broker, database = await asyncio.gather(kafka(), postgres())
    return Infrastructure(
        bootstrap_servers=broker.bootstrap_servers if broker else external.bootstrap_servers or "",
        database_url=database.url if database else external.database_url or "",
        programs=tuple(server.program for server in (broker, database) if server),
    )


def describe_postgres(home: Home, database_url: str, pid: int | None) -> RunPostgres:
    """The parts of the address that may be shown."""
    parts = urlsplit(database_url)
    return RunPostgres(
        host=parts.hostname or "",
        port=parts.port or 5432,
        database=unquote(parts.path.lstrip("/")),
        user=unquote(parts.username or ""),
        url_file=home.database_url_file,
        pid=pid,
    )
