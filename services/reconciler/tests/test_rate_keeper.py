"""Rates from a file and over HTTP into the log, over real PostgreSQL, HTTP and Kafka."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from plumbline_runtime.config import RatesSection
from plumbline_runtime.postgres import create_pool
from plumbline_runtime.producer import Producer, workspace_partition
from plumbline_runtime.settings import Settings
from plumbline_schemas.observations import (
    AnyObservation,
    RatesObservation,
    decode_observation,
    encode_observation,
)
from plumbline_schemas.topics import OBSERVATIONS
from plumbline_simulators.rates import CSV_PATH, ZIP_PATH, RatesOffice, zipped
from plumbline_simulators.server import running
from reconciler.metrics import RATES_AGE
from reconciler.rate_keeper import RateKeeper
from reconciler.rate_store import RateStore
from reconciler.settings import ReconcilerSettings

pytestmark = pytest.mark.server

CSV = "Date,USD,JPY,BGN,\n2026-11-20,1.0842,170.5,N/A,\n2026-10-30,1.09,171,N/A,\n"
NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
OCTOBER = date(2026, 10, 30)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Killed(BaseException):
    """The process ends here."""


class Published:
    """Keeps what was published; may end the process after it."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.kill = False

    async def publish_observations(self, observations: Sequence[AnyObservation]) -> None:
        self.raw += [encode_observation(one) for one in observations]
        if self.kill:
            raise Killed

    @property
    def tables(self) -> list[RatesObservation]:
        found = [decode_observation(raw) for raw in self.raw]
        assert all(isinstance(one, RatesObservation) for one in found)
        return [one for one in found if isinstance(one, RatesObservation)]

    @property
    def days(self) -> list[list[str]]:
        return [[str(day) for day in one.body.days] for one in self.tables if one.body is not None]


