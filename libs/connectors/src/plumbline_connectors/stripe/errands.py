"""Objects that Plumbline does not keep, each leading to one that it looks at in their place."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from plumbline_connectors.stripe.discounts import coupon_id_of
from plumbline_connectors.stripe.reading import Fields


class Holder(NamedTuple):
    """The object to read."""

    kind: str
    id: str


class Errand(NamedTuple):
    """Where an object leads."""

    holder: Callable[[Fields], Holder | None]
    nowhere: str
    """Why one leads nowhere, a metric label."""


def _by(kind: str, *names: str) -> Callable[[Fields], Holder | None]:
    """The holder is named in the first of these fields that is filled."""

    def find(obj: Fields) -> Holder | None:
        for name in names:
            found = obj.ref(name)
            if found is not None:
                return Holder(kind, found)
        return None

    return find


def _of_promotion_code(obj: Fields) -> Holder | None:
    coupon = coupon_id_of(obj, "promotion")
    return None if coupon is None else Holder("coupon", coupon)


def _of_discount(obj: Fields) -> Holder | None:
    """A discount can't be read by its id: who has it is read again (design 5)."""
    if obj.text("invoice") is not None or obj.text("invoice_item") is not None:
        return None
    for kind in ("subscription", "subscription_item", "customer"):
        found = obj.ref(kind)
        if found is not None:
            return Holder(kind, found)
    return None


ERRANDS: Final[Mapping[str, Errand]] = {
    "invoice_payment": Errand(_by("invoice", "invoice"), "no_invoice"),
    "refund": Errand(_by("charge", "charge"), "no_charge"),
    "promotion_code": Errand(_of_promotion_code, "no_coupon"),
    "subscription_schedule": Errand(
        _by("subscription", "subscription", "released_subscription"), "no_subscription"
    ),
    "subscription_item": Errand(_by("subscription", "subscription"), "no_subscription"),
    "tax_id": Errand(_by("customer", "customer"), "no_customer"),
    "discount": Errand(_of_discount, "no_holder"),
}
"""By the vendor's name of the object. A discount of an invoice alone is no part of any state."""
