"""Billing periods: the calendar arithmetic of an anchor and an interval, in UTC."""

import calendar
from datetime import UTC, datetime

DAY_SECONDS = 86_400
_SECONDS = {"day": DAY_SECONDS, "week": 7 * DAY_SECONDS}
_MONTHS = {"month": 1, "year": 12}


def add_months(instant: datetime, months: int) -> datetime:
    """The same day of a later month; the last day where that month is shorter."""
    total = instant.year * 12 + instant.month - 1 + months
    year, month = divmod(total, 12)
    last_day = calendar.monthrange(year, month + 1)[1]
    return instant.replace(year=year, month=month + 1, day=min(instant.day, last_day))


def boundary(anchor: int, interval: str, count: int, number: int) -> int:
    """Epoch seconds of the `number`-th period's start counted from the anchor."""
    if interval in _SECONDS:
        return anchor + number * count * _SECONDS[interval]
    months = number * count * _MONTHS[interval]
    return int(add_months(datetime.fromtimestamp(anchor, UTC), months).timestamp())


def period_at(anchor: int, interval: str, count: int, instant: int) -> tuple[int, int]:
    """The period `[start, end)` that holds `instant`; anchored so that a 31st comes back."""
    if interval in _SECONDS:
        number = (instant - anchor) // (count * _SECONDS[interval])
    else:
        began = datetime.fromtimestamp(anchor, UTC)
        then = datetime.fromtimestamp(instant, UTC)
        months = (then.year - began.year) * 12 + then.month - began.month
        number = months // (count * _MONTHS[interval])
        if boundary(anchor, interval, count, number) > instant:
            number -= 1
    start = boundary(anchor, interval, count, number)
    return start, boundary(anchor, interval, count, number + 1)
