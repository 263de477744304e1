"""Amounts by billing.md over the vendor's own JSON, reckoned apart from the product's code."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any, Final

Json = Mapping[str, Any]

_NO_CENTS: Final = frozenset(
    {
        *("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga"),
        *("pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"),
    }
)
_MILLS: Final = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
_PER_MONTH: Final = {
    "month": Fraction(1), "year": Fraction(1, 12), "week": Fraction(52, 12),
    "day": Fraction(365, 12),
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """Every object of an account by kind and id, and what they are reckoned with."""

    at: int
    """Epoch seconds."""
    currency: str
    days: Mapping[date, Mapping[str, str]]
    """Units for one euro, by day."""
    prices: Mapping[str, Json]
    products: Mapping[str, Json]
    coupons: Mapping[str, Json]
    discounts: Mapping[str, Json]
    tax_rates: Mapping[str, Json]

    def converted(self, amount: Fraction, source: str) -> Fraction:
        """Minor units of one currency in those of the workspace's."""
        if source == self.currency:
            return amount
        day = max(one for one in self.days if one <= datetime.fromtimestamp(self.at, UTC).date())
        table = {"EUR": "1", **self.days[day]}
        rate = Fraction(table[self.currency.upper()]) / Fraction(table[source.upper()])
        return amount * rate * Fraction(10) ** (places(self.currency) - places(source))


@dataclass
class _Line:
    item: Json
    price: Json
    left: Fraction
    per_month: Fraction


def places(currency: str) -> int:
    """Decimals of Stripe's amounts."""
    return 0 if currency in _NO_CENTS else 3 if currency in _MILLS else 2


def rounded(amount: Fraction) -> int:
    """To whole minor units, half to even."""
    return round(amount)


def takes_off(discount: Json, at: int, world: World) -> bool:
    """A discount that is in effect and recurs."""
    if discount.get("end") is not None and discount["end"] <= at:
        return False
    if discount.get("start") is not None and discount["start"] > at:
        return False
    return bool(coupon_of(discount, world)["duration"] != "once")


def coupon_of(discount: Json, world: World) -> Json:
    """What a discount takes off."""
    return world.coupons[discount["source"]["coupon"]]


def held(names: list[str], world: World) -> list[Json]:
    """Discounts in effect, of those named."""
    found = [world.discounts[name] for name in names]
    return [one for one in found if takes_off(one, world.at, world)]


def counts(subscription: Json, at: int) -> bool:
    """Whether its items count for MRR at all."""
    pause = subscription.get("pause_collection")
    if pause and (pause.get("resumes_at") is None or pause["resumes_at"] > at):
        return False
    if subscription.get("cancel_at") is not None and subscription["cancel_at"] <= at:
        return False
    return subscription["status"] in ("active", "past_due") and subscription["start_date"] <= at


def own_mrr(subscription: Json, customer: Json, world: World) -> Fraction:
    """Exact, in minor units of the subscription's currency."""
    if not counts(subscription, world.at):
        return Fraction(0)
    lines = [line for item in subscription["items"] if (line := _line(item, subscription, world))]
    for line in lines:
        _take_off([line], held(item_discounts(line.item), world), subscription, world)
    own = held(subscription.get("discounts") or [], world)
    if own:
        _take_off(lines, own, subscription, world)
    elif customer.get("discount"):
        _take_off(lines, held([customer["discount"]], world), subscription, world)
    return sum((_net(line, subscription, world) * line.per_month for line in lines), Fraction(0))


def item_discounts(item: Json) -> list[str]:
    """Their ids."""
    return list(item.get("discounts") or [])


def _line(item: Json, subscription: Json, world: World) -> _Line | None:
    price = world.prices[item["price"]]
    recurring = price["recurring"]
    if recurring["usage_type"] == "metered" or not item["quantity"]:
        return None
    amount = _listed(price, item["quantity"])
    if not amount:
        return None
    return _Line(
        item, price, amount, _PER_MONTH[recurring["interval"]] / recurring["interval_count"]
    )


def _listed(price: Json, quantity: int) -> Fraction:
    if price.get("billing_scheme") != "tiered":
        rule = price.get("transform_quantity")
        if rule:
            blocks = Fraction(quantity, rule["divide_by"])
            quantity = math.ceil(blocks) if rule["round"] == "up" else math.floor(blocks)
        return quantity * Fraction(price["unit_amount_decimal"])
    total, below = Fraction(0), 0
    for tier in price["tiers"]:
        top = tier["up_to"]
        unit, flat = Fraction(tier["unit_amount"] or 0), Fraction(tier["flat_amount"] or 0)
        if price["tiers_mode"] == "volume":
            if top is None or quantity <= top:
                return quantity * unit + flat
            continue
        within = (quantity if top is None else min(quantity, top)) - below
        if within > 0:
            total += within * unit + flat
        below = quantity if top is None else top
    return total


def _take_off(lines: list[_Line], discounts: list[Json], subscription: Json, world: World) -> None:
    coupons = [coupon_of(one, world) for one in discounts]
    for coupon in coupons:
        if coupon.get("percent_off") is not None:
            for line in _reached(lines, coupon):
                line.left *= 1 - Fraction(str(coupon["percent_off"])) / 100
    for coupon in coupons:
        if coupon.get("percent_off") is None:
            reached = [line for line in _reached(lines, coupon) if line.left > 0]
            if reached:
                _share_out(reached, Fraction(coupon["amount_off"]))


def _reached(lines: list[_Line], coupon: Json) -> list[_Line]:
    products = (coupon.get("applies_to") or {}).get("products")
    return [line for line in lines if not products or line.price["product"] in products]


def _share_out(lines: list[_Line], amount: Fraction) -> None:
    """Once per billing period, from the items billed most often, in proportion."""
    often = max(line.per_month for line in lines)
    lines = [line for line in lines if line.per_month == often]
    whole = sum(line.left for line in lines)
    for line in lines:
        line.left -= min(amount, Fraction(whole)) * line.left / whole


def _net(line: _Line, subscription: Json, world: World) -> Fraction:
    names = line.item.get("tax_rates") or subscription.get("default_tax_rates") or []
    rates = [world.tax_rates[name] for name in names]
    inside = sum(Fraction(str(one["percentage"])) / 100 for one in rates if one["inclusive"])
    return line.left / (1 + inside)
