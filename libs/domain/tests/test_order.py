"""Which observation stands: shuffles, duplicates, ties (design 5)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plumbline_domain.order import Deletion, Glance, Held, Sight, fold, is_deleted, rules_for

START = datetime(2026, 6, 15, tzinfo=UTC)
INVOICE = rules_for("invoice")
SUBSCRIPTION = rules_for("subscription")
COMPANY = rules_for("company")


def glance(
    content: dict[str, Any] | None,
    second: int = 0,
    *,
    arrived: int = 0,
    event: str | None = None,
    previous: dict[str, Any] | None = None,
    deleted: bool = False,
) -> Glance:
    sight = Sight(
        received_at=START + timedelta(milliseconds=arrived),
        origin="webhook",
        seen="event" if event else "read",
        event_id=event,
        previous=previous,
    )
    hashed = "" if content is None else repr(sorted(content.items()))
    return Glance(second * 1000, sight, content, hashed, deleted)


def fold_all(glances: list[Glance], rules: Any = SUBSCRIPTION) -> Held:
    held: Held | None = None
    for one in glances:
        held = fold(held, one, rules).held
    assert held is not None
    return held


def standing(glances: list[Glance], rules: Any = SUBSCRIPTION) -> Any:
    version = fold_all(glances, rules).standing
    return None if version is None else version.content


def test_newest_vendor_time_wins_whatever_arrives_last() -> None:
    old = glance({"status": "trialing"}, 1, arrived=9, event="evt_1")
    new = glance({"status": "active"}, 2, arrived=5, event="evt_2")
    assert standing([new, old]) == standing([old, new]) == {"status": "active"}


def test_repeated_and_older_change_nothing() -> None:
    new = glance({"status": "active"}, 2, event="evt_2")
    held = fold_all([new])
    assert not fold(held, new, SUBSCRIPTION).changed
    assert not fold(held, glance({"status": "x"}, 1, event="evt_1"), SUBSCRIPTION).changed


def test_same_second_same_content_is_no_tie() -> None:
    held = fold_all([glance({"status": "active"}, 1, event="evt_1")])
    again = fold(held, glance({"status": "active"}, 1, event="evt_2"), SUBSCRIPTION)
    assert not again.tie


def test_previous_that_agrees_applies() -> None:
    first = glance({"status": "incomplete"}, 1, arrived=8, event="evt_1")
    then = glance(
        {"status": "active"}, 1, arrived=2, event="evt_2", previous={"status": "incomplete"}
    )
    assert standing([first, then]) == standing([then, first]) == {"status": "active"}
    held = fold_all([first])
    assert not fold(held, then, SUBSCRIPTION).tie


def test_own_progress_decides() -> None:
    opened = glance({"status": "open", "attempt_count": 1}, 1, arrived=9, event="evt_1")
    paid = glance({"status": "paid", "attempt_count": 1}, 1, arrived=1, event="evt_2")
    assert standing([paid, opened], INVOICE) == {"status": "paid", "attempt_count": 1}
    again = glance({"status": "open", "attempt_count": 2}, 1, event="evt_3")
    assert standing([again, opened], INVOICE) == {"status": "open", "attempt_count": 2}
    ended = glance({"status": "canceled", "ended_at": "x"}, 1, arrived=1, event="evt_4")
    alive = glance({"status": "active"}, 1, arrived=2, event="evt_5")
    assert standing([ended, alive]) == {"status": "canceled", "ended_at": "x"}


def test_else_the_later_arrival_is_kept_and_a_read_asked_for() -> None:
    one = glance({"quantity": 1}, 1, arrived=1, event="evt_1")
    two = glance({"quantity": 2}, 1, arrived=2, event="evt_2")
    assert standing([one, two]) == standing([two, one]) == {"quantity": 2}
    assert fold(fold_all([one]), two, SUBSCRIPTION).tie
    assert fold(fold_all([two]), one, SUBSCRIPTION).tie


def test_a_redelivery_cannot_flip_a_tie() -> None:
    one = glance({"quantity": 1}, 1, arrived=1, event="evt_1")
    two = glance({"quantity": 2}, 1, arrived=2, event="evt_2")
    late = glance({"quantity": 1}, 1, arrived=50, event="evt_1")
    held = fold_all([one, two])
    folded = fold(held, late, SUBSCRIPTION)
    assert (folded.changed, folded.tie) == (False, False)
    assert standing([late, two, one]) == {"quantity": 2}


def test_a_read_of_the_same_second_is_a_tie_and_a_later_one_settles_it() -> None:
    event = glance({"quantity": 1}, 1, arrived=1, event="evt_1")
    read = glance({"quantity": 2}, 1, arrived=2)
    assert fold(fold_all([event]), read, SUBSCRIPTION).tie
    settled = fold(fold_all([event, read]), glance({"quantity": 1}, 3, arrived=9), SUBSCRIPTION)
    assert not settled.tie
    assert len(settled.held.versions) == 1


def test_stripe_deletions_are_final_and_keep_what_was_known() -> None:
    created = glance({"email": "a@acme.example"}, 1, event="evt_1")
    gone = glance(None, 2, arrived=5, event="evt_2", deleted=True)
    stale = glance({"email": "a@acme.example"}, 9, arrived=9)
    for order in ([created, gone], [gone, created], [created, gone, stale]):
        held = fold_all(order, rules_for("customer"))
        assert is_deleted(held, rules_for("customer"))
        assert held.standing is not None


def test_a_crm_deletion_is_ordinary_and_a_newer_sight_revives() -> None:
    alive = glance({"name": "Acme"}, 1, arrived=1)
    gone = glance(None, 500, arrived=5, deleted=True)
    restored = glance({"name": "Acme"}, 1, arrived=9)
    assert is_deleted(fold_all([alive, gone], COMPANY), COMPANY)
    assert is_deleted(fold_all([gone, alive], COMPANY), COMPANY)
    for order in ([alive, gone, restored], [restored, gone, alive], [gone, restored]):
        held = fold_all(order, COMPANY)
        assert not is_deleted(held, COMPANY)
        assert held.standing is not None


STATUSES = ("draft", "open", "uncollectible", "void", "paid")
EVENTS = st.builds(
    glance,
    st.fixed_dictionaries(
        {"status": st.sampled_from(STATUSES), "attempt_count": st.integers(0, 2)}
    ),
    st.integers(0, 2),
    arrived=st.integers(0, 5),
    event=st.none() | st.sampled_from(["evt_1", "evt_2", "evt_3", "evt_4"]),
    previous=st.none() | st.fixed_dictionaries({"status": st.sampled_from(STATUSES)}),
)
DELETIONS = st.builds(
    glance,
    st.none(),
    st.integers(0, 2),
    arrived=st.integers(0, 5),
    event=st.just("evt_9"),
    deleted=st.just(True),
)


def visible(held: Held, rules: Any) -> tuple[Any, ...]:
    version = held.standing
    content = None if version is None else version.content
    deletion: Deletion | None = held.deletion
    return (held.vendor_time_ms, content, is_deleted(held, rules), deletion)


def one_story_an_event(glances: list[Glance]) -> list[Glance]:
    """An event id says one thing: its redeliveries differ by their arrival only.

    What has no event is a read: it says what is there, never what was there before.
    """
    told: dict[str, Glance] = {}
    kept = []
    for one in glances:
        event = one.sight.event_id
        if event is None:  # a read, which holds no former values
            kept.append(replace(one, sight=replace(one.sight, previous=None)))
            continue
        first = told.setdefault(event, one)
        sight = Sight(one.sight.received_at, "webhook", "event", event, None, first.sight.previous)
        kept.append(
            Glance(first.vendor_time_ms, sight, first.content, first.content_hash, first.deleted)
        )
    return kept


@pytest.mark.parametrize("rules", [INVOICE, SUBSCRIPTION, COMPANY], ids=["in", "sub", "crm"])
@settings(deadline=None)
@given(data=st.data())
def test_the_outcome_does_not_depend_on_arrival_order(data: st.DataObject, rules: Any) -> None:
    glances = one_story_an_event(data.draw(st.lists(EVENTS | DELETIONS, min_size=1, max_size=6)))
    shuffled = data.draw(st.permutations(glances))
    repeated = [*shuffled, *data.draw(st.lists(st.sampled_from(glances), max_size=3))]
    expected = visible(fold_all(glances, rules), rules)
    assert visible(fold_all(shuffled, rules), rules) == expected
    assert visible(fold_all(repeated, rules), rules) == expected


@settings(deadline=None)
@given(glances=st.lists(EVENTS, min_size=1, max_size=6))
def test_folding_the_same_records_again_changes_nothing(glances: list[Glance]) -> None:
    held = fold_all(one_story_an_event(glances), INVOICE)
    for one in one_story_an_event(glances):
        assert not fold(held, one, INVOICE).changed


def test_another_arrival_of_a_known_content_may_undo_what_was_decided() -> None:
    """8, 2, 3, 2, 3, 1 within a second: at last 2 and 3 have each replaced the other."""
    changes = [(2, 8), (3, 2), (1, 3)]
    told = [
        glance({"quantity": now}, arrived=n, event=f"evt_{n}", previous={"quantity": before})
        for n, (now, before) in enumerate(changes)
    ]
    held = fold_all(told)
    assert held.standing is not None
    assert held.standing.content == {"quantity": 1}
    back = glance({"quantity": 2}, arrived=9, event="evt_9", previous={"quantity": 3})
    folded = fold(held, back, SUBSCRIPTION)
    assert folded.tie
    assert not fold(folded.held, back, SUBSCRIPTION).tie
