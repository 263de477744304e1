"""The fold of an account: several customers, deletions, provenance, versions (design 9)."""

from typing import Any

import pytest
from plumbline_domain.account import fold_account, present
from plumbline_domain.movements import Change, movement
from plumbline_domain.sighting import Catalogue
from plumbline_domain.valued import Valued, stamp
from plumbline_schemas.billing import BillingCustomer
from plumbline_schemas.money import Money

NOTHING = Catalogue({}, {})


def named(make: Any, vendor_id: str = "sub_1", **changes: Any) -> Any:
    return make.subscription(vendor_id, items=[make.item(lookup_key=vendor_id)], **changes)


def fold(make: Any, *customers: Any, **changes: Any):
    facts = {"currency": "eur", "at": make.at, **changes}
    return fold_account(customers, NOTHING, **facts)


def values(folded: Any) -> dict[str, Any]:
    return {name: valued.value for name, valued in folded.values.items()}


def test_one_customer(make: Any) -> None:
    member = make.customer(subscriptions=(named(make),), invoices=(make.invoice(),), test_mode=True)
    found = fold(make, member)
    assert values(found) == {
        "mrr": Money(minor=10000, currency="eur"),
        "plan": "sub_1",
        "payment_status": "paid",
        "state": "active",
        "stage": "paying",
        "billing_started_at": "2026-03-07T12:00:00Z",
        "stripe_customer_id": "cus_1",
        "stripe_url": "https://dashboard.stripe.com/test/customers/cus_1",
        "ambiguous": False,
        "subscription_status": "active",
        "next_renewal_at": None,
        "billing_interval": "month",
        "discount": None,
        "failed_payment_count": 0,
        "last_payment_at": "2026-06-05T12:00:00Z",
        "ltv": Money(minor=10000, currency="eur"),
        "payment_method_expires_at": None,
        "planned_cancellation_at": None,
        "mrr_ending": Money(minor=0, currency="eur"),
        "days_to_first_payment": 90,
    }
    assert found.values["plan"].by.event_id == "evt_sub_1"
    assert found.incomplete == ()


def test_a_customer_without_anything(make: Any) -> None:
    found = values(fold(make, make.customer()))
    assert found["mrr"] == Money(minor=0, currency="eur")
    assert (found["plan"], found["billing_started_at"]) == (None, None)
    assert (found["state"], found["payment_status"]) == ("prospect", "none")
    assert found["stripe_url"] == "https://dashboard.stripe.com/customers/cus_1"


def test_several_customers(make: Any) -> None:
    first = make.customer("cus_2", subscriptions=(named(make, "sub_2", start_date=make.day(-9)),))
    late = make.invoice(
        "in_2", subscription="sub_1", status="open", next_payment_attempt=make.day(1)
    )
    other = make.customer("cus_1", subscriptions=(named(make),), invoices=(late,))
    found = fold(make, first, other)
    assert values(found)["mrr"] == Money(minor=20000, currency="eur")
    assert values(found)["stripe_customer_id"] == "cus_1;cus_2"
    assert values(found)["payment_status"] == "failing"
    assert (found.state, found.ambiguous) == ("at_risk", True)
    assert values(found)["plan"] == "sub_1"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("past_due", "active", "at_risk"),
        ("active", "trialing", "active"),
        ("trialing", "canceled", "trial"),
        ("canceled", "incomplete_expired", "churned"),
    ],
)
def test_state_of_several(make: Any, one: str, other: str, expected: str) -> None:
    members = [
        make.customer(f"cus_{n}", subscriptions=(named(make, f"sub_{n}", status=status),))
        for n, status in enumerate([one, other])
    ]
    assert fold(make, *members).state == expected
    assert fold(make, *reversed(members)).state == expected


def test_a_deleted_customer(make: Any) -> None:
    gone = {"deletion": make.sighting("cus_1", at=make.day(-1))}
    unpaid = make.invoice(status="open")
    found = fold(make, make.customer(subscriptions=(named(make),), invoices=(unpaid,), **gone))
    kept = values(found)
    assert kept["mrr"] == Money(minor=0, currency="eur")
    assert (kept["state"], kept["payment_status"]) == ("churned", "none")
    assert (kept["plan"], kept["stripe_customer_id"]) == ("sub_1", "cus_1")
    assert kept["billing_started_at"] == "2026-03-07T12:00:00Z"
    assert fold(make, make.customer(**gone)).state == "prospect"


def test_a_deleted_customer_beside_a_live_one(make: Any) -> None:
    gone = make.customer(
        "cus_1",
        deletion=make.sighting("cus_1"),
        subscriptions=(named(make, "sub_1"),),
        invoices=(make.invoice(status="open"),),
    )
    alive = make.customer("cus_2", subscriptions=(named(make, "sub_2"),))
    found = values(fold(make, gone, alive))
    assert found["mrr"] == Money(minor=10000, currency="eur")
    assert (found["plan"], found["state"], found["payment_status"]) == ("sub_2", "active", "none")


