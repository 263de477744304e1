"""Stripe's book: rows become observations, and a list that is not given is a problem by name."""

from datetime import UTC, datetime

from plumbline_connectors.results import Page
from plumbline_connectors.stripe.translate import StripeContext
from reconciler.books import Problem, StripeBook
from reconciler.walks import STRIPE_KINDS

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class OnePage:
    """A client that gives the same page of whatever kind."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def page(self, kind: str, *, starting_after: str | None, limit: int = 100) -> Page:
        assert kind in STRIPE_KINDS
        return self._page


def book(page: Page) -> StripeBook:
    return StripeBook(OnePage(page), StripeContext("acme", "stripe", livemode=False))  # type: ignore[arg-type]


async def test_rows_and_odd_rows() -> None:
    rows = [
        {"id": "ch_1", "object": "charge", "customer": "cus_1"},
        {"id": "ch_2", "object": "charge", "customer": None},
        {"id": "ch_3", "object": "charge", "customer": "cus_1", "amount": "x"},
    ]
    page = await book(Page(rows, "ch_3", NOW)).page("charge", None)
    assert [seen.id for seen in page.observations] == ["ch_1"]
    assert [(problem.kind, problem.vendor_id) for problem in page.problems] == [("charge", "ch_3")]
    assert page.next_cursor == "ch_3"


async def test_a_list_that_is_not_given_is_a_problem_by_name() -> None:
    page = await book(Page([], None, NOW, refused="HTTP 403: no")).page("charge", None)
    assert page.problems == (Problem("charge", None, "HTTP 403: no"),)
    assert page.observations == ()
