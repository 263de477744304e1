"""Products and prices."""

from decimal import Decimal
from typing import Any

from plumbline_simulators.stripe import params as read
from plumbline_simulators.stripe.errors import StripeError, invalid, required
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.store import Query, Record

INTERVALS = ("day", "week", "month", "year")


def set_texts(record: Record, params: Params, *names: str) -> None:
    for name in names:
        if name in params:
            record[name] = read.text(params, name)


def new_id(ledger: Ledger, params: Params, prefix: str) -> str:
    """The id asked for, which must be free, or the next one."""
    given = read.text(params, "id")
    if given is None:
        return ledger.ids.next(prefix)
    if ledger.store.kind_of(given) is not None:
        raise StripeError(
            400, f"An object with id {given} already exists.", code="resource_already_exists"
        )
    return given


def create_product(ledger: Ledger, params: Params) -> Record:
    now = ledger.now()
    record: Record = {
        "object": "product",
        "name": read.needed(params, "name"),
        "id": new_id(ledger, params, "prod"),
        "created": now,
        "updated": now,
        "active": read.boolean(params, "active") is not False,
        "metadata": read.merged_metadata({}, params),
    }
    set_texts(record, params, "description", "statement_descriptor", "unit_label", "url")
    ledger.create(record, "product.created")
    if "default_price_data" in params:
        data = {**read.mapping(params, "default_price_data"), "product": record["id"]}
        price = create_price(ledger, data)
        record = ledger.update(record, {**record, "default_price": price["id"]}, "product.updated")
    return record


def update_product(ledger: Ledger, product_id: str, params: Params) -> Record:
    before = ledger.get("product", product_id)
    after = {**before, "updated": ledger.now()}
    set_texts(after, params, "name", "description", "statement_descriptor", "unit_label", "url")
    if (active := read.boolean(params, "active")) is not None:
        after["active"] = active
    if (price := read.text(params, "default_price")) is not None:
        ledger.get("price", price, param="default_price", status=400)
        after["default_price"] = price
    after["metadata"] = read.merged_metadata(before["metadata"], params)
    return ledger.update(before, after, "product.updated")


def delete_product(ledger: Ledger, product_id: str) -> Record:
    record = ledger.get("product", product_id)
    condition = ("json_extract(data, '$.product') = ?",)
    priced = ledger.store.page(Query("price", 1, condition, (product_id,)))
    if priced.records:
        message = "This product cannot be deleted because it has one or more user-created prices."
        raise StripeError(400, message)
    ledger.delete(record, "product.deleted")
    return {"id": product_id, "object": "product", "deleted": True}


def create_price(ledger: Ledger, params: Params) -> Record:
    record: Record = {
        "object": "price",
        "currency": read.needed(params, "currency").lower(),
        "product": _product_of(ledger, params),
        "id": new_id(ledger, params, "price"),
        "created": ledger.now(),
        "active": read.boolean(params, "active") is not False,
        "recurring": _recurring(params),
        "metadata": read.merged_metadata({}, params),
        **_amounts(params),
    }
    if "currency_options" in params:
        record["currency_options"] = _currency_options(params)
    record["type"] = "recurring" if record["recurring"] else "one_time"
    set_texts(record, params, "nickname", "lookup_key", "tax_behavior")
    if record.get("tax_behavior") is None:
        record["tax_behavior"] = "unspecified"
    if "transform_quantity" in params:
        rule = read.mapping(params, "transform_quantity")
        record["transform_quantity"] = {
            "divide_by": read.integer(rule, "divide_by", at_least=1),
            "round": read.choice(rule, "round", ("up", "down")),
        }
    return ledger.create(record, "price.created")


def update_price(ledger: Ledger, price_id: str, params: Params) -> Record:
    before = ledger.get("price", price_id)
    after = dict(before)
    set_texts(after, params, "nickname", "lookup_key", "tax_behavior")
    if (active := read.boolean(params, "active")) is not None:
        after["active"] = active
    if "currency_options" in params:
        kept = before.get("currency_options") or {}
        after["currency_options"] = {**kept, **_currency_options(params)}
    after["metadata"] = read.merged_metadata(before["metadata"], params)
    return ledger.update(before, after, "price.updated")


def _product_of(ledger: Ledger, params: Params) -> str:
    if "product_data" in params:
        product: str = create_product(ledger, read.mapping(params, "product_data"))["id"]
        return product
    name = read.needed(params, "product")
    ledger.get("product", name, param="product", status=400)
    return name


def _recurring(params: Params) -> Record | None:
    if "recurring" not in params:
        return None
    given = read.mapping(params, "recurring")
    interval = read.choice(given, "interval", INTERVALS)
    if interval is None:
        raise required("recurring[interval]")
    return {
        "interval": interval,
        "interval_count": read.integer(given, "interval_count", at_least=1) or 1,
        "meter": read.text(given, "meter"),
        "trial_period_days": None,
        "usage_type": read.choice(given, "usage_type", ("licensed", "metered")) or "licensed",
    }


def _amounts(params: Params) -> dict[str, Any]:
    scheme = read.choice(params, "billing_scheme", ("per_unit", "tiered")) or "per_unit"
    if scheme == "tiered":
        tiers = [_tier(tier) for tier in read.sequence(params, "tiers")]
        mode = read.choice(params, "tiers_mode", ("graduated", "volume"))
        if not tiers or mode is None:
            raise required("tiers" if not tiers else "tiers_mode")
        if tiers[-1]["up_to"] is not None:
            raise invalid("tiers", "The last tier must have up_to `inf`.")
        return {"billing_scheme": scheme, "tiers": tiers, "tiers_mode": mode}
    unit, exact = unit_amount(params, "unit_amount")
    if exact is None:
        raise required("unit_amount")
    return {"billing_scheme": scheme, "unit_amount": unit, "unit_amount_decimal": exact}


def _currency_options(params: Params) -> dict[str, Record]:
    """What the price is in further currencies."""
    found: dict[str, Record] = {}
    for currency, option in read.mapping(params, "currency_options").items():
        unit, exact = unit_amount(option, "unit_amount")
        tiers = [_tier(tier) for tier in read.sequence(option, "tiers")]
        found[currency.lower()] = {
            "custom_unit_amount": None,
            "tax_behavior": read.text(option, "tax_behavior") or "unspecified",
            "unit_amount": unit,
            "unit_amount_decimal": exact,
            **({"tiers": tiers} if tiers else {}),
        }
    return found


def unit_amount(params: Params, name: str) -> tuple[int | None, str | None]:
    """The integer (null when not whole) and the decimal string of an amount."""
    whole = read.integer(params, name)
    exact = read.decimal(params, f"{name}_decimal")
    if whole is not None and exact is not None:
        raise invalid(name, f"You may only specify one of {name}, {name}_decimal.")
    if whole is not None:
        return whole, str(whole)
    if exact is None:
        return None, None
    text = format(exact.normalize(), "f")
    return (int(exact) if exact == exact.to_integral_value() else None), text


def _tier(tier: Params) -> Record:
    up_to = read.needed(tier, "up_to")
    unit, exact = unit_amount(tier, "unit_amount")
    flat = read.integer(tier, "flat_amount")
    return {
        "up_to": None if up_to == "inf" else read.integer(tier, "up_to", at_least=1),
        "unit_amount": unit,
        "unit_amount_decimal": exact,
        "flat_amount": flat,
        "flat_amount_decimal": None if flat is None else str(Decimal(flat)),
    }
