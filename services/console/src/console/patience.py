"""Servers that answer in a moment are asked again: a broker that has just started is not down."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg
from aiokafka.errors import KafkaError
from plumbline_runtime.producer import PublishFailed

from console.show import ERR

_PAUSE_SECONDS = 0.5
_TELL_EVERY = 10
"""Tries between two lines that say what is waited for."""

_SILENT: Final = (
    KafkaError,
    PublishFailed,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    OSError,
    TimeoutError,
)

T = TypeVar("T")


class ServerSilentError(Exception):
    """A server did not answer in time."""


async def until_it_answers(
    what: str, work: Callable[[], Awaitable[T]], *, seconds: float = 60.0
) -> T:
    """Do `work`, again while the server of `what` does not answer; it must bear being repeated.

    Raises ServerSilentError after `seconds`, and at once what is no matter of patience.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    tries = 0
    while True:
        try:
            return await work()
        except _SILENT as error:
            said = f"{type(error).__name__}: {error}".rstrip(": ")
            if loop.time() > deadline:
                raise ServerSilentError(
                    f"{what}: no answer within {seconds:g} s ({said}); is it up, and reachable?"
                ) from error
        tries += 1
        if tries % _TELL_EVERY == 0:
            ERR.print(f"waiting for {what}: {said}", markup=False)
        await asyncio.sleep(_PAUSE_SECONDS)
