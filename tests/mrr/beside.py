"""What some rows of the table lay beside their shape's objects."""

from typing import Any, Final

from plumbline_simulators.shapes.pieces import AT, DAY, coupon, discount, invoice, line

Json = dict[str, Any]

_LONG_AGO: Final = {
    "finalized_at": AT - 31 * DAY,
    "marked_uncollectible_at": None,
    "paid_at": None,
    "voided_at": None,
}

BESIDE: Final[dict[str, tuple[Json, ...]]] = {
    "usage": (invoice(6_000, [line(4_000), line(2_000)]),),
    "fetched": (discount(coupon(percent=50)),),
    "old": (
        invoice(
            id="in_0",
            status="open",
            attempted=True,
            attempt_count=4,
            created=AT - 31 * DAY,
            status_transitions=_LONG_AGO,
        ),
    ),
    "invoiced": (invoice(10_000, [line(10_000, of="price_1")]),),
}
"""By name: last month's usage in two tiers; a discount that was read; a debt of 31 days; the
invoice before a price was swapped."""