class Stage:
    """A workspace with rates, and processes that keep them one after the other."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.published = Published()
        self.time: datetime | None = NOW

    def process(self, source: str, every: str = "month") -> RateKeeper:
        section = RatesSection.model_validate({"source": source, "every": every})
        return RateKeeper(
            "acme", section, store=RateStore(self.pool, "acme"), publisher=self.published,
            clock=lambda: self.time, settings=ReconcilerSettings(),
        )  # fmt: skip

    async def attention(self) -> list[tuple[str, str]]:
        rows = await self.pool.fetch(
            "select status, summary from runtime.attention_view where kind = 'failed_rates'"
        )
        return [(row["status"], row["summary"]) for row in rows]


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    pool = await create_pool(database_url)
    yield Stage(pool)
    await pool.close()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    """Write the file of rates, as if a minute ago."""
    path = tmp_path / "rates.csv"

    def put(text: str) -> str:
        path.write_text(text)
        long_ago = path.stat().st_mtime - 60
        os.utime(path, (long_ago, long_ago))
        return f"file:{path}"

    return put


async def test_a_file_is_published_once_and_again_when_it_changes(
    stage: Stage, write: Callable[[str], str]
) -> None:
    source = write(CSV)
    keeper = stage.process(source)
    await keeper.look(NOW)
    await keeper.look(NOW)
    await stage.process(source).look(NOW)
    [table] = stage.published.tables
    assert table.key == "acme/@/rates/ecb"
    assert table.body is not None
    assert table.body.days == {OCTOBER: {"JPY": Decimal(171), "USD": Decimal("1.09")}}
    assert RATES_AGE.labels("acme")._value.get() == 18 * 3600

    write(CSV.replace("1.0842", "1.0843"))  # of a month that is not over
    await keeper.look(NOW)
    assert len(stage.published.tables) == 1
    write(CSV.replace("1.09", "1.07"))
    await keeper.look(NOW)
    last = stage.published.tables[-1]
    assert last.body is not None
    assert last.body.days[OCTOBER]["USD"] == Decimal("1.07")
    assert last.vendor_time_ms > table.vendor_time_ms


@pytest.mark.parametrize(
    ("every", "fine", "late"),
    [("month", NOW, NOW + 45 * DAY), ("day", NOW + 7 * DAY, NOW + 8 * DAY)],
)
async def test_rates_that_nobody_renews_are_told_of_and_closed(
    stage: Stage, write: Callable[[str], str], every: str, fine: datetime, late: datetime
) -> None:
    source = write(CSV)
    keeper = stage.process(source, every)
    stage.time = fine
    await keeper.look(NOW)
    assert await stage.attention() == []
    stage.time = late
    await keeper.look(NOW)
    await keeper.look(NOW)
    [(status, summary)] = await stage.attention()
    assert status == "open"
    assert "2026-11-20" in summary
    write(CSV.replace("2026-11-20", str(late.date())))
    await stage.process(source, every).look(NOW)
    assert [status for status, _ in await stage.attention()] == ["closed"]


async def test_a_month_begins_with_the_clock_of_the_log(
    stage: Stage, write: Callable[[str], str]
) -> None:
    stage.time = None
    keeper = stage.process(write(CSV))
    await keeper.look(NOW)
    assert stage.published.raw == []
    stage.time = NOW
    await keeper.look(NOW)
    stage.time = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    await keeper.look(NOW)
    assert stage.published.days == [["2026-10-30"]]
    stage.time = datetime(2026, 12, 1, tzinfo=UTC)
    await keeper.look(NOW)
    assert stage.published.days[1:] == [["2026-10-30", "2026-11-20"]]


async def test_a_month_that_begins_waits_for_no_look(
    stage: Stage, write: Callable[[str], str]
) -> None:
    keeper = stage.process(write(CSV))
    running_keeper = asyncio.create_task(keeper.run())
    try:
        async with asyncio.timeout(5):
            while len(stage.published.raw) < 1:  # noqa: ASYNC110 - the keeper's own pace
                await asyncio.sleep(0.01)
            stage.time = datetime(2026, 12, 1, tzinfo=UTC)
            while len(stage.published.raw) < 2:  # noqa: ASYNC110 - the keeper's own pace
                await asyncio.sleep(0.01)
    finally:
        running_keeper.cancel()
        await asyncio.gather(running_keeper, return_exceptions=True)
    assert ReconcilerSettings().rates_look_seconds > 5
    assert stage.published.days[-1] == ["2026-10-30", "2026-11-20"]


async def test_a_shorter_file_loses_no_history(stage: Stage, write: Callable[[str], str]) -> None:
    keeper = stage.process(write(CSV))
    await keeper.look(NOW)
    write("Date,USD\n2026-12-04,1.2\n")
    stage.time = datetime(2027, 1, 4, tzinfo=UTC)
    await keeper.look(NOW)
    assert stage.published.days[-1] == ["2026-10-30", "2026-11-20", "2026-12-04"]


async def test_another_choice_of_days_empties_the_other_tables(
    stage: Stage, write: Callable[[str], str]
) -> None:
    source = write(CSV)
    await stage.process(source, "day").look(NOW)
    await stage.process(source, "month").look(NOW)
    shown = [(one.id, len(one.body.days)) for one in stage.published.tables if one.body is not None]
    assert shown == [("ecb:2026", 2), ("ecb", 1), ("ecb:2026", 0)]


async def test_a_kill_between_publishing_and_storing_repeats_it_to_the_byte(
    stage: Stage, write: Callable[[str], str]
) -> None:
    source = write(CSV)
    stage.published.kill = True
    with pytest.raises(Killed):
        await stage.process(source).look(NOW)
    stage.published.kill = False
    await stage.process(source).look(NOW + DAY)
    await stage.process(source).look(NOW + DAY)
    first, again = stage.published.raw
    assert first == again


async def test_a_broken_file_is_told_with_its_place_until_it_is_repaired(
    stage: Stage, write: Callable[[str], str]
) -> None:
    source = write(CSV)
    keeper = stage.process(source)
    await keeper.look(NOW)
    write(CSV.replace("1.09", "1,09"))
    await keeper.look(NOW)
    await keeper.look(NOW)
    [(status, summary)] = await stage.attention()
    assert status == "open"
    assert "rates.csv: line 3: found 5 cells after the date, expected 3" in summary
    write(CSV)
    await keeper.look(NOW)
    assert [status for status, _ in await stage.attention()] == ["closed"]
    Path(source.removeprefix("file:")).unlink()
    await keeper.look(NOW)
    [(status, summary)] = await stage.attention()
    assert (status, "can't be read: No such file" in summary) == ("open", True)
    assert len(stage.published.raw) == 1


@pytest.mark.parametrize("path", [ZIP_PATH, CSV_PATH])
async def test_an_address_is_asked_once_a_day_for_what_is_new(stage: Stage, path: str) -> None:
    office = RatesOffice(CSV)
    async with running(office.app) as base:
        keeper = stage.process(base + path)
        await keeper.look(NOW)
        await keeper.look(NOW + 23 * HOUR)
        await keeper.look(NOW + DAY)
        restarted = stage.process(base + path)
        await restarted.look(NOW + DAY + HOUR)
        assert office.statuses == [200, 304]
        office.text = CSV.replace("171", "172")
        await restarted.look(NOW + 2 * DAY)
        await restarted.look(NOW + 2 * DAY + HOUR)
        assert office.statuses == [200, 304, 200]
        daily = stage.process(base + path, "day")
        await daily.look(NOW + 2 * DAY + HOUR)
        assert office.statuses[3:] == [200], "another choice of days needs the days"
    assert stage.published.days == [
        ["2026-10-30"],
        ["2026-10-30"],
        [],
        ["2026-10-30", "2026-11-20"],
    ]
    assert await stage.attention() == []


async def test_an_address_that_fails_is_told_of_after_a_day(stage: Stage) -> None:
    office = RatesOffice(CSV, status=503)
    async with running(office.app) as base:
        keeper = stage.process(base + ZIP_PATH)
        for seconds in (0, 59, 60, 179, 180):
            await keeper.look(NOW + timedelta(seconds=seconds))
        assert len(office.calls) == 3, "with pauses that grow"
        assert await stage.attention() == []
        await stage.process(base + ZIP_PATH).look(NOW + DAY + HOUR)
        [(status, summary)] = await stage.attention()
        assert status == "open"
        assert summary.endswith(f"{base}{ZIP_PATH}: HTTP 503")
        office.status = None
        await keeper.look(NOW + DAY + 2 * HOUR)
        assert [status for status, _ in await stage.attention()] == ["closed"]
    assert stage.published.days == [["2026-10-30"]]


BOMB = zipped("0" * (33 * 1024 * 1024))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"status": 302, "location": "http://127.0.0.1:1/x"}, "a redirect, which is not followed"),
        ({"status": 404}, "HTTP 404"),
        ({"body": b"<html>try again</html>"}, "line 1, column 1: found '<html>try again</html>'"),
        ({"body": b"PK\x03\x04 no archive"}, "no archive that opens (BadZipFile)"),
        ({"body": zipped(CSV, "readme.txt")}, "0 CSV files in the archive"),
        ({"body": zipped(CSV)[:-30]}, "no archive that opens"),
        ({"body": b"Date,USD\n2026-11-20,\xff\n"}, "byte 20 is no UTF-8"),
        ({"body": b"Date,USD\n"}, "no day with a rate"),
        ({"body": BOMB}, "unpacked"),
        ({"body": b"0" * (33 * 1024 * 1024)}, "more than 33554432 bytes"),
    ],
    ids=["redirect", "gone", "html", "junk", "other", "cut", "bytes", "empty", "bomb", "huge"],
)
async def test_what_is_no_table_of_rates_is_told_at_once(
    stage: Stage, broken: dict[str, object], reason: str
) -> None:
    office = RatesOffice(CSV)
    for name, value in broken.items():
        setattr(office, name, value)
    async with running(office.app) as base:
        await stage.process(f"{base}{ZIP_PATH}?key=hidden").look(NOW)
    [(status, summary)] = await stage.attention()
    assert status == "open"
    assert reason in summary
    assert "hidden" not in summary
    assert stage.published.raw == []


async def test_nobody_there_is_a_failure_that_may_pass(stage: Stage) -> None:
    async with running(RatesOffice(CSV).app) as base:
        pass
    await stage.process(base + ZIP_PATH).look(NOW)
    row = await stage.pool.fetchrow("select * from reconciler.rates_view")
    assert row is not None
    assert (row["broken"], row["failing_since"]) == (False, NOW)
    assert row["error"] == f"{base}{ZIP_PATH}: ConnectError"


async def test_rates_reach_the_partition_of_their_workspace(
    stage: Stage,
    write: Callable[[str], str],
    bootstrap_servers: str,
    database_url: str,
    topic_prefix: str,
) -> None:
    topic = topic_prefix + OBSERVATIONS.name
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, OBSERVATIONS.partitions, 1)])
    await admin.close()
    settings = Settings.from_environment(
        "reconciler",
        {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "DATABASE_URL": database_url,
            "PLUMBLINE_TOPIC_PREFIX": topic_prefix,
        },
    )
    producer = Producer(settings)
    await producer.start()
    section = RatesSection.model_validate({"source": write(CSV)})
    keeper = RateKeeper(
        "acme", section, store=RateStore(stage.pool, "acme"), publisher=producer,
        clock=lambda: NOW, settings=ReconcilerSettings(rates_look_seconds=0.05),
    )  # fmt: skip
    task = asyncio.create_task(keeper.run())
    place = TopicPartition(topic, workspace_partition("acme", OBSERVATIONS.partitions))
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([place])
    try:
        async with asyncio.timeout(30):
            record = await consumer.getone()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await consumer.stop()
        await producer.stop()
    assert record.key == b"acme/@/rates/ecb"
    assert isinstance(decode_observation(record.value), RatesObservation)
