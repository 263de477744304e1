"""Closing aiokafka's clients although the broker may be away."""

import asyncio
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError

_PART_SECONDS: Final = 1.0


async def close_client(client: Any, seconds: float) -> None:
    """Stop a producer within `seconds`; then leave unsent what flushing would wait for."""
    try:
        async with asyncio.timeout(seconds):
            await client.stop()
            return
    except (KafkaError, OSError, TimeoutError) as error:
        structlog.get_logger().warning("kafka_client_stop_forced", error=type(error).__name__)
    # What `stop` would have come to after its flush; the private name has no public twin.
    for part in (getattr(client, "_sender", None), client.client):
        if part is None:
            continue
        try:
            async with asyncio.timeout(_PART_SECONDS):
                await part.close()
        except (KafkaError, OSError, TimeoutError) as error:
            structlog.get_logger().warning("kafka_client_left_open", error=type(error).__name__)