def test_incomplete_keeps_the_last_mrr(make: Any) -> None:
    good = fold(make, make.customer(subscriptions=(named(make),)))
    before = stamp(good.values, {}, 1)
    unknown = make.subscription(items=[make.item(lookup_key="sub_1", discounts=["di_1"])])
    bad = fold(make, make.customer(subscriptions=(unknown,)))
    assert bad.incomplete == ("discount:di_1",)
    after = stamp(bad.values, before, 2)
    assert after["mrr"] == before["mrr"]
    assert stamp(bad.values, {}, 2)["mrr"]["value"] is None
    assert fold(make, make.customer(), currency=None).incomplete == ("config",)


def test_what_must_be_read(make: Any) -> None:
    unread = make.customer(sighting=None, subscriptions=(make.subscription(),))
    found = fold(make, unread)
    assert found.incomplete == ("product:prod_1",)
    assert found.wanted == ("acme/stripe/customer/cus_1", "acme/stripe/product/prod_1")


def test_a_version_moves_only_with_its_value(make: Any) -> None:
    first = stamp({"plan": Valued("a", "r", make.sighting("x"))}, {}, 1)
    same = stamp({"plan": Valued("a", "r2", make.sighting("y"))}, first, 2)
    other = stamp({"plan": Valued("b", "r2", make.sighting("y"))}, same, 3)
    assert same == first
    assert (other["plan"]["version"], other["plan"]["object"]) == (3, "y")


@pytest.mark.parametrize(
    ("before", "after", "cause", "paid", "opening", "expected"),
    [
        (None, 100, "customer", False, True, "opening"),
        (None, 100, "customer", False, False, "new"),
        (0, 100, "customer", True, False, "reactivation"),
        (100, 150, "customer", True, False, "expansion"),
        (150, 100, "time", True, False, "contraction"),
        (100, 0, "customer", True, True, "churn"),
        (100, 200, "link", True, False, "transfer"),
        (100, 200, "rules", True, False, "restated"),
        (100, 100, "customer", True, False, None),
        (None, 0, "customer", False, False, None),
        (100, None, "customer", True, False, None),
    ],
)
def test_movements(  # noqa: PLR0917
    before: int | None,
    after: int | None,
    cause: Any,
    paid: bool,
    opening: bool,
    expected: str | None,
) -> None:
    change = Change(before, after, cause, paid_before=paid, opening=opening)
    assert movement(change) == expected


def test_what_stripe_has_said_has_happened(make: Any) -> None:
    """A subscription that starts after the last tick counts at once."""
    started = named(make, start_date=make.day(0), created=make.day(0))
    at = present(make.day(-1), [started.sighting.vendor_time])
    folded = fold(make, make.customer(subscriptions=(started,), at=at), at=at)
    assert values(folded)["mrr"] == Money(minor=10000, currency="eur")
    assert values(folded)["state"] == "active"


def test_a_start_that_stripe_itself_says_is_ahead_waits_for_its_time(make: Any) -> None:
    ahead = named(make, start_date=make.day(30))
    folded = fold(make, make.customer(subscriptions=(ahead,)))
    assert values(folded)["mrr"] == Money(minor=0, currency="eur")
    assert folded.due_at == make.day(30)


def test_a_discount_of_the_customer_is_never_overlooked(make: Any) -> None:
    body = BillingCustomer(discounts=("di_9",))
    member = make.customer(subscriptions=(named(make),), body=body)
    folded = fold(make, member)
    assert folded.incomplete == ("discount:di_9",)
    assert folded.values["mrr"].keep


def test_an_item_in_a_trial_of_its_own_counts_zero_until_it_ends(make: Any) -> None:
    trial = make.item(trial_start=make.day(-1), trial_end=make.day(6))
    seen = make.subscription("sub_1", items=[trial, make.item(item_id="si_2")])
    folded = fold(make, make.customer(subscriptions=(seen,)))
    assert values(folded)["mrr"] == Money(minor=10000, currency="eur")
    assert folded.due_at == make.day(6)
    at = make.day(6)
    later = fold(make, make.customer(subscriptions=(seen,), at=at), at=at)
    assert values(later)["mrr"] == Money(minor=20000, currency="eur")


@pytest.mark.parametrize(
    ("rule", "whole_book", "expected"),
    [
        ("mrr.sum", True, Money(minor=500, currency="eur")),
        ("mrr.no_subscription", True, None),
        ("mrr.sum", False, None),
    ],
)
def test_only_a_value_that_was_known_is_kept(
    rule: str, whole_book: bool, expected: Money | None
) -> None:
    """A paying customer whose price can't be computed reads unknown, never 0."""
    last = Money(minor=500, currency="eur")
    before = stamp({"mrr": Valued(last, rule)}, {}, 1)
    now = {"mrr": Valued(None, "mrr.incomplete", keep=True)}
    wanted = None if expected is None else expected.model_dump()
    assert stamp(now, before, 2, whole_book=whole_book)["mrr"]["value"] == wanted
