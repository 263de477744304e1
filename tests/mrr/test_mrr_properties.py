"""What holds for every subscription, whatever is on it, under every policy."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plumbline_connectors.stripe.translate import Untranslatable
from plumbline_domain.money import to_minor
from plumbline_domain.mrr import Contribution, subscription_mrr
from plumbline_domain.policies import POLICIES, SWITCHES, Policy, policy_of
from plumbline_domain.reckoning import Beside
from plumbline_schemas.billing import BillingCustomer, Invoice, Subscription
from plumbline_simulators.shapes.catalogue import SHAPES
from plumbline_simulators.shapes.shape import Shape

from tests.mrr.reckon import NOW, RATES, read

Json = dict[str, Any]
PRODUCTS = ("prod_a", "prod_b")
many = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)

policies = st.sampled_from(list(POLICIES.values()))
amounts = st.decimals(0, 10**7, places=2).map(str)
recurring = st.builds(
    lambda interval, count, usage: {
        "interval": interval,
        "interval_count": count,
        "usage_type": usage,
    },
    st.sampled_from(["day", "week", "month", "month", "year"]),
    st.integers(1, 12),
    st.sampled_from(["licensed", "licensed", "licensed", "metered"]),
)


@st.composite
def tiers(draw: st.DrawFn) -> list[Json]:
    bounds = sorted(draw(st.sets(st.integers(1, 50), max_size=3)))
    return [
        {"up_to": up_to, "unit_amount": draw(amounts), "flat_amount": draw(amounts)}
        for up_to in (*bounds, None)
    ]


@st.composite
def prices(draw: st.DrawFn) -> Json:
    price: Json = {
        "price_id": f"price_{draw(st.integers(1, 3))}",
        "product": draw(st.sampled_from(PRODUCTS)),
        "currency": "usd",
        "recurring": draw(st.none() | recurring | recurring | recurring),
        "tax_behavior": draw(st.sampled_from([None, "inclusive", "exclusive"])),
    }
    if draw(st.booleans()):
        mode = draw(st.sampled_from(["graduated", "volume"]))
        return price | {"billing_scheme": "tiered", "tiers_mode": mode, "tiers": draw(tiers())}
    blocks = st.builds(
        lambda size, way: {"divide_by": size, "round": way},
        st.integers(1, 20),
        st.sampled_from(["up", "down"]),
    )
    return price | {"unit_amount": draw(amounts), "transform_quantity": draw(st.none() | blocks)}


@st.composite
def discounts(draw: st.DrawFn) -> Json:
    name = str(draw(st.integers(0, 10**6)))
    percent = draw(st.booleans())
    coupon = {
        "coupon_id": f"co_{name}",
        "duration": draw(st.sampled_from(["forever", "repeating", "once"])),
        "percent_off": str(draw(st.integers(0, 100))) if percent else None,
        "amount_off": None if percent else draw(amounts),
        "currency": None if percent else "usd",
        "applies_to": draw(st.sampled_from([[], [], ["prod_a"]])),
    }
    days = draw(st.none() | st.integers(-5, 5))
    return {
        "discount_id": f"di_{name}",
        "coupon": coupon["coupon_id"],
        "coupon_object": coupon,
        "end": None if days is None else NOW + timedelta(days=days),
    }


@st.composite
def holders(draw: st.DrawFn) -> Json:
    found = draw(st.lists(discounts(), max_size=3, unique_by=lambda one: one["discount_id"]))
    return {"discounts": [one["discount_id"] for one in found], "discount_objects": found}


@st.composite
def items(draw: st.DrawFn) -> Json:
    rates = draw(st.lists(st.integers(0, 25), max_size=2))
    return {
        "item_id": "",
        "quantity": draw(st.integers(0, 200)),
        "price": draw(prices()),
        "tax_rates": [
            {"tax_rate_id": f"txr_{n}", "inclusive": True, "percentage": str(rate)}
            for n, rate in enumerate(rates)
        ],
        **draw(holders()),
    }


@st.composite
def subscriptions(draw: st.DrawFn) -> Subscription:
    found = draw(st.lists(items(), min_size=1, max_size=4))
    return Subscription.model_validate(
        {
            "status": draw(st.sampled_from(["active", "active", "past_due", "unpaid"])),
            "currency": "usd",
            "start_date": NOW - timedelta(days=90),
            "cancel_at_period_end": draw(st.booleans()),
            "automatic_tax": draw(st.booleans()),
            "items": [one | {"item_id": f"si_{n}"} for n, one in enumerate(found)],
            **draw(holders()),
        }
    )


customers = holders().map(BillingCustomer.model_validate)
PAID = (
    (
        "in_1",
        Invoice(
            status="paid",
            finalized_at=NOW - timedelta(days=9),
            total=12_000,
            amount_due=9_000,
            amount_paid=9_000,
            total_excluding_tax=10_000,
        ),
    ),
)


def reckoned(
    subscription: Subscription,
    policy: Policy,
    customer: BillingCustomer | None = None,
    *,
    show: bool = False,
) -> Contribution:
    beside = Beside(
        "eur",
        NOW,
        policy=policy,
        rates=RATES,
        customer=customer,
        invoices=PAID,
        show_working=show,
    )
    return subscription_mrr("sub_1", subscription, beside)


def same(one: Contribution, other: Contribution) -> bool:
    return (one.amount, one.missing, one.error) == (other.amount, other.missing, other.error)


@given(subscriptions(), customers, policies, st.randoms())
@many
def test_the_order_of_items_does_not_matter(
    subscription: Subscription, customer: BillingCustomer, policy: Policy, chance: Any
) -> None:
    shuffled = list(subscription.items)
    chance.shuffle(shuffled)
    other = subscription.model_copy(update={"items": tuple(shuffled)})
    assert same(reckoned(subscription, policy, customer), reckoned(other, policy, customer))


@given(subscriptions(), customers, policies)
@many
def test_mrr_is_never_below_zero_nor_above_the_list(
    subscription: Subscription, customer: BillingCustomer, policy: Policy
) -> None:
    found = reckoned(subscription, policy, customer, show=True)
    assert found.amount >= 0
    assert found.working is not None
    for item in found.working.items:
        before = item.list_amount
        for step in item.discounts:
            if step.before is not None and step.after is not None:
                assert step.before == before
                assert 0 <= step.after <= step.before
                before = step.after
        if item.mrr and item.factor and item.rate and before is not None:
            assert item.mrr == (before - (item.tax or 0)) * item.factor * item.rate


@given(subscriptions(), customers, policies)
@many
def test_the_working_changes_no_number(
    subscription: Subscription, customer: BillingCustomer, policy: Policy
) -> None:
    told = reckoned(subscription, policy, customer, show=True)
    assert same(reckoned(subscription, policy, customer), told)
    if told.working is not None and not told.missing:
        parts = [item.mrr for item in told.working.items if item.mrr is not None]
        assert sum(parts, Fraction(0)) == told.amount


@given(
    subscriptions(),
    st.integers(1, 100),
    st.integers(1, 100),
    amounts,
    st.sampled_from(["day", "month", "year"]),
    policies,
)
@many
def test_a_quantity_split_over_two_items_of_a_flat_price_changes_nothing(  # noqa: PLR0917
    subscription: Subscription, some: int, more: int, amount: str, interval: str, policy: Policy
) -> None:
    flat = {
        "price_id": "price_flat",
        "product": "prod_a",
        "currency": "usd",
        "unit_amount": amount,
        "recurring": {"interval": interval},
    }

    def of(*quantities: int) -> Subscription:
        rows = [
            {"item_id": f"si_flat_{n}", "quantity": quantity, "price": flat}
            for n, quantity in enumerate(quantities)
        ]
        added = Subscription.model_validate({"status": "active", "items": rows}).items
        return subscription.model_copy(update={"items": (*subscription.items, *added)})

    assert reckoned(of(some + more), policy).amount == reckoned(of(some, more), policy).amount


@given(subscriptions(), policies)
@many
def test_one_rounding_for_any_number_of_subscriptions(
    subscription: Subscription, policy: Policy
) -> None:
    third = reckoned(subscription, policy).amount / 3
    assert abs(to_minor(third * 3) - third * 3) <= Fraction(1, 2)
    assert to_minor(Fraction(Decimal("0.5"))) == 0


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.row)
def test_live_and_test_mode_are_never_mixed(shape: Shape) -> None:
    """No policy has a say: what is of the other mode never becomes an object of ours."""
    for place, one in enumerate(shape.objects):
        if "livemode" not in one:
            continue
        mixed = list(shape.objects)
        mixed[place] = one | {"livemode": not shape.livemode}
        with pytest.raises(Untranslatable) as caught:
            read(mixed, livemode=shape.livemode)
        assert caught.value.reason == "wrong_mode"


def test_no_switch_is_about_the_mode() -> None:
    assert not [name for name in SWITCHES if "live" in name or "test" in name]
    assert policy_of("plumbline") is POLICIES["plumbline"]
