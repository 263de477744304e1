"""A small invented book: companies in HubSpot, customers and subscriptions in Stripe."""

import time
from dataclasses import dataclass
from typing import Any

DAY = 86_400
FIRST_COMPANY = 5_000


@dataclass(frozen=True)
class Price:
    """A price of the catalogue; `unit_amount` in cents per `interval`."""

    id: str
    unit_amount: int
    interval: str


PRICES = (
    Price("starter", 4_900, "month"),
    Price("growth", 14_000, "month"),
    Price("yearly", 150_000, "year"),
)


@dataclass(frozen=True)
class Book:
    """`customers` paying companies, then `spare` companies that wait for a customer of theirs."""

    customers: int = 80
    spare: int = 40

    def company(self, number: int) -> str:
        """The CRM's id of company `number`."""
        return str(FIRST_COMPANY + number)

    def domain(self, number: int) -> str:
        """The domain that links company `number` to its customer."""
        return f"c{number}.example"

    def companies(self) -> dict[str, str]:
        """Domain of every company by id."""
        numbers = range(self.customers + self.spare)
        return {self.company(number): self.domain(number) for number in numbers}

    def stripe_seed(self) -> dict[str, Any]:
        """Body of the Stripe simulator's `POST /control/seed`."""
        began = int(time.time()) - 9 * DAY
        return {
            "products": [{"id": "prod_chaos", "name": "Chaos"}],
            "prices": [
                {
                    "id": f"price_{price.id}", "product": "prod_chaos", "lookup_key": price.id,
                    "currency": "usd", "unit_amount": price.unit_amount,
                    "recurring": {"interval": price.interval, "interval_count": 1},
                }
                for price in PRICES
            ],
            "customers": [self._customer(number, began) for number in range(self.customers)],
        }  # fmt: skip

    def _customer(self, number: int, began: int) -> dict[str, Any]:
        price = PRICES[number % len(PRICES)]
        return {
            "id": f"cus_{number:04d}", "name": f"Customer {number}", "created": began,
            "email": f"billing@{self.domain(number)}",
            "subscriptions": [
                {"id": f"sub_{number:04d}", "price": f"price_{price.id}",
                 "quantity": 1 + number % 3, "created": began}
            ],
        }  # fmt: skip

    def hubspot_seed(self) -> dict[str, Any]:
        """Body of the HubSpot simulator's `POST /control/seed`."""
        rows = [
            {"id": company, "properties": {"name": f"Company {company}", "domain": domain}}
            for company, domain in self.companies().items()
        ]
        return {"companies": rows}
