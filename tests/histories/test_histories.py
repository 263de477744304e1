"""A few histories in every run; `make histories N=10000 SEED=1` plays many."""

from typing import Any

import pytest
from plumbline_runtime.postgres import create_pool

from tests.histories.block import PARTS, Block, Outcome
from tests.histories.delivery import Delivery
from tests.histories.product import Product
from tests.histories.run import play_all, report

pytestmark = pytest.mark.server


async def test_histories_end_as_the_vendor_has_them(database_url: str, capsys: Any) -> None:
    outcome = await play_all(database_url, 20261121, [0, 20])
    assert report(outcome, 20261121, 1.0) == 0, capsys.readouterr().out
    printed = capsys.readouterr().out
    assert "histories compared: 40\ndifferent: 0\n" in printed
    assert outcome.counts.events > 1000
    assert outcome.counts.tied > 0


async def test_events_that_never_arrive_are_noticed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison can fail: without what the last part tells of subscriptions it does."""
    taken, take = [0], Delivery.take

    def lossy(self: Delivery, bodies: Any, *, last: bool) -> Any:
        taken[0] += 1
        kept = (b for b in bodies if taken[0] < PARTS or b'"customer.subscription.' not in b)
        return take(self, list(kept), last=last)

    monkeypatch.setattr(Delivery, "take", lossy)
    pool = await create_pool(database_url)
    try:
        product = Product(pool)
        await product.open()
        outcome: Outcome = await Block(20261121, 0, 8).play(product)
    finally:
        await pool.close()
    assert outcome.compared == 8
    assert outcome.differences != []
