"""payment_status: the table of billing.md and its fine print."""

from typing import Any

import pytest
from plumbline_domain.payment_status import payment_health


def health(make: Any, subscriptions: list[Any], invoices: list[Any]) -> str:
    return payment_health(subscriptions, invoices, at=make.at).value


OPEN = {"status": "open", "amount_paid": 0}
RETRYING = {**OPEN, "next_payment_attempt": "2026-06-20T00:00:00Z"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "paid"),
        ({"amount_paid": 0, "total": 0}, "paid"),
        (OPEN, "past_due"),
        (RETRYING, "failing"),
        ({**OPEN, "attempted": False, "attempt_count": 0}, "none"),
        ({**OPEN, "collection_method": "send_invoice"}, "none"),
        ({**OPEN, "collection_method": "send_invoice", "due_date": 1}, "none"),
        ({**OPEN, "collection_method": "send_invoice", "due_date": -1}, "past_due"),
        ({**OPEN, "collection_method": "send_invoice", "due_date": 0}, "past_due"),
        ({"status": "uncollectible"}, "past_due"),
        ({"status": "uncollectible", "uncollectible_reason": "subscription_paused"}, "none"),
        ({"status": "uncollectible", "uncollectible_reason": "user_forgiven"}, "none"),
        ({"status": "uncollectible", "uncollectible_reason": "max_payment_attempts"}, "past_due"),
        ({"status": "void"}, "none"),
        ({"status": "draft", "finalized_at": None}, "none"),
    ],
)
def test_one_invoice(make: Any, changes: dict[str, Any], expected: str) -> None:
    if isinstance(changes.get("due_date"), int):
        changes = {**changes, "due_date": make.day(changes["due_date"])}
    assert health(make, [make.subscription()], [make.invoice(**changes)]) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": "unpaid"}, "past_due"),
        ({"status": "paused", "paused_by_payment_failure": True}, "past_due"),
        ({"status": "paused"}, "none"),
        ({"status": "past_due"}, "failing"),
        ({"status": "incomplete"}, "failing"),
        ({"status": "active"}, "none"),
        ({"status": "incomplete_expired"}, "none"),
    ],
)
def test_subscription_alone(make: Any, changes: dict[str, Any], expected: str) -> None:
    assert health(make, [make.subscription(**changes)], []) == expected


def test_nothing_at_all(make: Any) -> None:
    assert health(make, [], []) == "none"


def test_first_payment_of_an_incomplete_subscription_is_failing(make: Any) -> None:
    subscriptions = [make.subscription(status="incomplete")]
    assert health(make, subscriptions, [make.invoice(**OPEN)]) == "failing"


def test_an_open_untried_invoice_leaves_the_prior_value(make: Any) -> None:
    fresh = make.invoice("in_2", **{**OPEN, "attempted": False, "finalized_at": make.day(-1)})
    assert health(make, [make.subscription()], [make.invoice(), fresh]) == "paid"
    failing = make.invoice(**RETRYING)
    assert health(make, [make.subscription()], [failing, fresh]) == "failing"


def test_uncollectible_counts_only_as_the_latest_of_its_subscription(make: Any) -> None:
    written_off = make.invoice("in_1", status="uncollectible", finalized_at=make.day(-20))
    later = make.invoice("in_2", finalized_at=make.day(-5))
    assert health(make, [make.subscription()], [written_off, later]) == "paid"
    elsewhere = make.invoice("in_2", subscription="sub_2", finalized_at=make.day(-5))
    assert health(make, [make.subscription()], [written_off, elsewhere]) == "past_due"


def test_invoices_without_subscription_are_one_group(make: Any) -> None:
    first = make.invoice("in_1", subscription=None, status="uncollectible")
    later = make.invoice("in_2", subscription=None, finalized_at=make.day(-1))
    assert health(make, [], [first]) == "past_due"
    assert health(make, [], [first, later]) == "paid"


def test_void_is_left_out_when_looking_for_the_latest(make: Any) -> None:
    written_off = make.invoice("in_1", status="uncollectible", finalized_at=make.day(-20))
    void = make.invoice("in_2", status="void", finalized_at=make.day(-5))
    assert health(make, [make.subscription()], [written_off, void]) == "past_due"


def test_forgiven_by_the_subscriptions_pause(make: Any) -> None:
    pause = {"behavior": "mark_uncollectible"}
    subscriptions = [make.subscription(pause_collection=pause)]
    assert health(make, subscriptions, [make.invoice(status="uncollectible")]) == "none"


def test_past_due_wins_over_failing_and_names_its_object(make: Any) -> None:
    found = payment_health(
        [make.subscription(status="past_due")],
        [make.invoice("in_1", **RETRYING), make.invoice("in_2", **OPEN)],
        at=make.at,
    )
    assert (found.value, found.rule) == ("past_due", "payment_status.attempts_exhausted")
    assert found.by is not None
    assert found.by.vendor_id == "in_2"
