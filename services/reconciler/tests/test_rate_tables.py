"""Which days a workspace goes by, and when a table has a new revision."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from plumbline_schemas.internal import RatesEvery
from plumbline_schemas.observations import decode_observation, encode_observation
from reconciler.rates import Days, StoredTable, in_effect, revised, tables, worth_keeping

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def on(*days: str, usd: str = "1.1") -> Days:
    return {date.fromisoformat(day): {"USD": Decimal(usd)} for day in days}


def names(days: Days) -> list[str]:
    return [day.isoformat() for day in days]


YEAR = on("2026-08-31", "2026-09-02", "2026-09-29", "2026-10-01", "2026-10-30", "2026-11-02",
          "2026-11-20")  # fmt: skip


def test_a_month_goes_by_the_last_rates_before_it_began() -> None:
    kept = worth_keeping(YEAR, "month")
    assert names(kept) == ["2026-08-31", "2026-09-29", "2026-10-30", "2026-11-20"]
    assert names(in_effect(kept, "month", date(2026, 11, 20)))[-1] == "2026-10-30"
    assert names(in_effect(kept, "month", date(2026, 11, 30)))[-1] == "2026-10-30"
    assert names(in_effect(kept, "month", date(2026, 12, 1)))[-1] == "2026-11-20"
    assert names(in_effect(kept, "month", date(2026, 11, 1)))[-1] == "2026-10-30"
    assert names(in_effect(kept, "month", date(2026, 10, 31)))[-1] == "2026-09-29"


def test_before_the_first_month_ends_the_first_rates_serve() -> None:
    days = on("2026-11-10", "2026-11-12", "2026-11-20")
    assert names(in_effect(days, "month", date(2026, 11, 20))) == ["2026-11-10"]
    assert names(in_effect(days, "month", date(2026, 12, 2))) == ["2026-11-10", "2026-11-20"]
    assert in_effect({}, "month", date(2026, 11, 20)) == {}


def test_a_day_goes_by_its_own_rates() -> None:
    assert in_effect(YEAR, "day", date(2026, 11, 20)) == YEAR


def test_months_make_one_table_and_days_one_a_year() -> None:
    days = on("2026-01-02", "2025-12-31")
    assert {name: names(held) for name, held in tables(days, "month").items()} == {
        "ecb": ["2025-12-31", "2026-01-02"]
    }
    assert {name: names(held) for name, held in tables(days, "day").items()} == {
        "ecb:2025": ["2025-12-31"],
        "ecb:2026": ["2026-01-02"],
    }


def after(
    stored: dict[str, StoredTable], days: Days, every: RatesEvery = "month", now: datetime = NOW
) -> dict[str, StoredTable]:
    return {**stored, **{table.id: table for table in revised(stored, days, every, now)}}


def test_only_other_rates_make_a_revision_and_revisions_rise() -> None:
    first = after({}, on("2026-10-30"))
    assert first["ecb"].body.revision == int(NOW.timestamp() * 1000)
    assert list(revised(first, on("2026-10-30", usd="1.10"), "month", NOW)) == []
    second = after(first, on("2026-10-30", usd="1.2"), now=NOW.replace(year=2025))
    assert second["ecb"].body.revision == first["ecb"].body.revision + 1
    assert list(revised({}, {}, "month", NOW)) == []


def test_the_table_of_another_choice_of_days_is_emptied() -> None:
    daily = after({}, on("2025-12-31", "2026-01-02"), "day")
    monthly = after(daily, on("2025-12-31"), "month")
    assert {name: names(table.body.days) for name, table in monthly.items()} == {
        "ecb": ["2025-12-31"],
        "ecb:2025": [],
        "ecb:2026": [],
    }
    assert list(revised(monthly, on("2025-12-31"), "month", NOW)) == []


@pytest.mark.parametrize("every", ["month", "day"])
def test_an_observation_of_a_table_survives_the_wire(every: RatesEvery) -> None:
    for table in revised({}, YEAR, every, NOW):
        made = table.observation("acme")
        assert made.key == f"acme/@/rates/{table.id}"
        assert made.vendor_time_ms == table.body.revision
        assert decode_observation(encode_observation(made)) == made


def test_a_table_of_thirty_years_of_months_stays_small() -> None:
    codes = [f"C{a}{b}" for a in "ABCDEF" for b in "ABCDE"]
    days = {
        date(1997 + month // 12, month % 12 + 1, 28): dict.fromkeys(codes, Decimal("1234.5678"))
        for month in range(360)
    }
    [table] = revised({}, days, "month", NOW)
    assert len(encode_observation(table.observation("acme"))) < 256 * 1024
