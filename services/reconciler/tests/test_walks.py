"""The course of a walk."""

from datetime import UTC, datetime

import pytest
from reconciler.walks import STRIPE_KINDS, advance, begin, marker, tick

_SHOWN = ("product", "price", "customer", "subscription", "invoice")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_a_walk_goes_page_by_page_and_kind_by_kind_to_the_end() -> None:
    kinds = [one for one in STRIPE_KINDS if one in _SHOWN]
    walk = begin("acme", "stripe", kinds)
    seen = []
    cursors = {"customer": ["cus_100", "cus_200", None]}
    while not walk.completed:
        seen.append((walk.kind, walk.cursor))
        queue = cursors.setdefault(walk.kind, [None])
        walk = advance(walk, published=10, skipped=1, next_cursor=queue.pop(0))
    assert seen == [
        ("product", None), ("price", None),
        ("customer", None), ("customer", "cus_100"), ("customer", "cus_200"),
        ("subscription", None), ("invoice", None),
    ]  # fmt: skip
    assert walk.rows == {
        "product": 10,
        "price": 10,
        "customer": 30,
        "subscription": 10,
        "invoice": 10,
    }
    assert walk.skipped["customer"] == 3


def test_the_marker_says_what_was_published() -> None:
    walk = advance(begin("acme", "hs", ["company"]), published=7, skipped=0, next_cursor=None)
    made = marker(walk, NOW)
    assert made.key == "acme/hs/walk/initial"
    assert made.body is not None
    assert made.body.rows == {"company": 7}


def test_a_walk_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="acme/hs: a walk needs at least one kind"):
        begin("acme", "hs", [])


def test_a_tick_carries_the_time_it_was_given() -> None:
    made = tick("acme", NOW, datetime(2030, 1, 1, tzinfo=UTC))
    assert made.key == "acme/@/tick/clock"
    assert made.body is not None
    assert made.body.as_of == NOW
    assert made.vendor_time_ms == int(NOW.timestamp() * 1000)
