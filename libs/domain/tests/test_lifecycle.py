"""Stage, state, plan and wake-ups: billing.md, lifecycle and plan."""

from datetime import timedelta
from typing import Any

import pytest
from plumbline_domain.due import next_instant
from plumbline_domain.lifecycle import lifecycle
from plumbline_domain.payment_status import payment_health
from plumbline_domain.plan import plan
from plumbline_domain.sighting import Catalogue, SeenPrice, SeenProduct
from plumbline_schemas.ids import external_key

PRODUCT = external_key("acme", "stripe", "product", "prod_1")
PRICE = external_key("acme", "stripe", "price", "price_1")


def stage(make: Any, subscriptions: list[Any], invoices: list[Any] | None = None, **facts: Any):
    health = payment_health(subscriptions, invoices or [], at=make.at)
    return lifecycle(subscriptions, invoices or [], health, at=make.at, **facts)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], "prospect"),
        (["incomplete"], "prospect"),
        (["incomplete_expired"], "prospect"),
        (["trialing"], "trial"),
        (["trialing", "paused"], "trial"),
        (["trialing", "active"], "activated"),
        (["active"], "activated"),
        (["canceled"], "churned"),
        (["canceled", "incomplete"], "churned"),
        (["paused"], "at_risk"),
        (["paused", "active"], "activated"),
        (["past_due"], "at_risk"),
        (["unpaid"], "at_risk"),
        (["canceled", "active"], "activated"),
        (["active", "incomplete"], "at_risk"),
    ],
)
def test_stage_by_status(make: Any, statuses: list[str], expected: str) -> None:
    subscriptions = [make.subscription(f"sub_{n}", status=s) for n, s in enumerate(statuses)]
    assert stage(make, subscriptions).stage == expected


def test_paying_after_any_payment_above_zero(make: Any) -> None:
    active = [make.subscription()]
    assert stage(make, active, [make.invoice(amount_paid=0)]).stage == "activated"
    one_off = make.invoice(subscription=None)
    assert (stage(make, active, [one_off]).stage, stage(make, active, [one_off]).state) == (
        "paying",
        "active",
    )


def test_expanded_needs_a_baseline(make: Any) -> None:
    active, paid = [make.subscription()], [make.invoice()]
    assert stage(make, active, paid, expanded=False).stage == "paying"
    assert stage(make, active, paid, expanded=True).stage == "expanded"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"cancel_at_period_end": True}, "at_risk"),
        ({"cancel_at": 90}, "at_risk"),
        ({"cancel_at": 91}, "activated"),
        ({"status": "trialing", "cancel_at": 5}, "at_risk"),
        ({"status": "canceled", "cancel_at_period_end": True}, "churned"),
    ],
)
def test_planned_cancellation(make: Any, changes: dict[str, Any], expected: str) -> None:
    if "cancel_at" in changes:
        changes = {**changes, "cancel_at": make.day(changes["cancel_at"])}
    found = stage(make, [make.subscription(**changes)])
    assert found.stage == expected


def test_one_planned_cancellation_among_several(make: Any) -> None:
    subscriptions = [make.subscription("sub_1"), make.subscription("sub_2", cancel_at=make.day(1))]
    found = stage(make, subscriptions)
    assert found.rule == "lifecycle.planned_cancellation"
    assert found.by is not None
    assert found.by.vendor_id == "sub_2"


def test_not_started_does_not_exist(make: Any) -> None:
    assert stage(make, [make.subscription(start_date=make.day(1))]).stage == "prospect"


def catalogue(make: Any, name: str | None = "Growth", at: float = 0) -> Catalogue:
    return Catalogue({PRODUCT: SeenProduct(name, make.sighting("prod_1", at=make.day(at)))}, {})


