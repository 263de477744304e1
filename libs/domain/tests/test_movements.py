"""Movements: kinds, exchange rates apart, planned cancellations, reports of a month."""

from datetime import UTC, datetime
from typing import Any

import pytest
from plumbline_domain.ledger import Entry
from plumbline_domain.lifecycle import Triggers, lifecycle
from plumbline_domain.movements import (
    CUSTOMER_CAUSED,
    Change,
    Moved,
    movement,
    movements,
    planned_movements,
)
from plumbline_domain.payment_status import payment_health
from plumbline_domain.policies import POLICIES
from plumbline_domain.reports import reported
from plumbline_schemas.events import Movement
from plumbline_schemas.ids import AccountId


def change(before: int | None, after: int | None, **more: Any) -> Change:
    facts = {"cause": "customer", "paid_before": True, "opening": False, **more}
    return Change(before, after, **facts)


@pytest.mark.mrr_cases
@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (change(10_000, 12_000, cause="rates"), [Moved("fx", 2_000)]),
        (change(10_000, 9_000, cause="rates"), [Moved("fx", -1_000)]),
        (change(10_000, 10_000, at_former_rates=10_000), []),
        (change(10_000, 16_500, at_former_rates=15_000), [("expansion", 5_000), ("fx", 1_500)]),
        (change(10_000, 10_000, at_former_rates=9_000), [("contraction", -1_000), ("fx", 1_000)]),
        (change(10_000, 0, at_former_rates=0), [Moved("churn", -10_000)]),
        (change(0, 110, at_former_rates=100), [("reactivation", 100), ("fx", 10)]),
        (change(100, None), []),
        (change(0, 100, cause="customer"), [Moved("reactivation", 100)]),
        (change(0, 100, paid_before=False), [Moved("new", 100)]),
    ],
)
def test_67_exchange_rates_are_apart(changed: Change, expected: list[Any]) -> None:
    found = movements(changed)
    assert [(one.kind, one.minor) for one in found] == [
        (one.kind, one.minor) if isinstance(one, Moved) else one for one in expected
    ]
    if changed.after is not None:
        assert sum(one.minor for one in found) == changed.after - (changed.before or 0)
    assert movement(changed) == (found[0].kind if found else None)


def test_what_exchange_rates_move_is_no_business_event() -> None:
    assert "fx" not in CUSTOMER_CAUSED
    assert {"planned_cancellation", "planned_cancellation_undone"} <= CUSTOMER_CAUSED


@pytest.mark.mrr_cases
def test_46_a_cancellation_planned_and_undone_is_no_churn() -> None:
    planned = planned_movements({}, {"sub_1": 10_000}, live=["sub_1"])
    assert planned == (Moved("planned_cancellation", 10_000),)
    undone = planned_movements({"sub_1": 10_000}, {}, live=["sub_1"])
    assert undone == (Moved("planned_cancellation_undone", 10_000),)
    assert planned_movements({"sub_1": 10_000}, {}, live=[]) == ()
    assert planned_movements({"sub_1": 10_000}, {"sub_1": 12_000}, live=["sub_1"]) == ()
    assert movements(change(10_000, 10_000)) == ()


def entries(*made: tuple[str, int, Movement, int]) -> list[Entry]:
    found = []
    for place, (account, day, kind, minor) in enumerate(made):
        at = datetime(2026, 6, day, tzinfo=UTC)
        found.append(Entry(place, AccountId(account), at, at, kind, "eur", 0, minor))
    return found


@pytest.mark.mrr_cases
@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("plumbline", {"a", "b", "c", "d"}),
        ("stripe_default", {"a", "b", "c", "d"}),
        ("chartmogul", {"a", "b", "c", "d"}),
        ("baremetrics", {"a", "b", "c", "d"}),
        ("profitwell", {"b", "c", "d"}),
    ],
)
def test_69_new_and_churned_in_one_month(policy: str, expected: set[str]) -> None:
    month = entries(
        ("a", 1, "new", 100),
        ("a", 2, "expansion", 50),
        ("a", 3, "planned_cancellation", 150),
        ("a", 9, "churn", -150),
        ("b", 2, "new", 100),
        ("c", 3, "churn", -100),
        ("c", 20, "reactivation", 100),
        ("d", 2, "new", 100),
        ("d", 4, "churn", -100),
        ("d", 8, "reactivation", 70),
    )
    found = reported(month, POLICIES[policy])
    assert {entry.account for entry in found} == expected

    def total(of: list[Entry]) -> int:
        return sum(e.amount for e in of if not e.kind.startswith("planned"))

    assert total(found) == total(month)


@pytest.mark.parametrize(
    ("triggers", "expected"),
    [
        (Triggers(), "at_risk"),
        (Triggers(payment_trouble=False), "at_risk"),
        (Triggers(planned_cancellation=False), "at_risk"),
        (Triggers(payment_trouble=False, planned_cancellation=False), "activated"),
    ],
)
def test_triggers_of_at_risk_are_switchable(make: Any, triggers: Triggers, expected: str) -> None:
    seen = [make.subscription(status="past_due", cancel_at_period_end=True)]
    health = payment_health(seen, [], at=make.at)
    assert lifecycle(seen, [], health, at=make.at, triggers=triggers).stage == expected
