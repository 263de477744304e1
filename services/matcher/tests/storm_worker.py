"""A matcher's process of the storm: `storm_worker.py LOG SEED`, on the database of DATABASE_URL.

Folds a log (a line a record, base64) from where the database says on, in batches of random size,
beside others that do the same. Says `ready` before its first batch. Ends when the log is folded.
"""

import asyncio
import base64
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import asyncpg
from matcher.handle import GROUP, Matcher
from matcher.publish import OutboxPublisher
from plumbline_runtime.postgres import UNREACHABLE, create_pool
from plumbline_runtime.producer import Message
from plumbline_runtime.records import Batch, Fenced, Record
from plumbline_schemas.topics import OBSERVATIONS, Topic

POSITION = "select next_offset from runtime.offsets where group_id = $1 and partition = 0"


class _Broker:
    """Takes what would be published."""

    async def publish_many(self, topic: Topic, messages: Sequence[Message]) -> None:
        """Nothing to wait for."""

    async def send(
        self, record: Record, topic: Topic, *, reason: str, error: BaseException | str
    ) -> None:
        raise AssertionError(f"{topic.name}/{record.offset} is a dead letter: {reason}: {error}")


async def fold(pool: asyncpg.Pool, records: Sequence[Record], chance: random.Random) -> None:
    """Whoever is overtaken by another process begins anew, as a service does."""
    broker = _Broker()
    while True:
        matcher = Matcher(pool, broker, OutboxPublisher(pool, broker))
        try:
            while (position := await pool.fetchval(POSITION, GROUP)) < len(records):
                size = min(chance.choice((1, 5, 20, 60)), 1 + len(records) // 200)
                part = records[position : position + size]
                await matcher.handle(Batch(OBSERVATIONS, 0, part, group=GROUP))
            await matcher.settled()
            return
        except (Fenced, *UNREACHABLE):
            await asyncio.sleep(chance.random() / 50)


async def main(log: Path, seed: int) -> None:
    values = [base64.b64decode(line) for line in log.read_bytes().splitlines()]
    records = [Record(OBSERVATIONS.name, 0, n, 0, b"", value, ()) for n, value in enumerate(values)]
    pool = await create_pool(os.environ["DATABASE_URL"])
    try:
        print("ready", flush=True)
        await fold(pool, records, random.Random(seed))
    finally:
        await pool.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
