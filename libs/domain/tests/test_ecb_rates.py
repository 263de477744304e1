"""The European Central Bank's CSV: both its files, and every way of being unusable."""

from datetime import date
from decimal import Decimal

import pytest
from plumbline_domain.ecb import RatesUnreadable, read_ecb


def test_the_history_ends_its_lines_in_a_comma() -> None:
    read = read_ecb(
        "Date,USD,JPY,BGN,\n2026-11-20,1.0850,160.5,N/A,\n2026-11-19,1.08,160,1.9558,\n"
    )
    assert read == {
        date(2026, 11, 20): {"usd": Decimal("1.0850"), "jpy": Decimal("160.5")},
        date(2026, 11, 19): {
            "usd": Decimal("1.08"),
            "jpy": Decimal(160),
            "bgn": Decimal("1.9558"),
        },
    }


def test_the_daily_file_names_the_month_and_has_spaces() -> None:
    read = read_ecb("Date, USD, JPY, \n20 November 2026, 1.0850, 160.5, \n")
    assert read == {date(2026, 11, 20): {"usd": Decimal("1.0850"), "jpy": Decimal("160.5")}}


def test_a_mark_at_the_start_empty_lines_and_carriage_returns_do_not_matter() -> None:
    read = read_ecb("\ufeffDate,USD\r\n\r\n2026-11-20,1.1\r\n,\r\n")
    assert read == {date(2026, 11, 20): {"usd": Decimal("1.1")}}


def test_a_row_that_ends_early_has_no_rate_for_the_rest() -> None:
    assert read_ecb("Date,USD,JPY\n2026-11-20,1.1\n") == {
        date(2026, 11, 20): {"usd": Decimal("1.1")}
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: expected the header"),
        ("USD,JPY\n1,2\n", "line 1: expected the header"),
        ("Date,USD\n", "no day with rates"),
        ("Date,US$\n2026-11-20,1\n", "line 1: 'US$' is no currency"),
        ("Date,USD,usd\n2026-11-20,1,2\n", "line 1: USD has two columns"),
        ("Date,USD\n20.11.2026,1.1\n", "line 2: '20.11.2026' is no day"),
        ("Date,USD\n2026-11-20,1.1\n2026-02-30,1.1\n", "line 3: '2026-02-30' is no day"),
        ("Date,USD\n2026-11-20,zero\n", "line 2, column USD: 'zero' is no rate"),
        ("Date,USD\n2026-11-20,0\n", "line 2, column USD: '0' is no rate above zero"),
        ("Date,USD\n2026-11-20,-1.1\n", "line 2, column USD: '-1.1' is no rate"),
        ("Date,USD\n2026-11-20,NaN\n", "line 2, column USD: 'NaN' is no rate"),
        ("Date,USD\n2026-11-20,1.1,2.2\n", "line 2: 3 values"),
        ("Date,USD\n2026-11-20,1.1\n2026-11-20,1.2\n", "line 3: 2026-11-20 stands there twice"),
    ],
)
def test_what_is_wrong_is_named_with_line_and_column(text: str, said: str) -> None:
    with pytest.raises(RatesUnreadable) as refused:
        read_ecb(text)
    assert said in str(refused.value)