@pytest.mark.parametrize(
    ("priced", "named", "expected", "rule"),
    [
        ({"lookup_key": "growth_m"}, "Growth", "growth_m", "plan.lookup_key"),
        ({}, "Growth", "Growth", "plan.product_name"),
        ({"nickname": "Nick"}, None, "Nick", "plan.nickname"),
        ({"nickname": "Nick"}, "Growth", "Growth", "plan.product_name"),
        ({}, None, "price_1", "plan.price_id"),
        ({"product_name": "Inside"}, "Growth", "Growth", "plan.product_name"),
    ],
)
def test_plan_label(
    make: Any, priced: dict[str, Any], named: str | None, expected: str, rule: str
) -> None:
    seen = make.subscription(items=[make.item(**priced)])
    found = plan([seen], catalogue(make, named), at=make.at)
    assert (found.value, found.rule, found.missing) == (expected, rule, None)


def test_77_unknown_product_is_missing_unless_the_price_names_the_plan(make: Any) -> None:
    nothing = Catalogue({}, {})
    assert plan([make.subscription()], nothing, at=make.at).missing == PRODUCT
    inside = make.subscription(items=[make.item(product_name="Inside")])
    assert plan([inside], nothing, at=make.at).value == "Inside"
    keyed = make.subscription(items=[make.item(lookup_key="k")])
    assert plan([keyed], nothing, at=make.at).value == "k"


def test_the_newer_of_catalogue_and_subscription_names_the_plan(make: Any) -> None:
    seen = make.subscription(items=[make.item(lookup_key="old", product_name="Inside")])
    renamed = Catalogue({}, {PRICE: SeenPrice("new", None, make.sighting("p", at=make.day(1)))})
    stale = Catalogue({}, {PRICE: SeenPrice("older", None, make.sighting("p", at=make.day(-1)))})
    same = Catalogue({}, {PRICE: SeenPrice("new", None, make.sighting("p", at=make.day(0)))})
    assert plan([seen], renamed, at=make.at).value == "new"
    assert plan([seen], same, at=make.at).value == "new"  # a copy is no newer than its original
    assert plan([seen], stale, at=make.at).value == "old"


def test_which_subscription_and_item_name_the_plan(make: Any) -> None:
    def named(name: str, vendor_id: str, **changes: Any) -> Any:
        return make.subscription(vendor_id, items=[make.item(lookup_key=name)], **changes)

    ended = named("ended", "sub_0", status="canceled", start_date=make.day(-300))
    later = named("later", "sub_1", start_date=make.day(-5))
    first = named("first", "sub_2", start_date=make.day(-9))
    future = named("future", "sub_3", start_date=make.day(9))
    none = Catalogue({}, {})
    assert plan([ended, later, first, future], none, at=make.at).value == "first"
    long_ago = named("long_ago", "sub_4", status="canceled", ended_at=make.day(-50))
    recent = named("recent", "sub_5", status="canceled", ended_at=make.day(-2))
    assert plan([long_ago, recent], none, at=make.at).value == "recent"
    items = [
        make.item("si_2", lookup_key="younger", created=make.day(-1)),
        make.item("si_1", lookup_key="older", created=make.day(-2)),
    ]
    assert plan([make.subscription(items=items)], none, at=make.at).value == "older"


def test_next_instant(make: Any) -> None:
    def due(subscriptions: list[Any], invoices: list[Any] | None = None):
        found = next_instant(subscriptions, invoices or [], at=make.at)
        return None if found is None else found - make.at

    assert due([make.subscription()]) is None
    assert due([make.subscription(start_date=make.day(3))]) == timedelta(days=3)
    assert due([make.subscription(trial_end=make.day(2))]) == timedelta(days=2)
    assert due([make.subscription(cancel_at=make.day(100))]) == timedelta(days=10)
    assert due([make.subscription(cancel_at=make.day(5))]) == timedelta(days=5)
    pause = {"behavior": "void", "resumes_at": make.day(4)}
    assert due([make.subscription(pause_collection=pause)]) == timedelta(days=4)
    assert due([make.subscription(status="canceled", cancel_at=make.day(5))]) is None
    unpaid = make.invoice(status="open", due_date=make.day(1))
    assert due([make.subscription()], [unpaid]) == timedelta(days=1)
    assert due([], [make.invoice(status="paid", due_date=make.day(1))]) is None
