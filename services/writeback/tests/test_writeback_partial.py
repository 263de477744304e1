"""Of a locked effect only what has changed is stored; a new one is stored whole."""

from datetime import UTC, datetime
from typing import Any

import pytest
from writeback import partial, store
from writeback.effects import Effect, RecordId, fresh

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def effect(number: int, **changes: Any) -> Effect:
    known = fresh(RecordId("acme", "hubspot", "company", str(number)), f"acc_{number}", NOW)
    wanted = {"plumbline_mrr": str(number)}
    return known._replace(desired=wanted, desired_hash=f"h{number}", **changes)


def test_the_columns_of_all_that_changed() -> None:
    one, two = effect(1), effect(2)
    locked = {one.id: one, two.id: two}
    claimed = one._replace(sending={"a": "1"}, writes=1)
    assert partial.changed_columns([claimed, two], locked) == ["writes", "sending"]
    assert partial.changed_columns([two._replace(attempts=1), claimed], locked) == [
        "attempts", "writes", "sending",
    ]  # fmt: skip
    assert partial.changed_columns([one._replace(desired=dict(one.desired))], locked) == []


@pytest.mark.server
async def test_what_has_not_changed_is_not_touched(world: Any) -> None:
    async with world.pool.acquire() as conn:
        first = [effect(number, priority=0) for number in range(1, 4)]
        await store.save_effects(conn, first, {})
        locked = await store.lock_effects(conn, [one.id for one in first])
        assert [locked[one.id] for one in first] == first
        await conn.execute("update writeback.effects set provenance = '{\"kept\": 1}'")
        claimed = first[1]._replace(sending={"plumbline_mrr": "2"}, sending_since=NOW, writes=1)
        other = effect(4, applied={"plumbline_mrr": "4"})
        await store.save_effects(conn, [other, claimed, first[2]], locked)
        after = await store.lock_effects(conn, [*locked, other.id])
        kept = {"kept": 1}
        assert after[claimed.id] == claimed._replace(provenance=kept)
        assert after[first[0].id] == first[0]._replace(provenance=kept)
        assert after[first[2].id] == first[2]._replace(provenance=kept)
        assert after[other.id] == other
