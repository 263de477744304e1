"""What stands beside the holders: prices, products, coupons, discounts and tax rates, by id."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from plumbline_connectors.stripe.discounts import coupon_body, discounts_of
from plumbline_connectors.stripe.prices import plan_as_price, price_body, product_body
from plumbline_connectors.stripe.reading import Fields
from plumbline_connectors.stripe.taxes import tax_rate_body
from plumbline_domain.book import PriceBook
from plumbline_schemas.catalogue import Body, Coupon, Discount, Price, Product, TaxRate

from console.explain.holders import place, said
from console.explain.objects import Found
from console.explain.trouble import BadInput

BodyT = TypeVar("BodyT", bound=Body)

_UNSAID: Final = {
    Price: (
        "tiers",
        "currency_options",
        "product",
        "product_name",
        "lookup_key",
        "nickname",
        "tax_behavior",
    ),
    Coupon: ("applies_to", "currency_options", "name"),
    Discount: ("coupon", "coupon_object", "promotion_code"),
}
"""What one rendering of an object may leave out and another says."""


def price_book(found: Iterable[Found]) -> PriceBook:
    """Everything by id; of several forms the fullest, completed by the others.

    An embedded form that can't be read is left out: its holder says so where it needs it. Raises
    BadInput for one that a file holds.
    """
    forms: dict[str, dict[str, list[Found]]] = defaultdict(lambda: defaultdict(list))
    for one in found:
        if one.id is not None:
            kind = "price" if one.kind == "plan" else one.kind
            forms[kind][one.id].append(one)
    return PriceBook(
        prices=_all(forms["price"], _price),
        products=_all(forms["product"], _product),
        coupons=_all(forms["coupon"], _coupon),
        discounts=_all(forms["discount"], _discount),
        tax_rates=_all(forms["tax_rate"], _tax_rate),
    )


def _all(forms: dict[str, list[Found]], read: Callable[[Found], BodyT | None]) -> dict[str, BodyT]:
    several = {identity: _read(same, read) for identity, same in forms.items()}
    return {identity: merged(bodies) for identity, bodies in several.items() if bodies}


def _read(same: Sequence[Found], read: Callable[[Found], BodyT | None]) -> list[BodyT]:
    """Best first: files' own before embedded ones, prices before the plans of the same id."""
    bodies = []
    for one in sorted(same, key=lambda one: (one.embedded, one.kind == "plan", -one.told_at)):
        try:
            body = read(one)
        except BadInput:
            if not one.embedded:
                raise
            continue
        if body is not None:
            bodies.append(body)
    return bodies


def merged(bodies: Sequence[BodyT]) -> BodyT:
    """The first of several forms of one object, completed by the others."""
    first = bodies[0]
    lacking = [name for name in _UNSAID.get(type(first), ()) if getattr(first, name) is None]
    update = {}
    for name in lacking:
        told = next((v for b in bodies[1:] if (v := getattr(b, name)) is not None), None)
        if told is not None:
            update[name] = told
    return first.model_copy(update=update) if update else first


def _fields(one: Found) -> Fields:
    return Fields(one.raw, place(one))


def _stub(one: Found) -> bool:
    """What is left of a deleted object says nothing."""
    return one.raw.get("deleted") is True and len(one.raw) <= len(("id", "object", "deleted")) + 1


def _price(one: Found) -> Price | None:
    if _stub(one):
        return None
    translate = plan_as_price if one.kind == "plan" else price_body
    return said(lambda: translate(_fields(one)), one)


def _product(one: Found) -> Product | None:
    return None if _stub(one) else said(lambda: product_body(_fields(one)), one)


def _coupon(one: Found) -> Coupon | None:
    raw = one.raw
    if _stub(one) or not ("percent_off" in raw or "amount_off" in raw):
        return None
    return said(lambda: coupon_body(_fields(one)), one)


def _discount(one: Found) -> Discount | None:
    """Read as a member of `discounts`, since its meaning is its holder's."""
    if one.raw.get("deleted") is True:
        return None
    holder = Fields({"id": one.id, "discounts": [one.raw]}, place(one))
    embedded = said(lambda: discounts_of(holder), one).embedded
    return embedded[0] if embedded else None


def _tax_rate(one: Found) -> TaxRate | None:
    return None if _stub(one) else said(lambda: tax_rate_body(_fields(one)), one)
