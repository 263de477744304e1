"""The ledger of a generated book: totals are the sum of the movements, exactly."""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from console.ledger.reading import Asked, read_ledger
from plumbline_domain.ledger import month_period, movements
from plumbline_runtime.postgres import create_pool

from tests.histories.block import Block
from tests.histories.product import Product

pytestmark = pytest.mark.server


async def held(pool: asyncpg.Pool) -> dict[str, int]:
    """MRR of each account as its state says it."""
    rows = await pool.fetch(
        """select account_id, (state #>> '{fields,mrr,value,minor}')::bigint as minor
           from matcher.accounts where state is not null"""
    )
    return {row["account_id"]: row["minor"] or 0 for row in rows}


async def added(pool: asyncpg.Pool) -> dict[str, int]:
    """What the movements of each account's rows add up to."""
    rows = await pool.fetch(
        """select account_id, movement, mrr_before, mrr_after from matcher.account_changes
           order by sequence"""
    )
    sums: dict[str, int] = defaultdict(int)
    for row in rows:
        before, after = row["mrr_before"] or 0, row["mrr_after"]
        if after is not None and after != before:
            assert row["movement"] is not None, dict(row)
            sums[row["account_id"]] += after - before
    return sums


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_totals_are_the_sum_of_movements(database_url: str, seed: int) -> None:
    pool = await create_pool(database_url)
    try:
        product = Product(pool)
        await product.open()
        outcome = await Block(seed, 0, 12).play(product)
        assert outcome.differences == []
        now, sums = await held(pool), await added(pool)
        conn = await asyncpg.connect(database_url)
        ledger = await read_ledger(conn, Asked("h0"))
        await conn.close()
    finally:
        await pool.close()
    assert {name: minor for name, minor in now.items() if minor} == {
        name: minor for name, minor in sums.items() if minor
    }
    check_months(ledger.entries, total=sum(now.values()))


def check_months(entries: Any, *, total: int) -> None:
    """Each month closes with what it opened with and its movements; the last with the book."""
    closing, moved, kinds = 0, 0, set()
    for month in range(1, 13):
        period = month_period(datetime(2026, month, 1, tzinfo=UTC).date(), UTC)
        for report in movements(entries, period):
            assert report.currency == "usd"
            assert report.opening == closing
            assert report.closing == closing + sum(one.minor for one in report.moved)
            closing, moved = report.closing, moved + sum(one.minor for one in report.moved)
            kinds |= {one.kind for one in report.moved if one.count}
    assert closing == moved == total
    assert len(kinds) >= 4, kinds
