"""Kinds of which more is asked by now are read once more, and nothing else is."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import asyncpg
import pytest
from plumbline_runtime.health import Health
from plumbline_runtime.postgres import create_pool
from plumbline_schemas.errors import MissingScopes
from reconciler.books import BookPage
from reconciler.handle import Walker
from reconciler.settings import ReconcilerSettings
from reconciler.store import WalkStore

pytestmark = pytest.mark.server


class Shelf:
    """A book of one page a kind; pages of `broken` kinds end the process."""

    kinds: Sequence[str] = ("product", "customer", "invoice")

    def __init__(self, asked: Mapping[str, str]) -> None:
        self.asked = asked
        self.read: list[str] = []
        self.broken = ""
        self.lacking: set[str] = set()

    async def page(self, kind: str, cursor: str | None) -> BookPage:
        if kind == self.broken:
            raise KeyboardInterrupt
        if kind in self.lacking:
            raise MissingScopes("no", where="t", status=403, scopes=(f"{kind}.read",))
        self.read.append(kind if cursor is None else f"{kind} {cursor}")
        return BookPage((), (), "second" if kind == "customer" and cursor is None else None)


class Free:
    """Budget, circuit and publisher of a vendor that is always well."""

    pause_seconds = 0.0

    def __init__(self) -> None:
        self.markers: list[Any] = []

    async def acquire(self, purpose: str, cost: int = 1) -> None:
        return None

    async def admit(self) -> str:
        return "go"

    def doubt(self) -> None:
        return None

    async def publish_observations(self, observations: Sequence[Any]) -> None:
        self.markers += [one for one in observations if one.kind == "walk"]


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    made = await create_pool(database_url)
    yield made
    await made.close()


def walker_of(pool: asyncpg.Pool, book: Shelf, free: Free) -> Walker:
    """A process that walks."""

    async def room() -> None:
        return None

    settings = ReconcilerSettings(refused_retry_seconds=0.02)
    return Walker(
        "acme", "stripe", book, positions=WalkStore(pool), publisher=free, budget=free,
        circuit=free, wait_for_room=room, health=Health("test"), settings=settings,
    )  # fmt: skip


async def walk(pool: asyncpg.Pool, asked: Mapping[str, str], *, broken: str = "") -> Shelf:
    """A process that walks; returns what it read."""
    book, free = Shelf(asked), Free()
    book.broken = broken

    walker = walker_of(pool, book, free)
    if broken:
        with pytest.raises(KeyboardInterrupt):
            await walker.run()
    else:
        await walker.run()
    book.read += [f"marker {one.id}" for one in free.markers]
    return book


async def test_what_is_asked_anew_is_read_anew(pool: asyncpg.Pool) -> None:
    first = await walk(pool, {"customer": "1"})
    assert first.read == ["product", "customer", "customer second", "invoice", "marker initial"]
    assert (await walk(pool, {"customer": "1"})).read == []
    assert (await walk(pool, {"customer": "2"})).read == ["customer", "customer second"]
    assert (await walk(pool, {"customer": "2"})).read == []


async def test_an_upgrade_reads_what_no_walk_has_noted(pool: asyncpg.Pool) -> None:
    """Walks of before the column: all that has a word is read."""
    await walk(pool, {})
    read = (await walk(pool, {"customer": "1", "invoice": "1"})).read
    assert read == ["customer", "customer second", "invoice"]


async def test_a_renewal_goes_on_where_it_was_ended(pool: asyncpg.Pool) -> None:
    await walk(pool, {})
    asked = {"customer": "1", "invoice": "1"}
    ended = await walk(pool, asked, broken="invoice")
    assert ended.read == ["customer", "customer second"]
    assert (await walk(pool, asked)).read == ["invoice"]
    assert (await walk(pool, asked)).read == []


async def test_a_kind_without_a_scope_is_left_out_until_it_can_be_read(
    pool: asyncpg.Pool,
) -> None:
    """The book is whole without it; it is asked for until the scope is there."""
    book, free = Shelf({"product": "1", "customer": "1", "invoice": "1"}), Free()
    book.lacking = {"invoice"}
    walking = asyncio.create_task(walker_of(pool, book, free).run())
    async with asyncio.timeout(10):
        while await attention(pool) != {"stripe/renewed": "open"}:
            await asyncio.sleep(0.01)
    assert [one.id for one in free.markers] == ["initial"]
    assert "invoice" not in book.read
    book.lacking = set()
    await asyncio.wait_for(walking, 10)
    assert book.read == ["product", "customer", "customer second", "invoice"]
    assert await attention(pool) == {"stripe/renewed": "closed"}
    assert (await walk(pool, book.asked)).read == []


async def attention(pool: asyncpg.Pool) -> dict[str, str]:
    rows = await pool.fetch("select subject, status from runtime.attention_view")
    return {row["subject"]: row["status"] for row in rows}


async def test_a_renewal_for_something_else_begins_anew(pool: asyncpg.Pool) -> None:
    await walk(pool, {})
    await walk(pool, {"customer": "1", "invoice": "1"}, broken="invoice")
    read = (await walk(pool, {"customer": "2"})).read
    assert read == ["customer", "customer second"]
