"""The reader: batches, back-off, one at a time, refused credentials, nothing lost."""

import asyncio
import contextlib
from datetime import UTC, datetime

import asyncpg
import pytest
from ingest_webhooks import store
from ingest_webhooks.looks import Looks
from ingest_webhooks.reader import Reader
from ingest_webhooks.settings import IngestSettings
from ingest_webhooks.store import ReadWish
from plumbline_runtime.circuit import Circuit
from plumbline_runtime.pins import Identity
from plumbline_runtime.postgres import create_pool, prepare_connection
from plumbline_schemas.errors import Permanent, Retryable, Unauthorized
from plumbline_schemas.observations import CompanyObservation

pytestmark = pytest.mark.server

FAST = IngestSettings(read_window=0.1, read_poll=0.05, lock_retry=0.05, backoff_first=0.05)


class FakeLook:
    """Answers with whatever `answers` holds next, else finds everything."""

    def __init__(self) -> None:
        self.calls = []
        self.answers = []

    async def look(self, reads) -> Looks:
        self.calls.append([read.vendor_id for read in reads])
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Unauthorized):
            return Looks(refused=answer)
        if isinstance(answer, Exception):
            return Looks(failed=[(read, answer) for read in reads])
        now = datetime.now(UTC)
        seen = [
            CompanyObservation(
                workspace="acme",
                connection="crm",
                id=read.vendor_id,
                vendor_time_ms=1,
                seen="read",
                origin=read.origin,
                received_at=now,
            )
            for read in reads
        ]
        return Looks(observations=seen, done=list(reads))


class Ours:
    """The account is ours, and the secret never moves."""

    account_id = "4242"
    mode = None

    async def look(self) -> "Ours":
        return self

    async def drop(self) -> None:
        return None

    async def adopt(self) -> bool:
        return False


async def connected(url) -> asyncpg.Connection:
    conn = await asyncpg.connect(url)
    await prepare_connection(conn)
    return conn


class FakeHealth:
    def __init__(self) -> None:
        self.conditions = {}

    def set(self, condition, ok, detail="") -> None:
        self.conditions[condition] = (ok, detail)


@pytest.fixture
async def pool(database_url):
    pool = await create_pool(database_url)
    yield pool
    await pool.close()


@pytest.fixture
async def start(database_url, pool, publisher):
    """Start readers; all are stopped at the end."""
    stopping = asyncio.Event()
    tasks = []

    def run(look, *, settings=FAST, connect=None) -> Reader:
        reader = Reader(
            "acme",
            "crm",
            connect=connect or (lambda: connected(database_url)),
            look=look,
            publisher=publisher,
            circuit=Circuit(
                pool,
                "acme",
                "crm",
                role="reads",
                account=Ours(),
                expected=Identity(None, None),
                retry_seconds=0.2,
                health=FakeHealth(),
                wake=lambda: None,
            ),
            settings=settings,
            stopping=stopping,
        )
        task = asyncio.create_task(reader.run())
        reader.task = task
        tasks.append(task)
        return reader

    yield run
    stopping.set()
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks, return_exceptions=True)


async def want(pool, *ids: str) -> None:
    now = datetime.now(UTC)
    wishes = [ReadWish("acme", "crm", "company", i, "test", "webhook", now, now) for i in ids]
    await store.want(pool, wishes)


async def until(check, seconds: float = 5.0):
    async with asyncio.timeout(seconds):
        while not (found := await check()):
            await asyncio.sleep(0.02)
    return found


def settled(pool):
    async def check() -> bool:
        return not await pool.fetchval("select sum(n) from ingest_webhooks.pending_reads")

    return check


async def test_reads_are_collected_into_one_batch(pool, start, publisher):
    look = FakeLook()
    start(look)
    for number in range(10):
        await want(pool, str(number))
    await until(settled(pool))
    assert len(look.calls) <= 2
    assert sorted(one for call in look.calls for one in call) == [str(n) for n in range(10)]
    assert len(publisher.observations) == 10


async def test_a_full_batch_does_not_wait(pool, start):
    look = FakeLook()
    settings = FAST._replace(read_batch=5, read_window=60.0)
    start(look, settings=settings)
    await want(pool, *"abcdef")
    await until(lambda: asyncio.sleep(0, bool(look.calls)))
    assert len(look.calls[0]) == 5
    await asyncio.sleep(0.2)
    assert len(look.calls) == 1, "the last one waits for company"


async def test_waking_it_beats_the_poll(pool, start):
    look = FakeLook()
    reader = start(look, settings=FAST._replace(read_poll=30.0))
    await until(lambda: asyncio.sleep(0, reader.leading))
    await asyncio.sleep(0.1)
    await want(pool, "1")
    reader.wake()
    await until(settled(pool), 2.0)


