"""Every row of the table of cases under every policy."""

import pytest
from plumbline_domain.policies import POLICIES
from plumbline_simulators.shapes.catalogue import SHAPES

from tests.mrr.mutants import broken_rule, rows
from tests.mrr.mutated import RULES, Mutant
from tests.mrr.reckon import account_of, contributions, value
from tests.mrr.table import PAIRS, Pair

pytestmark = pytest.mark.mrr_cases
STATED = [pair for pair in PAIRS if pair.stated]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.id)
def test_a_row_under_a_policy(pair: Pair) -> None:
    assert value(pair.row, POLICIES[pair.policy], pair.currency) == pair.expected


def test_the_table_holds_every_shape_and_all_stated_values() -> None:
    assert {pair.row.partition("+")[0] for pair in PAIRS} == {shape.row for shape in SHAPES}
    rows = {(int(pair.row.partition("+")[0].rstrip("abcdefgh")), pair.policy) for pair in STATED}
    assert len(rows) >= 261
    print(f"\n{len(STATED)} stated values in {len(PAIRS)} pairs of shape and policy")


@pytest.mark.parametrize("pair", [one for one in PAIRS if not one.stated], ids=lambda one: one.id)
def test_what_a_vendor_does_not_state_is_as_plumbline_does(pair: Pair) -> None:
    assert value(pair.row, POLICIES[pair.policy], pair.currency) == value(
        pair.row, POLICIES["plumbline"], pair.currency
    )


@pytest.mark.parametrize(
    ("row", "policy", "assumed"),
    [
        ("6", "stripe_default", "interval.week"),
        ("9", "chartmogul", "interval.day"),
        ("15", "baremetrics", "metered"),
        ("17", "baremetrics", "price.graduated"),
        ("18", "profitwell", "price.volume"),
        ("20", "profitwell", "price.transform_quantity"),
        ("34", "profitwell", "discount.other_product"),
        ("35a", "baremetrics", "customer_discounts"),
        ("38", "baremetrics", "subscription.trialing"),
        ("39", "chartmogul", "subscription.paused"),
        ("44", "baremetrics", "planned_cancellation"),
        ("47a", "baremetrics", "collection_paused"),
        ("48", "baremetrics", "first_invoice"),
        ("51a", "baremetrics", "tax.inclusive"),
        ("57+invoiced", "profitwell", "plan_changes"),
        ("59", "chartmogul", "credits"),
        ("61", "baremetrics", "subscription.not_started"),
    ],
)
def test_the_working_says_what_is_assumed(row: str, policy: str, assumed: str) -> None:
    def said(name: str) -> set[str]:
        parts = contributions(account_of(row), POLICIES[name], "usd")
        return {one for part in parts if part.working for one in part.working.assumed}

    assert assumed in said(policy)
    assert not said("plumbline")


@pytest.mark.parametrize("mutant", RULES, ids=lambda mutant: mutant.name)
def test_a_broken_rule_is_noticed(mutant: Mutant) -> None:
    """`make mrr-mutants` does the same for every switch, and prints what notices."""
    with broken_rule(mutant):
        assert any(row.notices(POLICIES[row.policy]) for row in rows())
    assert not any(row.notices(POLICIES[row.policy]) for row in rows())
