"""Where Stripe's objects are read, and what is asked for beyond what comes unasked.

Stripe sends discounts as ids and leaves tiers, currency options and the products of a coupon out,
unless `expand` names them, at most four levels deep with the `data` of a list counted (vendors 1.7,
1.11). What lies deeper (the coupon of an item's discount) is in the catalogue.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Path(NamedTuple):
    """One kind of object."""

    path: str
    expand: tuple[str, ...] = ()
    """Of one object."""
    expand_listed: tuple[str, ...] | None = None
    """Of a list, where it is not the same; without `data.`."""
    optional: bool = False
    """A key without this permission, or a server without this list, leaves it out."""
    spare: tuple[str, ...] = ()
    """Expanded as well where the key and the server allow it."""


PATHS: Final[Mapping[str, Path]] = {
    "product": Path("/v1/products"),
    "price": Path("/v1/prices", ("tiers", "currency_options")),
    "coupon": Path("/v1/coupons", ("applies_to", "currency_options"), optional=True),
    "tax_rate": Path("/v1/tax_rates", optional=True),
    "customer": Path(
        "/v1/customers",
        ("discount.source.coupon.applies_to",),
        ("discount.source.coupon",),
        spare=("tax_ids",),
    ),
    "subscription": Path(
        "/v1/subscriptions",
        ("discounts.source.coupon.applies_to", "items.data.discounts"),
        ("discounts.source.coupon", "items.data.discounts"),
    ),
    "invoice": Path("/v1/invoices"),
    "charge": Path("/v1/charges", optional=True),
    "credit_note": Path("/v1/credit_notes", optional=True),
    "payment_method": Path("/v1/payment_methods", optional=True),
}
"""Kinds that are kept (`kinds.KINDS`)."""

SENT_ON: Final[Mapping[str, str]] = {
    "invoice_payment": "/v1/invoice_payments",
    "refund": "/v1/refunds",
    "promotion_code": "/v1/promotion_codes",
    "subscription_schedule": "/v1/subscription_schedules",
    "subscription_item": "/v1/subscription_items",
    "tax_id": "/v1/tax_ids",
}
"""Kinds that lead to another (`errands.ERRANDS`), which is what a read of them answers with."""

READABLE: Final = frozenset({*PATHS, *SENT_ON})


def expansions(kind: str, *, listed: bool, spare: bool = True) -> list[tuple[str, str]]:
    """The `expand` parameters of a read of one object or of a list; `spare` ones come last."""
    path = PATHS[kind]
    more = path.spare if spare else ()
    if not listed:
        return [("expand[]", name) for name in (*path.expand, *more)]
    names = path.expand if path.expand_listed is None else path.expand_listed
    return [("expand[]", f"data.{name}") for name in (*names, *more)]
