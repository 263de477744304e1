"""The European Central Bank's CSV: every oddity of the real file, every broken one by its place."""

from datetime import date
from decimal import Decimal

import pytest
from plumbline_domain.ecb import EcbError, parse_ecb

FRIDAY, MONDAY = date(2026, 11, 20), date(2026, 11, 23)


def test_reads_days_oldest_first_whatever_their_order() -> None:
    table = parse_ecb("Date,USD,JPY,\n2026-11-23,1.1,170.5,\n2026-11-20,1.0842,170,\n")
    assert list(table) == [FRIDAY, MONDAY]
    assert table[FRIDAY] == {"USD": Decimal("1.0842"), "JPY": Decimal(170)}
    assert table[MONDAY]["USD"] == Decimal("1.1")


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffDate,USD,JPY\r\n2026-11-20,1.0842,170\r\n",
        '"Date","USD","JPY"\n"2026-11-20","1.0842","170"\n',
        "Date, USD, JPY, \n20 November 2026, 1.0842, 170, \n",
        "\n\nDate,USD,JPY\n\n2026-11-20,1.0842,170\n,,\n\n",
        "date,usd,jpy\n2026-11-20,1.0842,170",
        "Date,USD,JPY\n2026-11-20,1.0842,170\n2026-11-20,1.08420,170.0\n",
        "Date,EUR,USD,JPY\n2026-11-20,1,1.0842,170\n",
        "Date,USD,BGN,JPY\n2026-11-20,1.0842,N/A,170\n",
        "Date,USD,BGN,JPY\n2026-11-20,1.0842,,170\n2026-11-19,n/a,N/A,\n",
    ],
)
def test_takes_what_means_the_same(text: str) -> None:
    assert parse_ecb(text) == {FRIDAY: {"USD": Decimal("1.0842"), "JPY": Decimal(170)}}


def test_a_header_alone_is_a_table_without_days() -> None:
    assert parse_ecb("Date,USD\n") == {}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "line 1, column 1: found nothing"),
        ("<html>", "line 1, column 1: found '<html>'"),
        ("Date\n2026-11-20\n", "line 1: found no currency"),
        ("Date,USD,DOLLAR\n", "line 1, column 3: found 'DOLLAR'"),
        ("Date,USD,,JPY\n", "line 1, column 3: found ''"),
        ("Date,USD,usd\n", "line 1, column 3: USD is there twice"),
        ("Date,USD\n2026-02-30,1.1\n", "line 2, column Date: found '2026-02-30'"),
        ("Date,USD\n11/20/2026,1.1\n", "line 2, column Date: found '11/20/2026'"),
        ("Date,USD\n20 Brumaire 2026,1.1\n", "line 2, column Date: found '20 Brumaire 2026'"),
        ("Date,USD\n\n2026-11-20,abc\n", "line 3, column USD: found 'abc'"),
        ("Date,USD,JPY\n2026-11-20,1.1,0.00\n", "line 2, column JPY: found '0.00'"),
        ("Date,USD\n2026-11-20,-1\n", "line 2, column USD: found '-1'"),
        ("Date,USD\n2026-11-20,1e5\n", "line 2, column USD: found '1e5'"),
        ("Date,USD\n2026-11-20,NaN\n", "line 2, column USD: found 'NaN'"),
        ('Date,USD\n2026-11-20,"1,1"\n', "line 2, column USD: found '1,1'"),
        ("Date,USD,JPY\n2026-11-20,1.1\n", "line 2: found 1 cells after the date, expected 2"),
        ("Date,USD\n2026-11-20,1.1,9\n", "line 2: found 2 cells after the date, expected 1"),
        ("Date,USD\n2026-11-20,1.1\n2026-11-20,1.2\n", "line 3, column Date: 2026-11-20 is there"),
        ("Date,EUR\n2026-11-20,2\n", "line 2, column EUR: rates are for one euro"),
        ('Date,USD\n2026-11-20,"1.1\n', "line 2: no valid CSV"),
    ],
)
def test_names_line_and_column_of_what_is_wrong(text: str, where: str) -> None:
    with pytest.raises(EcbError) as caught:
        parse_ecb(text)
    assert caught.value.where.startswith(where)
    assert str(caught.value) == caught.value.where
