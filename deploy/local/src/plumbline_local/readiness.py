"""Waiting until the servers truly answer: a metadata round trip, a `select 1`."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import asyncpg
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

POLL_SECONDS = 0.05
ROUND_TRIP_SECONDS = 3.0
Failure = Callable[[], str | None]
"""Says why waiting on is in vain (the process ended), or None."""


class NotReadyError(Exception):
    """A server did not answer in time, or ended; the message says which and what was last heard."""


async def wait_for_both(
    servers: tuple[str, str], seconds: float, kafka: Failure, postgres: Failure
) -> None:
    """Wait for Kafka and PostgreSQL (bootstrap servers, database address) at the same time."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(wait_for_kafka(servers[0], seconds, kafka))
            group.create_task(wait_for_postgres(servers[1], seconds, postgres))
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None


async def wait_for_kafka(bootstrap_servers: str, seconds: float, failure: Failure) -> None:
    """Until the cluster lists a live broker, which is when topics can be made. Raises
    NotReadyError."""

    async def brokers_alive() -> bool:
        await _first_connection(bootstrap_servers)
        client = AIOKafkaClient(
            bootstrap_servers=bootstrap_servers, request_timeout_ms=int(ROUND_TRIP_SECONDS * 1000)
        )
        try:
            await client.bootstrap()
            return bool(client.cluster.brokers())
        finally:
            await client.close()

    await _wait(f"Kafka at {bootstrap_servers}", brokers_alive, seconds, failure)


async def wait_for_postgres(database_url: str, seconds: float, failure: Failure) -> None:
    """Until a query is answered. Raises NotReadyError, without the address: that holds the
    password."""

    async def selects_one() -> bool:
        connection = await asyncpg.connect(database_url, timeout=ROUND_TRIP_SECONDS)
        try:
            return bool(await connection.fetchval("select 1") == 1)
        finally:
            await connection.close(timeout=ROUND_TRIP_SECONDS)

    await _wait("PostgreSQL", selects_one, seconds, failure)


async def _first_connection(bootstrap_servers: str) -> None:
    """A plain connection to the first address: the client would log each refusal while we poll."""
    host, _, port = bootstrap_servers.split(",", maxsplit=1)[0].strip().rpartition(":")
    _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    writer.close()
    await writer.wait_closed()


async def _wait(
    what: str, answers: Callable[[], Awaitable[bool]], seconds: float, failure: Failure
) -> None:
    deadline = time.monotonic() + seconds
    heard = "no answer"
    while time.monotonic() < deadline:
        ended = failure()
        if ended is not None:
            raise NotReadyError(f"{what} cannot start: {ended}")
        try:
            async with asyncio.timeout(ROUND_TRIP_SECONDS * 2):
                if await answers():
                    return
        except (OSError, TimeoutError, asyncpg.PostgresError, KafkaError) as error:
            heard = f"{type(error).__name__}: {error}"
        await asyncio.sleep(POLL_SECONDS)
    message = f"{what} did not answer within {seconds:.0f} s"
    raise NotReadyError(f"{message}; the last try ended in {heard}")
