"""The matcher as it runs, on a real PostgreSQL; batches go to its handler without Kafka."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import asyncpg
import orjson
from matcher.handle import GROUP, Matcher
from matcher.publish import OutboxPublisher
from plumbline_runtime.positions import create_positions
from plumbline_runtime.producer import Message
from plumbline_runtime.records import Batch, Record
from plumbline_schemas.observations import AnyObservation, encode_observation
from plumbline_schemas.outcomes import RefreshRequest
from plumbline_schemas.topics import OBSERVATIONS, REFRESH_REQUESTS, Topic


class Asked:
    """Stands for Kafka: keeps the reads that were asked for; no record is a dead letter."""

    def __init__(self) -> None:
        self._waiting: list[RefreshRequest] = []

    def take(self) -> list[RefreshRequest]:
        """Those since the last call."""
        found, self._waiting = self._waiting, []
        return found

    async def publish_many(self, topic: Topic, messages: Sequence[Message]) -> None:
        """Nothing but reads is of interest."""
        if topic == REFRESH_REQUESTS:
            values = [message.value for message in messages if message.value is not None]
            self._waiting += [RefreshRequest.model_validate_json(value) for value in values]

    async def send(
        self, record: Record, topic: Topic, *, reason: str, error: BaseException | str
    ) -> None:
        """Everything the translation makes can be read."""
        raise RuntimeError(f"{topic.name}/{record.offset}: a dead letter: {reason}: {error}")


class Product:
    """One database; a restart is a new matcher that finds the stored position."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.asked = Asked()
        self._pool = pool
        self._offset = 0
        self._matcher = self._new()

    async def open(self) -> None:
        """Start at the log's first record."""
        await create_positions(self._pool, GROUP, OBSERVATIONS.name, {0: 0})

    def restart(self) -> None:
        """Forget all that is in memory."""
        self._matcher = self._new()

    def _new(self) -> Matcher:
        outbox = OutboxPublisher(self._pool, self.asked)
        return Matcher(self._pool, self.asked, outbox, fan_out_accounts=7, large_customer=30)

    async def fold(self, observations: Sequence[AnyObservation]) -> None:
        """One batch from the stored position on, its output published."""
        position = await self._pool.fetchval(
            "select next_offset from runtime.offsets where group_id = $1 and partition = 0", GROUP
        )
        if position != self._offset:
            raise RuntimeError(f"stored position {position}, {self._offset} records were folded")
        records = [
            Record(OBSERVATIONS.name, 0, position + place, 0, b"", encode_observation(one), ())
            for place, one in enumerate(observations)
        ]
        await self._matcher.handle(Batch(OBSERVATIONS, 0, records, group=GROUP))
        await self._matcher.settled()
        self._offset += len(records)

    async def states(self, workspace: str) -> dict[str, dict[str, Any]]:
        """The account's state by Stripe customer."""
        rows = await self._pool.fetch(
            """select l.key, a.state::text from matcher.links l join matcher.accounts a
               using (workspace, account_id) where workspace = $1 and l.closed_version is null""",
            workspace,
        )
        return {row["key"].split("/", 3)[3]: orjson.loads(row["state"]) for row in rows}

    async def exact(self, workspace: str) -> dict[str, Fraction]:
        """By Stripe customer, the sum of its subscriptions' shares as they are kept."""
        rows = await self._pool.fetch(
            """select parent_key, facts::text from matcher.objects
               where workspace = $1 and kind = 'subscription' and parent_key is not null""",
            workspace,
        )
        found: dict[str, Fraction] = {}
        for row in rows:
            customer, share = row["parent_key"].split("/", 3)[3], orjson.loads(row["facts"])[3]
            if share is not None:
                found[customer] = found.get(customer, Fraction(0)) + Fraction(share[2])
        return found
