"""What one simulated account sells: products, prices of every shape, coupons, tax rates."""

import random
from collections.abc import Iterator
from typing import Any, Final

from tests.histories.vendor import Vendor

CURRENCIES: Final = ("usd", "usd", "usd", "eur", "jpy")
_INTERVALS: Final = (
    ("month", 1), ("month", 1), ("month", 1), ("year", 1), ("month", 3), ("week", 2), ("day", 45),
)  # fmt: skip
_AMOUNTS: Final = (1900, 4900, 9900, 12345, 0, 100)
_PERCENTS: Final = ("10", "25", "33.3", "50", "100")


class Catalogue:
    """Makes it, and changes what a vendor lets be changed."""

    def __init__(self, vendor: Vendor, chance: random.Random) -> None:
        self._vendor, self._random = vendor, chance
        self.products: list[str] = []
        self.prices: dict[str, list[str]] = {code: [] for code in CURRENCIES}
        self.coupons: dict[str, list[str]] = {code: [] for code in CURRENCIES}
        self.tax_rates: list[str] = []
        self._made = 0

    def open(self) -> None:
        """The first of everything."""
        for _ in range(3):
            self.products.append(self._post("products", {"name": self._word("Product")}))
        for currency in sorted(self.prices):
            for _ in range(14 if currency == "usd" else 3):
                self.add_price(currency)
            for _ in range(4):
                self.add_coupon(currency)
        for percentage, inclusive in (("20", True), ("7.5", True), ("19", False)):
            rate = {"percentage": percentage, "inclusive": inclusive, "display_name": "VAT"}
            self.tax_rates.append(self._post("tax_rates", rate))

    def objects(self) -> Iterator[tuple[str, str]]:
        """Kind and id of each."""
        named = {"product": self.products, "tax_rate": self.tax_rates}
        named["price"] = [name for names in self.prices.values() for name in names]
        named["coupon"] = [name for names in self.coupons.values() for name in names]
        for kind, names in named.items():
            yield from ((kind, name) for name in names)

    def add_price(self, currency: str) -> None:
        """A recurring price, per unit or in tiers."""
        interval, count = self._random.choice(_INTERVALS)
        recurring: dict[str, Any] = {"interval": interval, "interval_count": count}
        price: dict[str, Any] = {
            "product": self._random.choice(self.products), "currency": currency,
            "recurring": recurring, **self._names(), **self._amounts(),
        }  # fmt: skip
        if "tiers" not in price and self._random.random() < 0.1:
            recurring["usage_type"] = "metered"
        elif "tiers" not in price and self._random.random() < 0.15:
            rounding = self._random.choice(["up", "down"])
            price["transform_quantity"] = {"divide_by": 3, "round": rounding}
        self.prices[currency].append(self._post("prices", price))

    def add_coupon(self, currency: str) -> None:
        """Percent or amount; for ever, for months or once; for all products or some."""
        coupon: dict[str, Any] = {"duration": self._random.choice(["forever", "repeating", "once"])}
        if coupon["duration"] == "repeating":
            coupon["duration_in_months"] = self._random.choice([1, 2, 3, 6])
        if self._random.random() < 0.6:
            coupon["percent_off"] = self._random.choice(_PERCENTS)
        else:
            coupon |= {"amount_off": self._random.choice([500, 777, 30000]), "currency": currency}
        if self._random.random() < 0.3:
            coupon["applies_to"] = {"products": self._random.sample(self.products, 2)}
        self.coupons[currency].append(self._post("coupons", coupon))

    def change(self) -> None:
        """A name, a lookup key, a coupon taken off the shelf."""
        self._random.choice(
            [self._rename_product, self._relabel_price, self._relabel_price, self._drop_coupon]
        )()

    def _rename_product(self) -> None:
        name = self._random.choice(self.products)
        self._vendor.call("POST", f"/v1/products/{name}", {"name": self._word("Product")})

    def _relabel_price(self) -> None:
        currency = self._random.choice(CURRENCIES)
        name = self._random.choice(self.prices[currency])
        labels = {name: value or "" for name, value in self._labels().items()}
        self._vendor.call("POST", f"/v1/prices/{name}", labels)

    def _drop_coupon(self) -> None:
        currency = self._random.choice(CURRENCIES)
        name = self._random.choice(self.coupons[currency])
        self._vendor.call("DELETE", f"/v1/coupons/{name}")
        self.coupons[currency].remove(name)
        self.add_coupon(currency)

    def _labels(self) -> dict[str, str | None]:
        chosen = self._random.random()
        key = self._word("plan") if chosen < 0.4 else None
        return {"lookup_key": key, "nickname": self._word("Nick") if chosen < 0.7 else None}

    def _names(self) -> dict[str, str]:
        return {name: value for name, value in self._labels().items() if value is not None}

    def _amounts(self) -> dict[str, Any]:
        if self._random.random() < 0.2:
            tiers = [
                {"up_to": 5, "unit_amount": 1000, "flat_amount": 500},
                {"up_to": "inf", "unit_amount": 800},
            ]
            mode = self._random.choice(["graduated", "volume"])
            return {"billing_scheme": "tiered", "tiers_mode": mode, "tiers": tiers}
        if self._random.random() < 0.1:
            return {"unit_amount_decimal": "12.345"}
        return {"unit_amount": self._random.choice(_AMOUNTS)}

    def _word(self, stem: str) -> str:
        self._made += 1
        return f"{stem}-{self._made}"

    def _post(self, resource: str, params: dict[str, Any]) -> str:
        made = self._vendor.call("POST", f"/v1/{resource}", params)
        if made is None:
            raise RuntimeError(f"the simulator refuses {resource}: {params}")
        found: str = made["id"]
        return found
