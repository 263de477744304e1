"""Instants as JSON has them."""

from datetime import UTC, datetime


def instant_text(at: datetime) -> str:
    """ISO 8601 in UTC, such as 2026-11-20T12:00:00Z; parts of a second only when there are any."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
