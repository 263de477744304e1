"""Shares of several customers in one account; live and test mode apart (design 9, features P10)."""

from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from plumbline_domain.account import fold_account
from plumbline_domain.money import to_minor
from plumbline_domain.rollup import apportioned
from plumbline_domain.sighting import Catalogue
from plumbline_schemas.ids import external_key
from plumbline_schemas.money import Money


def fold(make: Any, *members: Any, **facts: Any) -> Any:
    return fold_account(members, Catalogue({}, {}), **{"currency": "eur", "at": make.at, **facts})


def paying(make: Any, vendor_id: str, amount: str, *, unit: str = "month", **facts: Any) -> Any:
    items = [make.item(unit_amount=amount, interval=unit, lookup_key=f"plan_{vendor_id}")]
    found = (make.subscription(f"sub_{vendor_id}", items=items),)
    return make.customer(f"cus_{vendor_id}", subscriptions=found, **facts)


def test_one_customers_share_is_the_account(make: Any) -> None:
    assert fold(make, paying(make, "1", "1000")).shares == ()


def test_each_ones_share_and_they_add_up(make: Any) -> None:
    members = [paying(make, f"{n}", "100", unit="year") for n in (1, 2, 3)]
    found = fold(make, *members)
    assert found.values["mrr"].value == Money(minor=25, currency="eur")
    assert [share.mrr.minor for share in found.shares] == [9, 8, 8]
    first = found.shares[0]
    assert (first.customer, first.plan) == ("acme/stripe/customer/cus_1", "plan_1")
    assert (first.payment_status, first.state, first.counted) == ("none", "active", True)


def test_a_share_that_is_not_known_leaves_the_others(make: Any) -> None:
    found = (make.subscription("sub_2", discounts=["di_9"]),)
    unknown = make.customer("cus_2", subscriptions=found)
    account = fold(make, paying(make, "1", "1000"), unknown)
    assert account.values["mrr"].keep
    assert [share.mrr for share in account.shares] == [Money(minor=1000, currency="eur"), None]


def test_test_mode_is_listed_and_never_added_to_live(make: Any) -> None:
    live, other = paying(make, "1", "1000"), paying(make, "2", "200", test_mode=True)
    found = fold(make, live, other)
    assert found.values["mrr"].value == Money(minor=1000, currency="eur")
    assert found.values["stripe_customer_id"].value == "cus_1"
    assert [(s.test_mode, s.counted, s.mrr.minor) for s in found.shares] == [
        (False, True, 1000),
        (True, False, 200),
    ]
    alone = fold(make, other, paying(make, "3", "30", test_mode=True))
    assert alone.values["mrr"].value == Money(minor=230, currency="eur")
    assert all(share.counted for share in alone.shares)


def test_a_deleted_customers_share_is_nothing(make: Any) -> None:
    gone = paying(make, "2", "200", deletion=make.sighting("cus_2"))
    gone_share = fold(make, paying(make, "1", "1000"), gone).shares[1]
    assert (gone_share.mrr, gone_share.state) == (Money(minor=0, currency="eur"), "churned")


@given(st.lists(st.fractions(min_value=0, max_value=10**9, max_denominator=365), max_size=9))
def test_apportioned_amounts_add_up_and_stay_within_one_unit(amounts: list[Fraction]) -> None:
    named = {external_key("a", "s", "customer", f"c{n}"): one for n, one in enumerate(amounts)}
    found = apportioned(named)
    assert sum(found.values()) == to_minor(sum(amounts, Fraction(0)))
    assert all(abs(found[key] - amount) < 1 for key, amount in named.items())
