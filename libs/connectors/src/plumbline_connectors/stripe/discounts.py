"""Coupons and discounts in every form that Stripe has given them (vendors 1.6, 1.11).

A discount sits in `discount` (one, up to acacia) or `discounts` (ids, or objects when asked for),
its coupon in `coupon` (an object, up to basil) or `source.coupon` (an id, or an object when asked
for).
"""

from decimal import Decimal
from typing import Final, NamedTuple

from plumbline_schemas.built import built
from plumbline_schemas.catalogue import Coupon, Discount

from plumbline_connectors.stripe.prices import amount_of
from plumbline_connectors.stripe.reading import Fields

_new_coupon: Final = built(Coupon)
_new_discount: Final = built(Discount)


class Discounts(NamedTuple):
    """What one holder's own discounts are."""

    ids: tuple[str, ...]
    embedded: tuple[Discount, ...]


_NONE: Final = Discounts((), ())


def coupon_body(obj: Fields) -> Coupon:
    """A coupon, alone or inside a discount.

    `applies_to` is only sent to who asks for it: the key absent leaves open what the coupon is for,
    the key with null says that it is for every product.
    """
    options = obj.options("currency_options")
    currency = obj.text("currency")
    return _new_coupon(
        coupon_id=obj.required_text("id"),
        name=obj.text("name"),
        # Before 2019 `percent_off` was a whole number and `percent_off_precise` the truth.
        percent_off=amount_of(obj, "percent_off_precise", "percent_off"),
        amount_off=obj.decimal("amount_off"),
        currency=None if currency is None else currency.lower(),
        currency_options=None if options is None else _amounts_off(options),
        duration=obj.text("duration"),
        duration_in_months=obj.integer("duration_in_months"),
        applies_to=_applies_to(obj),
    )


def coupon_id_of(obj: Fields, beneath: str) -> str | None:
    """Id of the coupon of a discount (`beneath` = source) or promotion code (promotion)."""
    older = obj.ref("coupon")
    if older is not None:
        return older
    newer = obj.child(beneath)
    return None if newer is None else newer.ref("coupon")


def discounts_of(obj: Fields) -> Discounts:
    """The holder's discounts, each once whether it stands in `discount`, `discounts` or both."""
    raw = obj.raw
    if not raw.get("discounts") and not raw.get("discount"):
        return _NONE
    found: dict[str, Discount | None] = {}
    for entry in obj.entries("discounts"):
        _put(found, entry, obj)
    single = obj.child("discount") or obj.text("discount")
    if single is not None:
        _put(found, single, obj)
    return Discounts(tuple(found), tuple(one for one in found.values() if one is not None))


def _put(found: dict[str, Discount | None], entry: Fields | str, holder: Fields) -> None:
    if isinstance(entry, str):
        found.setdefault(entry, None)
    elif entry.raw.get("deleted") is not True:
        discount = _discount(entry, holder)
        found[discount.discount_id] = discount


def _discount(obj: Fields, holder: Fields) -> Discount:
    source = obj.child("source")
    coupon = obj.child("coupon") or (None if source is None else source.child("coupon"))
    coupon_id = coupon_id_of(obj, "source")
    return _new_discount(
        # The oldest discounts have no id of their own; each holder had one at most.
        discount_id=obj.text("id") or f"di_{holder.required_text('id')}_{coupon_id}",
        coupon=coupon_id,
        coupon_object=None if coupon is None or _is_stub(coupon) else coupon_body(coupon),
        promotion_code=obj.ref("promotion_code"),
        start=obj.time("start"),
        end=obj.time("end"),
    )


def _is_stub(coupon: Fields) -> bool:
    """Named but not told: a deleted coupon's stub, or nothing but an id."""
    raw = coupon.raw
    return raw.get("deleted") is True or not ("percent_off" in raw or "amount_off" in raw)


def _amounts_off(options: dict[str, Fields]) -> dict[str, Decimal]:
    return {
        currency.lower(): option.required_decimal("amount_off")
        for currency, option in options.items()
    }


def _applies_to(obj: Fields) -> tuple[str, ...] | None:
    if "applies_to" not in obj.raw:
        return None
    limited = obj.child("applies_to")
    if limited is None:
        return ()
    return limited.refs("products")
