"""The demo's exchange rates, as the European Central Bank's CSV has them."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from console.demo.truth import DOLLARS

_BEFORE, _AHEAD = 70, 365
"""Days around today: the story's clock runs months ahead."""


def write_rates(folder: Path, today: date) -> Path:
    """One rate for every day, so that no step moves another's value; returns the file's path."""
    dollars = Decimal(DOLLARS["eur"].numerator) / Decimal(DOLLARS["eur"].denominator)
    days = (today + timedelta(days=ahead) for ahead in range(-_BEFORE, _AHEAD))
    rows = "".join(f"{day.isoformat()},{dollars}\n" for day in days)
    path = folder / "rates.csv"
    path.write_text("Date,USD\n" + rows, encoding="utf-8")
    return path
