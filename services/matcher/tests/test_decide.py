"""Deciding over rows in memory: no server, no clock."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matcher.decide import decide, take_own
from matcher.rows import WorkspaceRow
from matcher.snapshot import Snapshot
from plumbline_schemas.accounts import AccountState
from plumbline_schemas.events import AccountEvent
from plumbline_schemas.ids import account_id, external_key
from plumbline_schemas.observations import AnyObservation, ConfigObservation, WalkObservation

CUSTOMER = external_key("acme", "stripe", "customer", "cus_1")


def ready(kit: Any) -> Snapshot:
    """An empty workspace whose walks are complete."""
    log = kit.log()
    log.ready()
    snapshot = Snapshot(WorkspaceRow("acme"))
    for observation in log.observations:
        assert isinstance(observation, ConfigObservation | WalkObservation)
        assert take_own(snapshot.workspace, observation)
        assert not take_own(snapshot.workspace, observation)
    assert snapshot.workspace.whole_book
    return snapshot


def fold(kit: Any, observations: Sequence[AnyObservation]) -> Snapshot:
    snapshot = ready(kit)
    for observation in observations:
        decide(snapshot, observation)
    return snapshot


def visible(snapshot: Snapshot) -> dict[str, Any]:
    """What a reader sees of the account, versions and provenance aside."""
    link = snapshot.link(CUSTOMER)
    assert link is not None
    state = snapshot.accounts[link.account_id].state
    assert state is not None
    assert AccountState.model_validate(state).model_dump(mode="json") == state
    for change in snapshot.changes:
        for event in change.events:
            assert AccountEvent.model_validate(event).model_dump(mode="json") == event
    values = {name: field["value"] for name, field in state["fields"].items()}
    # What a customer paid first is a fact of the order in which it was observed (billing.md).
    values["stage"] = "paying" if values["stage"] == "expanded" else values["stage"]
    keys = tuple(link["key"] for link in state["links"])
    return {**values, "links": keys, "flags": state["flags"], "was": state["state"]}


def life(kit: Any) -> list[AnyObservation]:
    """One customer's records, each newer than the one before."""
    log = kit.log()
    log.company("77", "other.example")
    log.customer("cus_1", "ann@acme.example")
    log.subscription("sub_1", "cus_1", status="incomplete")
    log.subscription("sub_1", "cus_1")
    log.invoice("in_1", "cus_1", status="open", amount_paid=0, subscription="sub_1")
    log.invoice("in_1", "cus_1", subscription="sub_1")
    log.company("77", "acme.example")
    log.subscription("sub_1", "cus_1", 15000)
    log.subscription("sub_2", "cus_1", 2000, start_date=kit.start - timedelta(days=60))
    return log.observations


def test_a_customer_founds_an_account_named_by_its_key(kit: Any) -> None:
    log = kit.log()
    log.customer("cus_1")
    snapshot = fold(kit, log.observations)
    assert list(snapshot.accounts) == [account_id(CUSTOMER)]
    assert [change.sequence for change in snapshot.changes] == [1]


def test_repeated_and_older_records_leave_no_trace(kit: Any) -> None:
    log = life(kit)
    snapshot = fold(kit, log)
    changes, asked = len(snapshot.changes), len(snapshot.outbox)
    for observation in [*log, *reversed(log)]:
        decide(snapshot, observation)
    assert (len(snapshot.changes), len(snapshot.outbox)) == (changes, asked)


@settings(deadline=None)
@given(data=st.data())
def test_order_of_arrival_does_not_matter(kit: Any, data: st.DataObject) -> None:
    log = life(kit)
    shuffled = data.draw(st.permutations(log))
    repeated = [*shuffled, *data.draw(st.lists(st.sampled_from(log), max_size=4))]
    assert visible(fold(kit, repeated)) == visible(fold(kit, log))


def test_one_change_a_record_and_account(kit: Any) -> None:
    snapshot = fold(kit, life(kit))
    numbers = [change.sequence for change in snapshot.changes]
    assert numbers == list(range(1, len(numbers) + 1))
    assert snapshot.workspace.sequence == numbers[-1]
    assert len({(c.cause["key"], c.effective_at, c.account_id) for c in snapshot.changes}) == len(
        numbers
    )


def test_ledger_rows_hold_what_changed(kit: Any) -> None:
    snapshot = fold(kit, life(kit))
    expansion = next(c for c in snapshot.changes if c.movement == "expansion")
    assert (expansion.mrr_before, expansion.mrr_after) == (10000, 15000)
    assert expansion.before["fields.mrr"]["value"] == {"minor": 10000, "currency": "eur"}
    assert expansion.after["fields.mrr"]["value"] == {"minor": 15000, "currency": "eur"}
    assert "links" not in expansion.after
    assert expansion.cause["key"] == "acme/stripe/subscription/sub_1"
    assert expansion.events[0]["type"] == "account.mrr_changed"


@pytest.mark.parametrize("update_first", [False, True])
def test_former_items_settle_a_tie_of_one_second(kit: Any, update_first: bool) -> None:
    log = kit.log()
    at = int(kit.start.timestamp() * 1000)
    before = log.subscription("sub_1", "cus_1", 10000, vendor_time_ms=at)
    update = log.subscription("sub_1", "cus_1", 15000, vendor_time_ms=at)
    former = {"items": before.body.model_dump(mode="json")["items"], "trial_end": None}
    update = update.model_copy(update={"previous": former})
    snapshot = fold(kit, [update, before] if update_first else [before, update])
    assert visible(snapshot)["mrr"]["minor"] == 15000
    assert all(row.value.get("reason") != "tie" for row in snapshot.outbox)