@pytest.mark.parametrize(
    "error",
    [
        Retryable("HTTP 503", where="acme/crm", status=503),
        Retryable("HTTP 429", where="acme/crm", status=429, retry_after=0.1, rate_limited=True),
        Permanent("HTTP 400", where="acme/crm", status=400),
    ],
)
async def test_failed_reads_are_tried_until_they_succeed(pool, start, publisher, error):
    look = FakeLook()
    look.answers = [error, error]
    start(look)
    await want(pool, "1")
    await until(settled(pool))
    assert look.calls == [["1"]] * 3
    assert len(publisher.observations) == 1


async def test_one_reader_works_and_the_other_takes_over(pool, start):
    first, second = FakeLook(), FakeLook()
    leader = start(first)
    await until(lambda: asyncio.sleep(0, leader.leading))
    follower = start(second)
    await want(pool, "1")
    await until(settled(pool))
    assert (first.calls, second.calls) == ([["1"]], [])
    assert not follower.leading
    leader.task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await leader.task
    await want(pool, "2")
    await until(settled(pool))
    assert second.calls == [["2"]]


async def test_a_lost_session_stops_the_work_until_the_lock_is_held_again(pool, start):
    look = FakeLook()
    reader = start(look)
    await until(lambda: asyncio.sleep(0, reader.leading))
    await pool.execute(
        """
        select pg_terminate_backend(pid) from pg_locks
        where locktype = 'advisory' and granted
          and database = (select oid from pg_database where datname = current_database())
        """
    )
    await want(pool, "1")
    await until(settled(pool))
    assert look.calls == [["1"]]
    assert reader.leading


async def test_refused_credentials_stop_the_connection_and_are_told_once(pool, start, publisher):
    look = FakeLook()
    refusal = Unauthorized("HTTP 401", where="acme/crm", status=401)
    look.answers = [refusal, refusal, refusal]
    reader = start(look)
    await want(pool, "1", "2")
    await until(lambda: pool.fetchval("select state = 'open' from connection.circuits"))
    await asyncio.sleep(0.05)
    assert len(look.calls) == 1, "it waits"
    ok, detail = reader._circuit._health.conditions["credentials:acme/crm"]
    assert ok, "one connection's token must not turn the service unready"
    assert "HTTP 401" in detail
    await until(settled(pool))
    assert len(look.calls) == 4
    assert len(publisher.observations) == 2
    await until(lambda: pool.fetchval("select state = 'closed' from connection.circuits"))
    item = await pool.fetchrow("select kind, subject, status from runtime.attention_view")
    assert tuple(item) == ("connection_refused", "crm", "closed")
    assert await pool.fetchval("select openings from connection.circuits") == 2
    assert await pool.fetchval("select max(attempts) from ingest_webhooks.reads") == 0
    assert reader._circuit._health.conditions["credentials:acme/crm"] == (True, "")


async def test_a_read_that_keeps_failing_is_told_and_tried_on(pool, start):
    look = FakeLook()
    look.answers = [Permanent("HTTP 400", where="acme/crm", status=400)] * 10
    start(look, settings=FAST._replace(backoff_first=0.001, backoff_cap=0.002))
    await want(pool, "1")
    told = "select status from runtime.attention_view where subject = 'crm/company/1'"
    await until(lambda: pool.fetchval(told), 15.0)
    assert len(look.calls) >= 10
    await until(settled(pool), 15.0)
    assert len(look.calls) == 11
    assert await pool.fetchval(told) == "closed"


async def test_two_readers_read_an_object_once(pool, start, publisher):
    looks = [FakeLook(), FakeLook()]
    readers = [start(look) for look in looks]
    for number in range(20):
        await want(pool, str(number))
    await until(settled(pool))
    assert [reader.leading for reader in readers].count(True) == 1
    read = [one for look in looks for call in look.calls for one in call]
    assert sorted(read, key=int) == [str(number) for number in range(20)]


async def test_without_kafka_nothing_counts_as_read(pool, start, publisher):
    publisher.down = True
    look = FakeLook()
    start(look)
    await want(pool, "1")
    await until(lambda: asyncio.sleep(0, len(look.calls) >= 2))
    assert await pool.fetchval("select state from ingest_webhooks.reads") == "pending"
    publisher.down = False
    await until(settled(pool))
    assert len(publisher.observations) == 1


async def test_without_database_it_waits(pool, start, database_url):
    look = FakeLook()
    attempts = []

    async def connect():
        attempts.append(1)
        if len(attempts) < 3:
            raise ConnectionRefusedError
        return await connected(database_url)

    start(look, connect=connect)
    await want(pool, "1")
    await until(settled(pool))
    assert len(attempts) == 3
