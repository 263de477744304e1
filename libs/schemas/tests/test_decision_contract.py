"""A decision names what it needs and nothing else, and is known by its subject."""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from plumbline_schemas.decisions import decision_key, subject_of
from plumbline_schemas.internal import Decision, DecisionAction
from pydantic import ValidationError

CUSTOMER = "acme/stripe/customer/cus_1"
RECORD = "acme/hubspot/company/9"
BOTH = ("link", "not_this", "subsidiary", "unlink", "cannot_link")
ALONE = ("create", "agency", "keep_merged", "pick_winner")
AT = datetime(2026, 9, 21, tzinfo=UTC)


def decision(action: str, **named: Any) -> Decision:
    return Decision.model_validate({"action": action, "decided_at": AT} | named)


def test_every_action_is_covered_here() -> None:
    rest = {"split", "not_duplicate", "approve_plan"}
    assert {*BOTH, *ALONE, *rest} == set(get_args(DecisionAction))


@pytest.mark.parametrize("action", [*BOTH, *ALONE, "split"])
def test_all_but_the_plan_name_a_customer(action: str) -> None:
    with pytest.raises(ValidationError, match=f"{action} must name a customer"):
        decision(action, record=RECORD)


@pytest.mark.parametrize("action", BOTH)
def test_what_is_about_a_pair_names_a_record(action: str) -> None:
    with pytest.raises(ValidationError, match=f"{action} must name a record"):
        decision(action, customer=CUSTOMER)
    assert decision(action, customer=CUSTOMER, record=RECORD).record == RECORD


@pytest.mark.parametrize("action", ALONE)
def test_what_is_about_a_customer_alone_names_no_record(action: str) -> None:
    with pytest.raises(ValidationError, match=f"{action} names a customer and no record"):
        decision(action, customer=CUSTOMER, record=RECORD)
    assert decision(action, customer=CUSTOMER).customer == CUSTOMER


def test_a_split_may_name_the_record_that_is_left() -> None:
    assert decision("split", customer=CUSTOMER).record is None
    assert decision("split", customer=CUSTOMER, record=RECORD).record == RECORD


@pytest.mark.parametrize(
    "named", [{"customer": CUSTOMER}, {"record": RECORD}, {"withdrawn": True}], ids=str
)
def test_a_plans_approval_names_nothing_and_stands(named: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="approve_plan names no customer"):
        decision("approve_plan", **named)


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ({"customer": "cus_1", "record": RECORD}, "not an external key: 'cus_1'"),
        ({"customer": RECORD, "record": RECORD}, "the customer must be the key of a customer"),
        ({"customer": CUSTOMER, "record": CUSTOMER}, "must be the key of a company or contact"),
        (
            {"customer": CUSTOMER, "record": "other/hubspot/company/9"},
            "of different workspaces",
        ),
    ],
    ids=["no key", "a company as customer", "a customer as record", "another workspace"],
)
def test_a_wrong_key_is_named(named: dict[str, str], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        decision("link", **named)


def test_two_customers_may_be_kept_apart_but_not_one_from_itself() -> None:
    other = "acme/stripe/customer/cus_2"
    assert decision("cannot_link", customer=CUSTOMER, record=other).record == other
    with pytest.raises(ValidationError, match="twice"):
        decision("cannot_link", customer=CUSTOMER, record=CUSTOMER)


@pytest.mark.parametrize("action", ["link", "subsidiary", "unlink", "split"])
def test_one_decision_stands_for_a_customer(action: str) -> None:
    found = decision(action, customer=CUSTOMER, record=RECORD)
    assert subject_of(found) == "match:stripe/customer/cus_1"
    assert decision_key("acme", found) == "acme/@/decision/match:stripe/customer/cus_1"


@pytest.mark.parametrize("action", ALONE)
def test_one_decision_stands_for_a_customer_alone(action: str) -> None:
    assert subject_of(decision(action, customer=CUSTOMER)) == "match:stripe/customer/cus_1"


@pytest.mark.parametrize("action", ["not_this", "cannot_link"])
def test_a_customer_is_kept_from_many_records(action: str) -> None:
    first = decision(action, customer=CUSTOMER, record=RECORD)
    second = decision(action, customer=CUSTOMER, record="acme/hubspot/company/8")
    assert subject_of(first) == "pair:stripe/customer/cus_1|hubspot/company/9"
    assert subject_of(second) != subject_of(first)


def test_a_pair_of_customers_has_one_subject() -> None:
    one, two = CUSTOMER, "acme/stripe/customer/cus_2"
    forth = decision("cannot_link", customer=one, record=two)
    back = decision("cannot_link", customer=two, record=one)
    assert (
        subject_of(forth) == subject_of(back) == "pair:stripe/customer/cus_1|stripe/customer/cus_2"
    )


@pytest.mark.parametrize(
    ("role", "one", "other"),
    [
        ("customer", CUSTOMER, "acme/stripe/customer/cus_2"),
        ("record", RECORD, "acme/hubspot/company/8"),
    ],
)
def test_two_that_are_no_duplicates_have_one_subject(role: str, one: str, other: str) -> None:
    forth = decision("not_duplicate", **{role: one, "other": other})
    back = decision("not_duplicate", **{role: other, "other": one})
    assert subject_of(forth) == subject_of(back)
    assert subject_of(forth).startswith("apart:")


@pytest.mark.parametrize(
    "named",
    [
        {"customer": CUSTOMER},
        {"other": RECORD},
        {"customer": CUSTOMER, "record": RECORD, "other": RECORD},
        {"customer": CUSTOMER, "other": RECORD},
        {"record": RECORD, "other": RECORD},
    ],
    ids=["one alone", "the other alone", "three", "of two kinds", "itself"],
)
def test_what_is_no_pair_of_duplicates_is_refused(named: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"another one|must be the key of|twice"):
        decision("not_duplicate", **named)


def test_only_duplicates_have_another_key() -> None:
    with pytest.raises(ValidationError, match="link names no other key"):
        decision("link", customer=CUSTOMER, record=RECORD, other=RECORD)


def test_only_what_answers_a_guess_keeps_its_probability() -> None:
    assert decision("link", customer=CUSTOMER, record=RECORD, probability=0.8).probability == 0.8
    with pytest.raises(ValidationError, match="agency answers no guess"):
        decision("agency", customer=CUSTOMER, probability=0.8)
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        decision("create", customer=CUSTOMER, probability=80)


def test_a_withdrawal_has_the_subject_of_what_it_takes_back() -> None:
    made = decision("link", customer=CUSTOMER, record=RECORD)
    assert subject_of(made.model_copy(update={"withdrawn": True})) == subject_of(made)


def test_the_plans_approval_keeps_its_subject() -> None:
    assert subject_of(decision("approve_plan")) == "first_write"
