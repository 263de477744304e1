"""The key index in PostgreSQL and the one in memory decide bit for bit alike."""

import random

import asyncpg
import pytest
from matcher.identity_index import PostgresIndex, salt
from matcher.identity_sql import INDEXES, WITHOUT_INDEXES
from plumbline_domain.identity.decide import decide
from plumbline_domain.identity.index import MemoryIndex, gather
from plumbline_domain.identity.keys import record_keys
from plumbline_domain.identity.profile import (
    Party,
    Profile,
    customer_profile,
    record_profile,
)
from plumbline_domain.identity.weights import shipped

pytestmark = pytest.mark.server

WORDS = ("Brantov", "Quilmark", "Wexholm", "Ostfold", "Dorlund", "Kelnesse", "Zinrick")
TRADES = ("Robotics", "Foods", "GmbH", "Ltd", "Logistics", "")


def book(seed: int) -> tuple[list[Profile], list[Profile]]:
    """(customers, records) that share words, domains and mailboxes."""
    rng = random.Random(seed)
    records, customers = [], []
    for n in range(160):
        name = f"{rng.choice(WORDS)} {rng.choice(WORDS) if n % 3 else ''} {rng.choice(TRADES)}"
        domain = "".join(filter(str.isalnum, name.lower())) + ".example"
        records.append(
            record_profile(Party(f"{n}", name=name, domains=(domain,), phone=f"0301234{n:03}"))
        )
        customers.append(
            customer_profile(
                Party(
                    f"cus_{n}",
                    name=rng.choice((name, name.upper(), "Runa Holm", None, "test")),
                    emails=(f"{rng.choice(('ap', 'runa', 'it'))}@{domain}",),
                    phone=rng.choice((None, f"+49301234{n:03}")),
                )
            )
        )
    return customers, records


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_memory_and_database_agree(database_url: str, seed: int) -> None:
    customers, records = book(seed)
    memory = MemoryIndex()
    memory.put("record", records)
    memory.put("customer", customers)
    whole = gather(memory, customers)
    conn = await asyncpg.connect(database_url)
    try:
        stored = PostgresIndex(conn, "acme")
        await PostgresIndex(conn, "other").put("record", records[:5])
        shuffled = random.Random(seed).sample(records, len(records))
        for start in range(0, len(records), 7):
            await stored.put("record", shuffled[start : start + 7])
        await stored.put("customer", [*customers, *customers[:3]])
        await stored.put("record", shuffled[:9])
        together = await stored.gather(customers)
        for customer in customers:
            expected = decide(customer, whole, shipped())
            assert decide(customer, await stored.gather([customer]), shipped()) == expected
            assert decide(customer, together, shipped()) == expected
    finally:
        await conn.close()


async def test_a_profile_put_again_leaves_no_key_of_before(database_url: str) -> None:
    conn = await asyncpg.connect(database_url)
    try:
        stored = PostgresIndex(conn, "acme")
        before = record_profile(Party("77", name="Brantov Robotics", domains=("brantov.example",)))
        after = record_profile(Party("77", name="Quilmark Foods", domains=("quilmark.example",)))
        other = record_profile(Party("78", name="Quilmark Foods"))
        await stored.put("record", [before, other])
        await stored.put("record", [after, after])
        held = await conn.fetch("select key from matcher.identity_keys where id = '77' order by 1")
        mixed = salt("acme", "record")
        assert [row["key"] for row in held] == sorted(key ^ mixed for key in record_keys(after))
        asked = customer_profile(Party("cus_1", name="Brantov", emails=("a@brantov.example",)))
        assert (await stored.gather([asked])).record_profiles == {}
    finally:
        await conn.close()


async def test_removed_profiles_find_nobody(database_url: str) -> None:
    customers, records = book(4)
    conn = await asyncpg.connect(database_url)
    try:
        stored = PostgresIndex(conn, "acme")
        await stored.put("record", records)
        await stored.remove("record", [record.id for record in records])
        around = await stored.gather(customers)
        assert not around.records
        assert not around.record_profiles
        assert await conn.fetchval("select count(*) from matcher.identity_keys") == 0
    finally:
        await conn.close()


async def test_filling_and_putting_make_the_same_index(database_url: str) -> None:
    customers, records = book(5)
    conn = await asyncpg.connect(database_url)
    try:
        await conn.execute(WITHOUT_INDEXES)
        filled, put = PostgresIndex(conn, "filled"), PostgresIndex(conn, "put")
        await filled.fill("record", records)
        await filled.fill("customer", customers)
        await conn.execute(INDEXES)
        await put.put("record", records)
        await put.put("customer", customers)
        one, other = await filled.gather(customers), await put.gather(customers)
        assert one == other
        assert one.record_profiles
        assert one.customer_profiles
    finally:
        await conn.close()
