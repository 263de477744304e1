"""The book of the demo: companies in HubSpot, customers in Stripe, invented, always the same."""

from dataclasses import dataclass
from typing import Any, Final

FIRST: Final = (
    "Amber", "Birch", "Cobalt", "Delta", "Ember", "Fjord", "Granite", "Harbour", "Indigo",
    "Juniper", "Kestrel", "Lumen", "Marble", "Nimbus", "Orchard", "Pioneer", "Quarry", "Rowan",
    "Saffron", "Tundra",
)  # fmt: skip
SECOND: Final = (
    "Analytics", "Biotech", "Capital", "Dental", "Energy", "Freight", "Games", "Health",
    "Insurance", "Labs",
)  # fmt: skip
LEGAL: Final = ("Inc.", "GmbH", "Ltd", "LLC", "B.V.")

COMPANIES: Final = len(FIRST) * len(SECOND)
CUSTOMERS: Final = 150


@dataclass(frozen=True, slots=True)
class Plan:
    """A price of the demo's catalogue; `unit_amount` in cents per `interval`."""

    lookup_key: str
    product: str
    product_name: str
    unit_amount: int
    interval: str

    @property
    def price(self) -> str:
        """Id of the price in the simulator."""
        return f"price_{self.lookup_key}"


PLANS: Final = (
    Plan("starter_monthly", "prod_starter", "Starter", 4_900, "month"),
    Plan("growth_monthly", "prod_growth", "Growth", 14_000, "month"),
    Plan("scale_monthly", "prod_scale", "Scale", 49_000, "month"),
    Plan("growth_yearly", "prod_growth", "Growth", 150_000, "year"),
)
BY_KEY: Final = {plan.lookup_key: plan for plan in PLANS}
DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Company:
    """A HubSpot company of the seed."""

    id: str
    name: str
    domain: str


@dataclass(frozen=True, slots=True)
class Customer:
    """A Stripe customer of the seed with at most one subscription."""

    id: str
    name: str
    email: str
    plan: Plan | None
    quantity: int
    started_days_ago: int
    crm_id: str | None = None


def companies() -> list[Company]:
    """Two hundred companies with a domain each; the last two share one."""
    made = []
    for number in range(COMPANIES):
        first, second = FIRST[number % len(FIRST)], SECOND[number // len(FIRST)]
        name = f"{first} {second} {LEGAL[number % len(LEGAL)]}"
        made.append(Company(str(9000 + number), name, f"{first}{second}.example".lower()))
    twin = made[-2]
    made[-1] = Company(made[-1].id, f"{twin.name} (old)", twin.domain)
    return made


def customers(book: list[Company]) -> list[Customer]:
    """A hundred and fifty customers; most are at a company of the book, some are not.

    The last ones are special: a personal address, a domain that is in no CRM, an address that says
    nothing but metadata that names the record, a second customer of a company, a shared domain.
    """
    made = []
    for number in range(CUSTOMERS - 7):
        company = book[number]
        made.append(_at(number, company, PLANS[number % len(PLANS)], quantity=1 + number % 3))
    last = CUSTOMERS - 7
    made += [
        _customer(last, "Ida Moreau", "ida.moreau@gmail.com", PLANS[0]),
        _customer(last + 1, "Per Lindqvist", "per@outlook.com", PLANS[1]),
        _customer(last + 2, "Zephyr Robotics", "billing@zephyrrobotics.example", PLANS[2]),
        _customer(
            last + 3, "Accounts payable", "ap@invoices.example", PLANS[1], crm_id=book[160].id
        ),
        _customer(last + 4, book[0].name, f"emea@{book[0].domain}", PLANS[0]),
        _customer(last + 5, book[-2].name, f"finance@{book[-2].domain}", PLANS[1]),
        _customer(last + 6, book[170].name, f"hello@{book[170].domain}", None),
    ]
    return made


def _at(number: int, company: Company, plan: Plan, quantity: int) -> Customer:
    return Customer(
        id=f"cus_{number:04d}",
        name=company.name.rsplit(" ", 1)[0],
        email=f"billing@{company.domain}",
        plan=plan,
        quantity=quantity,
        started_days_ago=3 + number % 25,
    )


def _customer(
    number: int, name: str, email: str, plan: Plan | None, crm_id: str | None = None
) -> Customer:
    return Customer(f"cus_{number:04d}", name, email, plan, 1, 5, crm_id)


def stripe_seed(people: list[Customer], now: int) -> dict[str, Any]:
    """Body of the Stripe simulator's `POST /control/seed`."""
    products = {plan.product: plan.product_name for plan in PLANS}
    return {
        "products": [{"id": key, "name": name} for key, name in products.items()],
        "prices": [
            {
                "id": plan.price,
                "product": plan.product,
                "lookup_key": plan.lookup_key,
                "currency": "usd",
                "unit_amount": plan.unit_amount,
                "recurring": {"interval": plan.interval, "interval_count": 1},
            }
            for plan in PLANS
        ],
        "customers": [_stripe_customer(person, now) for person in people],
    }


def _stripe_customer(person: Customer, now: int) -> dict[str, Any]:
    started = now - person.started_days_ago * DAY
    row: dict[str, Any] = {
        "id": person.id, "name": person.name, "email": person.email, "created": started,
        "metadata": {"crm_id": person.crm_id} if person.crm_id else {},
        "subscriptions": [],
    }  # fmt: skip
    if person.plan is not None:
        row["subscriptions"] = [
            {
                "id": f"sub_{person.id[4:]}",
                "price": person.plan.price,
                "quantity": person.quantity,
                "created": started,
            }
        ]
    return row


def hubspot_seed(book: list[Company]) -> dict[str, Any]:
    """Body of the HubSpot simulator's `POST /control/seed`."""
    return {
        "companies": [
            {"id": company.id, "properties": {"name": company.name, "domain": company.domain}}
            for company in book
        ]
    }
