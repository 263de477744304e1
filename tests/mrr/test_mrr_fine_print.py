"""Every sentence of the fine print of MRR."""

import pytest
from plumbline_domain.policies import POLICIES

from tests.mrr.fine_print import FINE, Fine
from tests.mrr.reckon import number_of, read

pytestmark = pytest.mark.mrr_cases


@pytest.mark.parametrize("fine", FINE, ids=lambda fine: fine.name)
def test_a_sentence_of_the_fine_print(fine: Fine) -> None:
    account = read(fine.objects)
    expected = {"plumbline": fine.expected, **fine.others}
    for policy, value in expected.items():
        assert number_of(account, POLICIES[policy], fine.currency) == value, policy


def test_each_sentence_once() -> None:
    assert len({fine.name for fine in FINE}) == len(FINE)
