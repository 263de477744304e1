"""What the matcher keeps in memory between batches: never used once somebody else may have written.

The proof of each is the same: a log folded one record at a time gives the digest that one large
batch gives, whatever happened in between.
"""

import random
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from matcher.digest import digest
from matcher.handle import GROUP, Matcher
from matcher.rows import ObjectRow, WorkspaceRow
from matcher.shelf import Shelf
from matcher.snapshot import Snapshot
from plumbline_domain.order import Held
from plumbline_runtime.records import Batch, Fenced, Record
from plumbline_schemas.ids import ExternalKey
from plumbline_schemas.topics import OBSERVATIONS

EMPTY = """
truncate matcher.workspaces, matcher.objects, matcher.accounts, matcher.identity_profiles,
         matcher.identity_keys, matcher.links, matcher.account_changes, matcher.outbox,
         matcher.decisions, matcher.rulings, matcher.rates, matcher.asked, runtime.offsets
"""
PRICE = ExternalKey("acme/stripe/price/p1")


def story(kit: Any) -> Any:
    """A book whose catalogue changes under way, with people's decisions and changing companies."""
    log = kit.log()
    log.ready()
    for n in range(8):
        log.customer(f"cus_{n}", f"ann@c{n % 5}.example", name=f"Firm {n}")
        log.company(f"7{n}", f"c{n}.example")
        log.subscription(f"sub_{n}", f"cus_{n}", 1000 * (1 + n % 2), lookup_key=None)
    log.add("product", "prod_1", {"name": "Growth"})
    for n in range(8):
        log.subscription(f"sub_{n}", f"cus_{n}", 2000, lookup_key=None)
    log.add("product", "prod_1", {"name": "Growth, renamed"})
    log.person("agency", "cus_1")
    log.company("91", "c0.example", merged_ids=["70"])
    for n in range(8):
        log.customer(f"cus_{n}", f"bob@c{n}.example", name=f"Firm {n}")
        log.subscription(f"sub_{n}", f"cus_{n}", 1000, lookup_key=None)
    log.config(currency="usd")
    log.subscription("sub_2", "cus_2", 3000)
    return log


async def in_one(pool: asyncpg.Pool, kit: Any, log: Any) -> str:
    """The digest of the log as one batch, in an empty database again."""
    await kit.bench(pool).run(log)
    found = await digest(pool)
    await pool.execute(EMPTY)
    return found


async def fold(matcher: Matcher, records: Sequence[Record]) -> None:
    await matcher.handle(Batch(OBSERVATIONS, 0, records, group=GROUP))
    await matcher.settled()


@pytest.mark.server
async def test_two_matchers_by_turns(pool: asyncpg.Pool, kit: Any) -> None:
    log = story(kit)
    expected = await in_one(pool, kit, log)
    one, other = kit.bench(pool), kit.bench(pool)
    await one.fold(kit.records(log.observations[:1]))
    turns = random.Random(7)
    for record in kit.records(log.observations)[1:]:
        await fold(turns.choice((one, other)).matcher, [record])
    assert await digest(pool) == expected


@pytest.mark.server
async def test_who_is_fenced_forgets_what_he_kept(pool: asyncpg.Pool, kit: Any) -> None:
    log = story(kit)
    expected = await in_one(pool, kit, log)
    one, other = kit.bench(pool), kit.bench(pool)
    records = kit.records(log.observations)
    half = len(records) // 2
    await one.fold(records[:half], size=1)
    await other.fold(records[: half + 3], size=1)
    with pytest.raises(Fenced):
        await fold(one.matcher, records[half : half + 1])
    await one.fold(records, size=1)
    assert await digest(pool) == expected


@pytest.mark.server
async def test_a_rolled_back_batch_leaves_nothing_in_memory(
    pool: asyncpg.Pool, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = story(kit)
    expected = await in_one(pool, kit, log)
    bench = kit.bench(pool)
    advance, turns = Batch.advance, random.Random(7)

    async def broken(self: Batch, conn: Any, next_offset: int | None = None) -> None:
        await advance(self, conn, next_offset)
        if turns.random() < 0.5:
            raise asyncpg.InterfaceError("the connection is gone")

    await bench.fold(kit.records(log.observations[:1]))
    monkeypatch.setattr(Batch, "advance", broken)
    broke = 0
    for record in kit.records(log.observations)[1:]:
        while await bench.position() == record.offset:
            try:
                await fold(bench.matcher, [record])
            except asyncpg.InterfaceError:
                broke += 1
    assert broke > len(log.observations) // 4
    assert await digest(pool) == expected


@pytest.mark.server
async def test_what_is_kept_is_not_read_again(
    pool: asyncpg.Pool, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One change of a subscription: a look, then all writes with the position."""
    log = kit.log()
    log.ready()
    log.customer("cus_1")
    for amount in (1000, 2000, 1000, 2000):
        log.subscription("sub_1", "cus_1", amount)
    bench = kit.bench(pool)
    records = kit.records(log.observations)
    await bench.fold(records[:-1], size=1)
    asked: list[str] = []
    plain = asyncpg.Connection._execute

    async def counted(self: Any, query: str, *rest: Any, **more: Any) -> Any:
        asked.append(query)
        return await plain(self, query, *rest, **more)

    monkeypatch.setattr(asyncpg.Connection, "_execute", counted)
    await bench.matcher.handle(Batch(OBSERVATIONS, 0, records[-1:], group=GROUP))
    told = [query for query in asked if "unpublished" not in query and "published" not in query]
    assert ["matcher.around" in query for query in told] == [True, False], told
    assert "update runtime.offsets" in told[1]
    await bench.matcher.settled()


def left(**objects: ObjectRow) -> Snapshot:
    """A snapshot that asked for one price."""
    snapshot = Snapshot(WorkspaceRow("acme", sequence=3))
    snapshot.catalogue.needed = {PRICE}
    for row in objects.values():
        snapshot.load_object(row)
    return snapshot


def test_the_shelf_gives_only_at_the_position_it_was_left_at() -> None:
    shelf = Shelf()
    shelf.take_back([left()], 5)
    shelf.begin(5)
    row = shelf.workspace("acme")
    assert row is not None
    assert row.sequence == 3
    shelf.begin(6)
    assert shelf.workspace("acme") is None


def test_the_catalogue_is_told_as_it_stands_and_nothing_of_what_changed() -> None:
    shelf, price = Shelf(), ObjectRow(PRICE, "price", None, Held(1, ()))
    shelf.take_back([left(price=price)], 5)
    next_one = Snapshot(WorkspaceRow("acme"))
    shelf.lend(next_one)
    assert next_one.unseen([PRICE, ExternalKey("acme/stripe/price/p2")]) == {"acme/stripe/price/p2"}
    assert next_one.objects[PRICE] is price
    next_one.catalogue.needed = {PRICE}
    next_one.changed_objects.add(PRICE)
    shelf.take_back([next_one], 6)
    third = Snapshot(WorkspaceRow("acme"))
    shelf.lend(third)
    assert third.unseen([PRICE]) == {PRICE}


def test_a_catalogue_object_that_is_not_there_is_known_too() -> None:
    shelf = Shelf()
    shelf.take_back([left()], 5)
    snapshot = Snapshot(WorkspaceRow("acme"))
    shelf.lend(snapshot)
    assert snapshot.unseen([PRICE]) == set()
    assert PRICE not in snapshot.objects
