"""The book of the demo: companies in HubSpot, customers in Stripe, invented, always the same.

Each customer says where it belongs (`home`): that is known from how the book was made, and is what
the demo checks Plumbline's matching against.
"""

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

_GRID: Final = len(FIRST) * len(SECOND)
_PLAIN: Final = 143
"""Customers at a company each, with nothing special about them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A price of the demo's catalogue; `unit_amount` in minor units per `interval`."""

    lookup_key: str
    product: str
    product_name: str
    unit_amount: int
    interval: str
    currency: str = "usd"

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
EURO: Final = Plan("growth_monthly_eur", "prod_growth", "Growth", 13_000, "month", "eur")
CATALOGUE: Final = (*PLANS, EURO)
BY_KEY: Final = {plan.lookup_key: plan for plan in CATALOGUE}
DAY: Final = 86_400

MARKET: Final = "9300"
AGENCY: Final = "9301"
BAKERY: Final = "9302"
CYCLES: Final = "9303"
HALCYON_DE: Final = "9304"
HALCYON_UK: Final = "9305"
HALCYON: Final = "cus_0153"
ZEPHYR: Final = "cus_0145"


@dataclass(frozen=True, slots=True)
class Company:
    """A HubSpot company of the seed."""

    id: str
    name: str
    domain: str
    phone: str | None = None


SPECIAL: Final = (
    Company(MARKET, "Sunday Market", "gmail.com"),  # a free mailbox, typed in by somebody
    Company(AGENCY, "Ledgerline Bookkeeping", "ledgerline.example"),
    Company(BAKERY, "Alder Bakery", "alderbakery.example", "+49 30 5550101"),
    Company(CYCLES, "Brook Cycles", "brookcycles.example", "+49 30 5550102"),
    Company(HALCYON_DE, "Halcyon Foods GmbH", "halcyonfoods.example"),
    Company(HALCYON_UK, "Halcyon Foods Ltd", "halcyonfoods-uk.example"),
)


@dataclass(frozen=True, slots=True)
class Customer:
    """A Stripe customer of the seed with at most one subscription.

    `home` is the company it belongs to as long as no person has said more; None: no company.
    """

    id: str
    name: str
    email: str
    home: str | None
    plan: Plan | None
    quantity: int = 1
    started_days_ago: int = 5
    crm_id: str | None = None
    phone: str | None = None


def companies() -> list[Company]:
    """Two hundred companies with a domain each, the last two share one; and the special ones."""
    made = []
    for number in range(_GRID):
        first, second = FIRST[number % len(FIRST)], SECOND[number // len(FIRST)]
        name = f"{first} {second} {LEGAL[number % len(LEGAL)]}"
        made.append(Company(str(9000 + number), name, f"{first}{second}.example".lower()))
    twin = made[-2]
    made[-1] = Company(made[-1].id, f"{twin.name} (old)", twin.domain)
    return [*made, *SPECIAL]


def customers(book: list[Company]) -> list[Customer]:
    """Most are at a company of the book; the last ones are special."""
    made = [
        _at(number, book[number], PLANS[number % len(PLANS)], quantity=1 + number % 3)
        for number in range(_PLAIN)
    ]
    return [*made, *_special(book)]


def _special(book: list[Company]) -> list[Customer]:
    """Each with what makes it hard, and where it belongs all the same."""
    starter, growth, scale, _ = PLANS
    by_id = {company.id: company for company in book}
    first, named, twin, free = by_id["9000"], by_id["9160"], by_id["9198"], by_id["9170"]
    office = f"clients@{by_id[AGENCY].domain}"
    return [
        # Personal addresses tell nothing, whatever domain a company was given.
        Customer("cus_0143", "Ida Moreau", "ida.moreau@gmail.com", None, starter),
        Customer("cus_0144", "Per Lindqvist", "per@outlook.com", None, growth),
        # Its company is made in the course of the story.
        Customer(ZEPHYR, "Zephyr Robotics", "billing@zephyrrobotics.example", None, scale),
        # The address tells nothing; the metadata names the record.
        Customer(
            "cus_0146", "Accounts payable", "ap@invoices.example", named.id, growth,
            crm_id=named.id,
        ),
        # A second customer of a company: summed, and flagged.
        Customer("cus_0147", first.name, f"emea@{first.domain}", first.id, starter),
        # Two records have the domain, one the name.
        Customer("cus_0148", twin.name, f"finance@{twin.domain}", twin.id, growth),
        Customer("cus_0149", free.name, f"hello@{free.domain}", free.id, None),
        # A bookkeeper pays for itself and for its clients, of whom two are in the CRM.
        Customer("cus_0150", by_id[AGENCY].name, "office@ledgerline.example", AGENCY, starter),
        Customer("cus_0151", "Alder Bakery", office, BAKERY, growth, phone="+49 30 5550101"),
        Customer("cus_0152", "Brook Cycles", office, CYCLES, growth, phone="+49 30 5550102"),
        # Two records fit about equally: a person is asked.
        Customer(HALCYON, "Halcyon Foods", "ap@halcyonfoods-group.example", None, scale, 2),
        Customer("cus_0154", "Cedar Optics", office, None, starter),
        Customer("cus_0155", "Dune Pottery", office, None, starter),
    ]  # fmt: skip


def _at(number: int, company: Company, plan: Plan, quantity: int) -> Customer:
    return Customer(
        id=f"cus_{number:04d}",
        name=company.name.rsplit(" ", 1)[0],
        email=f"billing@{company.domain}",
        home=company.id,
        plan=plan,
        quantity=quantity,
        started_days_ago=3 + number % 25,
    )


def stripe_seed(people: list[Customer], now: int) -> dict[str, Any]:
    """Body of the Stripe simulator's `POST /control/seed`."""
    products = {plan.product: plan.product_name for plan in CATALOGUE}
    return {
        "products": [{"id": key, "name": name} for key, name in products.items()],
        "prices": [
            {
                "id": plan.price,
                "product": plan.product,
                "lookup_key": plan.lookup_key,
                "currency": plan.currency,
                "unit_amount": plan.unit_amount,
                "recurring": {"interval": plan.interval, "interval_count": 1},
            }
            for plan in CATALOGUE
        ],
        "customers": [_stripe_customer(person, now) for person in people],
    }


def _stripe_customer(person: Customer, now: int) -> dict[str, Any]:
    started = now - person.started_days_ago * DAY
    row: dict[str, Any] = {
        "id": person.id, "name": person.name, "email": person.email, "created": started,
        "metadata": {"crm_id": person.crm_id} if person.crm_id else {},
        "subscriptions": [], "phone": person.phone,
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
            {
                "id": company.id,
                "properties": {"name": company.name, "domain": company.domain}
                | ({"phone": company.phone} if company.phone else {}),
            }
            for company in book
        ]
    }
