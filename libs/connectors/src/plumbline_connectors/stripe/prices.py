"""Prices, and the plans that stand in their place in older shapes (vendors 1.6, 1.11)."""

from decimal import Decimal
from typing import Final

from plumbline_schemas.catalogue import Price, Product, Recurring

from plumbline_connectors.stripe.reading import Fields

_PER_UNIT: Final = "per_unit"


def product_body(obj: Fields) -> Product:
    """A product."""
    return Product(name=obj.text("name"), active=obj.flag("active", default=True))


def price_body(obj: Fields) -> Price:
    """A price, alone or inside an item."""
    recurring = obj.child("recurring")
    return _price(
        obj,
        lookup_key=obj.text("lookup_key"),
        unit_amount=_first(obj.decimal("unit_amount_decimal"), obj.decimal("unit_amount")),
        transform=obj.child("transform_quantity"),
        recurring=None if recurring is None else _recurring(recurring),
        tax_behavior=obj.text("tax_behavior"),
    )


def plan_as_price(obj: Fields) -> Price:
    """A legacy plan: the same thing in older words, with the same id as its price."""
    return _price(
        obj,
        lookup_key=None,
        unit_amount=_first(obj.decimal("amount_decimal"), obj.decimal("amount")),
        transform=obj.child("transform_usage"),
        recurring=_recurring(obj),
        tax_behavior=None,
    )


def _price(
    obj: Fields,
    *,
    lookup_key: str | None,
    unit_amount: Decimal | None,
    transform: Fields | None,
    recurring: Recurring | None,
    tax_behavior: str | None,
) -> Price:
    product = obj.child("product")
    return Price(
        price_id=obj.required_text("id"),
        product=obj.ref("product"),
        product_name=None if product is None else product.text("name"),
        lookup_key=lookup_key,
        nickname=obj.text("nickname"),
        currency=obj.required_text("currency").lower(),
        unit_amount=unit_amount,
        billing_scheme=obj.text("billing_scheme") or _PER_UNIT,
        tiers_mode=obj.text("tiers_mode"),
        transform_quantity=None if transform is None else _transform(transform),
        recurring=recurring,
        tax_behavior=tax_behavior,
        active=obj.flag("active", default=True),
    )


def _recurring(obj: Fields) -> Recurring:
    count = obj.integer("interval_count")
    return Recurring(
        interval=obj.required_text("interval"),
        interval_count=1 if count is None else count,
        usage_type=obj.text("usage_type") or "licensed",
    )


def _transform(obj: Fields) -> dict[str, str | int]:
    divide_by = obj.integer("divide_by")
    if divide_by is None:
        raise obj.unusable("divide_by", "a whole number")
    return {"divide_by": divide_by, "round": obj.required_text("round")}


def _first(exact: Decimal | None, whole: Decimal | None) -> Decimal | None:
    """`*_decimal` says more than its whole-number twin, which is null for parts of a cent."""
    return whole if exact is None else exact


def price_of_item(item: Fields) -> Price:
    """The price of a subscription item, or its plan where that is all there is."""
    price = item.child("price")
    if price is not None:
        return price_body(price)
    plan = item.child("plan")
    if plan is not None:
        return plan_as_price(plan)
    raise item.unusable("price", "an embedded price or plan")
