"""What is known of a connection's catalogue beside the objects that hold parts of it.

Vendors embed prices, coupons and discounts incompletely: tiers, currency options and the products
of a coupon are listed only when asked for. What an embedded object lacks is taken from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from plumbline_schemas.catalogue import Coupon, Discount, Price, Product, TaxRate, Tier

_T = TypeVar("_T")


def _none_known() -> Mapping[str, _T]:
    return MappingProxyType({})


class Option(NamedTuple):
    """A price in one currency."""

    unit_amount: Decimal | None
    tiers: tuple[Tier, ...] | None
    tax_behavior: str | None


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Catalogue objects of one connection by vendor id, and discounts seen whole somewhere."""

    prices: Mapping[str, Price] = field(default_factory=_none_known)
    products: Mapping[str, Product] = field(default_factory=_none_known)
    coupons: Mapping[str, Coupon] = field(default_factory=_none_known)
    discounts: Mapping[str, Discount] = field(default_factory=_none_known)
    tax_rates: Mapping[str, TaxRate] = field(default_factory=_none_known)

    def whole(self, price: Price) -> Price:
        """The price, or what is known of one whose holder only says that it was deleted."""
        listed = self.prices.get(price.price_id) if price.deleted else None
        return price if listed is None or listed.deleted else listed

    def option(self, price: Price, currency: str) -> Option | None:
        """What one unit costs in `currency` (lower case); None when the price has no such option.

        `tiers` None: not known.
        """
        listed = self.prices.get(price.price_id)
        if price.currency == currency:
            tiers = price.tiers
            if tiers is None and listed is not None:
                tiers = listed.tiers
            amount = price.unit_amount
            if amount is None and listed is not None:
                amount = listed.unit_amount
            return Option(amount, tiers, price.tax_behavior)
        embedded = (price.currency_options or {}).get(currency)
        beside = None if listed is None else (listed.currency_options or {}).get(currency)
        found = embedded or beside
        if found is None:
            return None
        tiers = found.tiers if beside is None or found.tiers is not None else beside.tiers
        return Option(found.unit_amount, tiers, found.tax_behavior)

    def discount(self, discount_id: str, embedded: Mapping[str, Discount]) -> Discount | None:
        """The discount as far as it is known: as its holder embeds it, else as seen elsewhere."""
        mine, seen = embedded.get(discount_id), self.discounts.get(discount_id)
        if mine is None or seen is None:
            return mine or seen
        if mine.coupon is None:
            return seen
        if mine.coupon_object is None and mine.coupon == seen.coupon:
            return mine.model_copy(update={"coupon_object": seen.coupon_object})
        return mine

    def coupon(self, discount: Discount) -> Coupon | None:
        """The discount's coupon with the products it is for; None when it is not known.

        A coupon seen only without its products is not known: they could limit it.
        """
        embedded = discount.coupon_object
        listed = self.coupons.get(discount.coupon or "")
        if embedded is not None and embedded.applies_to is not None:
            options = None if listed is None else listed.currency_options
            if embedded.currency_options is None and options is not None:
                return embedded.model_copy(update={"currency_options": options})
            return embedded
        if listed is not None and listed.applies_to is not None:
            return listed
        return None

    def terms(self, discount: Discount) -> Coupon | None:
        """The coupon as far as it is known: enough for its duration, not for its products."""
        return discount.coupon_object or self.coupons.get(discount.coupon or "")


NOTHING_KNOWN = PriceBook()
