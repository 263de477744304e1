"""PostgreSQL: the pool with our time-outs, and transactions that survive deadlocks."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Final, TypeVar, cast

import asyncpg
import orjson
from asyncpg.transaction import Transaction

from plumbline_runtime.settings import Settings

ResultT = TypeVar("ResultT")

_RETRIED: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_AFTER_COMMIT: ContextVar[list[Callable[[], None]] | None] = ContextVar(
    "plumbline_after_commit", default=None
)
_COMMAND_MARGIN_SECONDS: Final = 1.0
"""The client's own limit stands that much before the server's: a connection gone silent is noticed
within ten seconds (engineering 6.2 row 12)."""

UNREACHABLE: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that broke in the middle of a reply
    OSError,
    TimeoutError,
)
"""What a statement raises when PostgreSQL, or the way to it, is at fault."""


class _Connection(asyncpg.Connection):
    """A connection whose statement timed out or was given up is thrown away.

    asyncpg would ask the server to cancel it, over a connection of its own, and wait for the answer
    before anything else: behind a network gone silent that doubles every limit.
    """

    def _cancel_current_command(self, waiter: Any, *_: Any) -> None:
        self.terminate()
        if not waiter.done():
            waiter.set_result(None)

    def transaction(
        self,
        *,
        isolation: Any = None,
        readonly: bool = False,
        deferrable: bool = False,
    ) -> Transaction:
        """As asyncpg's, with `_Transaction`'s end."""
        return _Transaction(self, isolation, readonly, deferrable)


class _Transaction(Transaction):
    """What was raised inside stays what is raised, also where nothing can be rolled back any more.

    asyncpg raises its own InterfaceError in that place when the connection is gone: a task that was
    cancelled in a statement would take its end for an outage, wait it out and go on.
    """

    __slots__ = ()

    async def __aexit__(
        self,
        extype: object,
        ex: object,
        tb: object,
    ) -> None:
        try:
            await super().__aexit__(extype, ex, tb)
        except UNREACHABLE:
            if extype is None:
                raise  # it is the commit that failed


async def connect(settings: Settings, seconds: float = 5.0) -> asyncpg.Connection:
    """A session of its own, outside of any pool; raises as `create_pool`."""
    conn = await asyncpg.connect(
        settings.database_url,
        timeout=seconds,
        connection_class=_Connection,
        command_timeout=_command_seconds(settings),
        server_settings=server_settings(settings),
    )
    await prepare_connection(conn)
    return conn


async def create_pool(url: str, settings: Settings | None = None) -> "asyncpg.Pool":
    """Open a pool; raises what asyncpg or the socket raise when the server can't be reached.

    jsonb columns take and give Python objects: the codec is orjson, so never pass JSON text to a
    jsonb parameter (pass it as `$1::text::jsonb`).
    """
    s = settings or Settings(service="plumbline", kafka_bootstrap_servers="", database_url=url)
    return await asyncpg.create_pool(
        url,
        min_size=s.pool_min_size,
        max_size=s.pool_max_size,
        max_inactive_connection_lifetime=0,
        timeout=5.0,
        connection_class=_Connection,
        command_timeout=_command_seconds(s),
        init=prepare_connection,
        reset=_keep_session,
        server_settings=server_settings(s),
    )


async def _keep_session(_: Any) -> None:
    """Nothing of a session is changed by our statements, so nothing must be reset.

    asyncpg would send RESET ALL and three more commands at every release, which costs PostgreSQL
    more than most of our statements. An unfinished transaction is rolled back before this.
    """


def server_settings(settings: Settings) -> dict[str, str]:
    """What every connection of a service asks of the server (engineering.md 10)."""
    return {
        "application_name": f"plumbline-{settings.service}",
        "statement_timeout": _ms(settings.statement_timeout_seconds),
        "idle_in_transaction_session_timeout": _ms(settings.idle_in_transaction_seconds),
        "lock_timeout": _ms(settings.lock_timeout_seconds),
        "timezone": "UTC",
        "jit": "off",
        # Services look up known keys. A statement planned before its table grew, or before its
        # first ANALYZE, would go on scanning all of it (12 ms instead of 0.3 at 5,000 accounts).
        "enable_seqscan": "off",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
        # For the same reason: a plan kept from the time when all indexes of an empty table cost the
        # same may go through the wrong one until the next ANALYZE (500 accounts: 3 s, not 10 ms).
        "plan_cache_mode": "force_custom_plan",
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "2",
        "tcp_keepalives_count": "3",
    }


async def prepare_connection(conn: Any) -> None:
    """Install the codecs of a new connection."""
    for name in ("json", "jsonb"):
        await conn.set_type_codec(
            name,
            schema="pg_catalog",
            encoder=lambda value: orjson.dumps(value).decode(),
            decoder=orjson.loads,
        )


async def transaction(
    pool: "asyncpg.Pool",
    work: Callable[["asyncpg.Connection"], Awaitable[ResultT]],
    *,
    attempts: int = 3,
) -> ResultT:
    """Run `work` in a transaction, again when it lost a deadlock or a serialisation race.

    `work` may run several times, so it must not change anything outside the database but by
    `after_commit`.
    """
    for attempt in range(1, attempts + 1):
        callbacks: list[Callable[[], None]] = []
        token = _AFTER_COMMIT.set(callbacks)
        try:
            async with pool.acquire() as conn, conn.transaction():
                result = await work(cast("asyncpg.Connection", conn))
        except _RETRIED:
            if attempt == attempts:
                raise
            await asyncio.sleep(random.uniform(0.01, 0.05) * attempt)  # noqa: S311 - jitter
            continue
        finally:
            _AFTER_COMMIT.reset(token)
        for callback in callbacks:
            callback()
        return result
    raise AssertionError("unreachable: the loop returns or raises")


def after_commit(callback: Callable[[], None]) -> None:
    """Call back once the `transaction` around has committed, never when it is rolled back.

    At once where no `transaction` is around: who commits by hand knows by himself when.
    """
    callbacks = _AFTER_COMMIT.get()
    if callbacks is None:
        callback()
    else:
        callbacks.append(callback)


def _command_seconds(settings: Settings) -> float:
    return max(settings.statement_timeout_seconds - _COMMAND_MARGIN_SECONDS, 1.0)


def _ms(seconds: float) -> str:
    return str(round(seconds * 1000))
