"""Which exchange rates a workspace goes by, pure: days kept, days in effect, tables of days."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from plumbline_schemas.ids import OWN
from plumbline_schemas.internal import RatesEvery, RateTable
from plumbline_schemas.observations import RatesObservation

Days = Mapping[date, Mapping[str, Decimal]]
"""Units of each currency for one euro, by day."""

GRACE: Final = timedelta(days=7)
TABLE: Final = "ecb"
"""Name of the table; one of a year has the year behind it."""


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table as its newest revision holds it, published or about to be."""

    id: str
    body: RateTable
    received_at: datetime
    published: bool = False

    def observation(self, workspace: str) -> RatesObservation:
        """The same to the byte whenever it is made, so that publishing twice is no news."""
        return RatesObservation(
            workspace=workspace,
            connection=OWN,
            id=self.id,
            vendor_time_ms=self.body.revision,
            seen="read",
            origin="reconcile",
            received_at=self.received_at,
            body=self.body,
        )


def fresh_since(every: RatesEvery, today: date) -> date:
    """The day that the newest rates must at least be of, for those of `today` to be right.

    A week's grace: the bank tells no rates over holidays. With `month` what counts is the last day
    before the month began.
    """
    return (today.replace(day=1) if every == "month" else today) - GRACE


def worth_keeping(days: Days, every: RatesEvery) -> dict[date, Mapping[str, Decimal]]:
    """What may be in effect some day: with `month` the last of each month, and the first of all.

    The first of all is what there is for the time before the first month ends.
    """
    ordered = sorted(days)
    if every == "month" and ordered:
        last = {(day.year, day.month): day for day in ordered}
        ordered = sorted({ordered[0], *last.values()})
    return {day: days[day] for day in ordered}


def in_effect(days: Days, every: RatesEvery, today: date) -> dict[date, Mapping[str, Decimal]]:
    """Days a workspace goes by on `today` (UTC).

    With `month` a month goes by the last rates before it began, so the rates of a month that is
    not over yet wait; only the first of all serves at once.
    """
    kept = worth_keeping(days, every)
    if every == "day":
        return kept
    month = today.replace(day=1)
    first = next(iter(kept), None)
    return {day: rates for day, rates in kept.items() if day < month or day == first}


def tables(days: Days, every: RatesEvery) -> dict[str, dict[date, dict[str, Decimal]]]:
    """Days by the name of their table: one for all months, or one a year for single days."""
    found: defaultdict[str, dict[date, dict[str, Decimal]]] = defaultdict(dict)
    for day in sorted(days):
        name = TABLE if every == "month" else f"{TABLE}:{day.year:04}"
        found[name][day] = dict(sorted(days[day].items()))
    return dict(found)


def revised(
    stored: Mapping[str, StoredTable], days: Days, every: RatesEvery, now: datetime
) -> Iterator[StoredTable]:
    """A new revision of each table that holds other rates than the stored one, by name.

    A table no day belongs to any more is emptied. Revisions go by the clock, yet always up.
    """
    wanted = tables(days, every)
    for name in sorted({*wanted, *stored}):
        known = stored.get(name)
        held = wanted.get(name, {})
        if held == (known.body.days if known is not None else {}):
            continue
        last = known.body.revision if known is not None else 0
        revision = max(int(now.timestamp() * 1000), last + 1)
        body = RateTable(source=TABLE, revision=revision, every=every, days=held)
        yield StoredTable(name, body, now)
