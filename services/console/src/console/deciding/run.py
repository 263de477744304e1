"""Runs a command about decisions: both servers, every error in one line, the exit code."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import asyncpg
from aiokafka.errors import KafkaError
from plumbline_runtime.postgres import UNREACHABLE
from plumbline_runtime.producer import PublishFailed
from plumbline_schemas.outputs import Output

from console.accounts import NotFound
from console.reach import NotRunning, connected, find_run, servers
from console.show import fail, print_json


class Refused(Exception):  # noqa: N818 - reads as the sentence it prints
    """What was asked for can't be done; says why, and what can."""


class Desk(NamedTuple):
    """Where decisions are read and written."""

    db: asyncpg.Connection
    kafka: str


def ask(
    question: Callable[[Desk], Awaitable[tuple[Output, int]]],
    human: Callable[[Output], None],
    *,
    as_json: bool,
) -> int:
    """Ask, print, and say the exit code: 1 when the thing asked about is not so."""

    async def asked() -> tuple[Output, int]:
        kafka, database = servers(find_run())
        async with connected(database) as db:
            return await question(Desk(db, kafka))

    try:
        found, code = asyncio.run(asked())
    except (NotRunning, NotFound, Refused) as error:
        fail(str(error))
        return 1
    except (PublishFailed, KafkaError) as error:
        fail(f"Kafka did not take it, nothing was decided: {type(error).__name__}: {error}")
        return 1
    except UNREACHABLE as error:
        fail(f"PostgreSQL does not answer: {type(error).__name__}: {error}")
        return 1
    print_json(found) if as_json else human(found)
    return code
