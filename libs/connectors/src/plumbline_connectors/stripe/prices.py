"""Prices, and the plans that stand in their place in older shapes (vendors 1.6, 1.11)."""

from decimal import Decimal
from typing import Any, Final

from plumbline_schemas.built import built
from plumbline_schemas.catalogue import CurrencyOption, Price, Product, Recurring, Tier

from plumbline_connectors.stripe.reading import Fields

_new_currency_option: Final = built(CurrencyOption)
_new_price: Final = built(Price)
_new_product: Final = built(Product)
_new_recurring: Final = built(Recurring)
_new_tier: Final = built(Tier)

_PER_UNIT: Final = "per_unit"


def product_body(obj: Fields) -> Product:
    """A product."""
    return _new_product(name=obj.text("name"), active=obj.flag("active", default=True))


def price_body(obj: Fields) -> Price:
    """A price, alone or inside an item. Of a deleted one nothing but its id may be left."""
    if _is_stub(obj):
        return _deleted(obj)
    recurring = obj.child("recurring")
    return _new_price(
        **_common(obj, transform="transform_quantity"),
        lookup_key=obj.text("lookup_key"),
        unit_amount=_unit_amount(obj),
        currency_options=_currency_options(obj),
        recurring=None if recurring is None else _recurring(recurring),
        tax_behavior=obj.text("tax_behavior"),
    )


def plan_as_price(obj: Fields) -> Price:
    """A legacy plan: the same thing in older words, with the same id as its price."""
    if _is_stub(obj):
        return _deleted(obj)
    return _new_price(
        **_common(obj, transform="transform_usage"),
        unit_amount=amount_of(obj, "amount_decimal", "amount"),
        recurring=_recurring(obj),
    )


def amount_of(obj: Fields, exact: str, whole: str) -> Decimal | None:
    """`exact` says more than its twin `whole`, which is null for parts of a cent."""
    found = obj.decimal(exact)
    return obj.decimal(whole) if found is None else found


def price_of_item(item: Fields) -> Price:
    """The price of a subscription item, or its plan where that is all there is."""
    price = item.child("price")
    if price is not None and not _is_stub(price):
        return price_body(price)
    plan = item.child("plan")
    if plan is not None and not _is_stub(plan):
        return plan_as_price(plan)
    left = price or plan
    if left is None:
        raise item.unusable("price", "an embedded price or plan")
    return _deleted(left)


def _is_stub(obj: Fields) -> bool:
    return obj.raw.get("deleted") is True and obj.text("currency") is None


def _deleted(stub: Fields) -> Price:
    return _new_price(price_id=stub.required_text("id"), currency="", active=False, deleted=True)


def _common(obj: Fields, *, transform: str) -> dict[str, Any]:
    """What prices and plans say in the same words."""
    product = obj.child("product")
    divided = obj.child(transform)
    active = obj.flag("active", default=True)
    return {
        "price_id": obj.required_text("id"),
        "product": obj.ref("product"),
        "product_name": None if product is None else product.text("name"),
        "nickname": obj.text("nickname"),
        "currency": obj.required_text("currency").lower(),
        "billing_scheme": obj.text("billing_scheme") or _PER_UNIT,
        "tiers_mode": obj.text("tiers_mode"),
        "tiers": _tiers(obj),
        "transform_quantity": None if divided is None else _transform(divided),
        "active": active,
    }


def _unit_amount(obj: Fields) -> Decimal | None:
    return amount_of(obj, "unit_amount_decimal", "unit_amount")


def _tiers(obj: Fields) -> tuple[Tier, ...] | None:
    """None when they are not sent, which is the rule: only who asks gets them."""
    if obj.raw.get("tiers") is None:
        return None
    return tuple(
        _new_tier(
            up_to=tier.integer("up_to"),
            unit_amount=_unit_amount(tier),
            flat_amount=amount_of(tier, "flat_amount_decimal", "flat_amount"),
        )
        for tier in obj.children("tiers")
    )


def _currency_options(obj: Fields) -> dict[str, CurrencyOption] | None:
    options = obj.options("currency_options")
    if options is None:
        return None
    return {
        currency.lower(): _new_currency_option(
            unit_amount=_unit_amount(option),
            tiers=_tiers(option),
            tax_behavior=option.text("tax_behavior"),
        )
        for currency, option in options.items()
    }


def _recurring(obj: Fields) -> Recurring:
    count = obj.integer("interval_count")
    return _new_recurring(
        interval=obj.required_text("interval"),
        interval_count=1 if count is None else count,
        usage_type=obj.text("usage_type") or "licensed",
    )


def _transform(obj: Fields) -> dict[str, str | int]:
    divide_by = obj.integer("divide_by")
    if divide_by is None or divide_by <= 0:
        raise obj.unusable("divide_by", "a whole number above 0")
    return {"divide_by": divide_by, "round": obj.required_text("round")}
