"""The table of wanted reads: coalescing, back-off, what is already done."""

from datetime import UTC, datetime, timedelta

import pytest
from ingest_webhooks import desired, store
from ingest_webhooks.store import DueRead, Failure, ReadWish
from plumbline_runtime.postgres import create_pool

pytestmark = pytest.mark.server


@pytest.fixture
async def pool(database_url):
    pool = await create_pool(database_url)
    yield pool
    await pool.close()


def wish(
    *, ago: float = 0.0, not_before: float | None = None, vendor_id="1", **changes
) -> ReadWish:
    now = datetime.now(UTC)
    at = now - timedelta(seconds=ago)
    start = None if not_before is None else now + timedelta(seconds=not_before)
    return ReadWish("acme", "crm", "company", vendor_id, "test", "webhook", at, at, start)._replace(
        **changes
    )


async def row(pool, vendor_id="1"):
    return await pool.fetchrow(
        "select * from ingest_webhooks.reads where vendor_id = $1", vendor_id
    )


async def take(pool) -> tuple[list[DueRead], datetime | None]:
    return await store.due(pool, "acme", "crm", 100)


async def test_many_requests_for_one_object_are_one_read(pool):
    await store.want(pool, [wish(ago=3), wish(ago=1), wish(ago=2)])
    await store.want(pool, [wish()])
    reads, _ = await take(pool)
    assert [read.vendor_id for read in reads] == ["1"]
    assert datetime.now(UTC) - reads[0].received_at > timedelta(seconds=2.9)


async def test_a_request_older_than_the_last_read_is_already_done(pool):
    await store.want(pool, [wish()])
    reads, started = await take(pool)
    await store.done(pool, "acme", "crm", reads, started)
    await store.want(pool, [wish(ago=5)])
    assert (await row(pool))["state"] == "done"
    assert await take(pool) == ([], None)
    await store.want(pool, [wish()])
    assert len((await take(pool))[0]) == 1


async def test_a_request_while_the_read_runs_is_read_again(pool):
    await store.want(pool, [wish(ago=1)])
    reads, started = await take(pool)
    await store.want(pool, [wish()])
    await store.done(pool, "acme", "crm", reads, started)
    assert (await row(pool))["state"] == "pending"
    assert len((await take(pool))[0]) == 1


async def test_an_old_request_that_arrives_while_the_read_runs_is_already_done(pool):
    await store.want(pool, [wish()])
    reads, started = await take(pool)
    await store.want(pool, [wish(ago=5)])
    await store.done(pool, "acme", "crm", reads, started)
    assert (await row(pool))["state"] == "done"


async def test_a_clock_a_little_behind_the_database_loses_no_request(pool):
    await store.want(pool, [wish(ago=1)])
    reads, started = await take(pool)
    await store.want(pool, [wish(ago=0.15)])
    await store.done(pool, "acme", "crm", reads, started)
    assert (await row(pool))["state"] == "pending"


async def test_not_before_is_kept_even_when_something_newer_is_read_at_once(pool):
    await store.want(pool, [wish(ago=1, not_before=30)])
    assert await take(pool) == ([], None)
    await store.want(pool, [wish()])
    reads, started = await take(pool)
    assert len(reads) == 1, "the newer request need not wait"
    await store.done(pool, "acme", "crm", reads, started)
    left = await row(pool)
    assert left["state"] == "pending"
    assert left["next_attempt_at"] == left["not_before"]
    assert await take(pool) == ([], None)


async def test_not_before_counts_even_if_the_request_is_older_than_the_last_read(pool):
    await store.want(pool, [wish()])
    reads, started = await take(pool)
    await store.done(pool, "acme", "crm", reads, started)
    await store.want(pool, [wish(ago=5, not_before=30)])
    assert (await row(pool))["state"] == "pending"


async def test_failures_wait_and_count_and_a_new_request_does_not_cut_the_wait(pool):
    await store.want(pool, [wish(), wish(vendor_id="2")])
    await store.failed(pool, "acme", "crm", [Failure("company", "1", 60.0, "HTTP 503", 1)])
    reads, _ = await take(pool)
    assert [read.vendor_id for read in reads] == ["2"]
    await store.want(pool, [wish()])
    failed = await row(pool)
    assert (failed["attempts"], failed["last_error"]) == (1, "HTTP 503")
    assert failed["next_attempt_at"] > datetime.now(UTC) + timedelta(seconds=50)


async def test_a_success_clears_the_failures(pool):
    await store.want(pool, [wish()])
    await store.failed(pool, "acme", "crm", [Failure("company", "1", 0.0, "HTTP 503", 2)])
    reads, started = await take(pool)
    assert reads[0].attempts == 1
    await store.done(pool, "acme", "crm", reads, started)
    done = await row(pool)
    assert (done["attempts"], done["last_error"], done["state"]) == (0, None, "done")
    assert done["last_started_at"] == started


async def test_a_request_from_the_future_is_done_by_the_next_read(pool):
    await store.want(pool, [wish(ago=-3600)])
    reads, started = await take(pool)
    await store.done(pool, "acme", "crm", reads, started)
    assert (await row(pool))["state"] == "done"


async def test_backlog_counts_what_is_due_and_the_view_what_is_pending(pool):
    await store.want(pool, [wish(vendor_id=str(n)) for n in range(7)])
    await store.want(pool, [wish(vendor_id="later", not_before=60)])
    waiting = await store.backlog(pool, "acme", "crm", 5)
    assert waiting.due == 5
    assert waiting.oldest_seconds is not None
    assert 0 <= waiting.oldest_seconds < 5
    assert await store.backlog(pool, "acme", "other", 5) == (0, None)
    views = await pool.fetch("select * from ingest_webhooks.pending_reads")
    assert [tuple(view) for view in views] == [("acme", "crm", 8)]


async def test_a_webhooks_read_stays_a_webhooks_read_until_it_is_done(pool):
    await store.want(pool, [wish(ago=2)])
    await store.want(pool, [wish(origin="reconcile")])
    reads, started = await take(pool)
    assert reads[0].origin == "webhook"
    await store.done(pool, "acme", "crm", reads, started)
    await store.want(pool, [wish(origin="reconcile")])
    assert (await take(pool))[0][0].origin == "reconcile"


async def test_last_event_only_moves_forward(pool):
    late, early = datetime.now(UTC), datetime.now(UTC) - timedelta(hours=1)
    await store.saw(pool, {("acme", "crm"): late, ("acme", "pay"): early})
    await store.saw(pool, {("acme", "crm"): early})
    rows = await pool.fetch(
        "select connection, last_event_at from ingest_webhooks.connections order by connection"
    )
    assert [tuple(one) for one in rows] == [("crm", late), ("pay", early)]


async def test_the_view_of_writeback_may_be_missing_and_may_come_later(pool):
    await pool.execute("drop schema if exists writeback cascade")
    assert not await desired.view_exists(pool)
    await pool.execute("create schema writeback")
    await pool.execute(
        """
        create table writeback.desired_values (
            workspace text, connection text, vendor_id text, properties jsonb)
        """
    )
    assert await desired.view_exists(pool)
    await pool.execute(
        "insert into writeback.desired_values values ('acme', 'crm', '1', $1)",
        {"p": "5", "q": None},
    )
    assert await desired.desired_values(pool, "acme", "crm", ["1", "2"]) == {
        "1": {"p": "5", "q": None}
    }
