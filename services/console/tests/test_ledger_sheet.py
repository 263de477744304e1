"""Reports for a spreadsheet: text of strangers stays text, amounts keep all their decimals."""

import csv
import io
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from console.ledger.amounts import major, percent, rate, shown
from console.ledger.sheet import safe, sheet
from plumbline_schemas.events import Cause
from plumbline_schemas.ids import AccountId
from plumbline_schemas.ledger_outputs import MonthMoved, MovementLine, MrrMovements
from plumbline_schemas.money import Money

AT = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)


def yen(minor: int) -> Money:
    return Money(minor=minor, currency="jpy")


def report(name: str) -> MrrMovements:
    month = MonthMoved(
        opening=yen(0), movements=[], closing=yen(1500), net_new=yen(1500),
        customers_at_opening=0, customers_at_closing=1,
        gross_churn_rate=None, net_churn_rate=None, customer_churn_rate=None,
    )  # fmt: skip
    cause = Cause(
        key="acme/stripe/subscription/sub_1", event_id="evt_1",
        event_type="customer.subscription.created", origin="webhook", vendor_time=AT,
        received_at=AT,
    )  # fmt: skip
    line = MovementLine(
        version=1, account=AccountId("acc_1"), name=name, kind="new", before=yen(0),
        after=yen(1500), amount=yen(1500), booked_at=AT, effective_at=AT, cause=cause,
    )  # fmt: skip
    return MrrMovements(
        workspace="acme", month="2026-04", timezone="Europe/Berlin", start=AT, end=AT,
        account=None, version=1, currencies=[month], lines=[line],
    )  # fmt: skip


def test_a_name_that_looks_like_a_formula_is_text() -> None:
    opening, line, closing = csv.DictReader(io.StringIO(sheet(report('=HYPERLINK("x")\n,"y"'))))
    assert line["name"] == '\'=HYPERLINK("x")\n,"y"'
    assert (opening["amount"], line["amount"], closing["amount"]) == ("0", "1500", "1500")
    assert line["booked_at"] == "2026-04-01T00:30:00+02:00"


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_every_start_of_a_formula_is_known(first: str) -> None:
    assert safe(first + "1") == f"'{first}1"
    assert safe("1" + first) == "1" + first


@pytest.mark.parametrize(
    ("money", "plain", "read"),
    [
        (Money(minor=-123456, currency="eur"), "-1234.56", "-1,234.56 EUR"),
        (Money(minor=5, currency="kwd"), "0.005", "+0.005 KWD"),
        (Money(minor=1500, currency="jpy"), "1500", "+1,500 JPY"),
        (Money(minor=0, currency="usd"), "0.00", "+0.00 USD"),
    ],
)
def test_amounts_have_their_currencys_decimals(money: Money, plain: str, read: str) -> None:
    assert major(money) == plain
    assert shown(money, signed=True) == read


def test_rates_are_rounded_half_to_even() -> None:
    assert rate(Fraction(1, 3)) == "0.333333"
    assert rate(Fraction(-1, 2_000_000)) == "0.000000"
    assert rate(Fraction(3, 2_000_000)) == "0.000002"
    assert percent("0.031250") == "3.12 %"
    assert percent(None) == "-"
