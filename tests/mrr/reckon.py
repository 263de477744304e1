"""From a shape's Stripe objects to its MRR, as production goes: translated, then reckoned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from plumbline_connectors.stripe.discounts import discounts_of
from plumbline_connectors.stripe.reading import Fields
from plumbline_connectors.stripe.translate import StripeContext, translate_object
from plumbline_domain.book import PriceBook
from plumbline_domain.money import exponent, to_minor
from plumbline_domain.mrr import Contribution, subscription_mrr
from plumbline_domain.policies import Policy
from plumbline_domain.rates import Rates
from plumbline_domain.reckoning import Beside
from plumbline_schemas.billing import BillingCustomer, Invoice, Subscription
from plumbline_schemas.catalogue import Coupon, Price, Product, TaxRate
from plumbline_simulators.shapes.catalogue import SHAPES
from plumbline_simulators.shapes.pieces import AT, STARTED

from tests.mrr.beside import BESIDE

Json = dict[str, Any]
NOW: Final = datetime.fromtimestamp(AT, UTC)
_START: Final = datetime.fromtimestamp(STARTED, UTC).date()
RATES: Final = Rates.of(
    {
        _START: {"USD": Decimal("1.20"), "JPY": Decimal(150)},
        NOW.date() - timedelta(days=1): {"USD": Decimal("1.10"), "JPY": Decimal(110)},
    }
)
"""1.20 dollars a euro when the subscriptions began, 1.10 since yesterday."""
_BY_ROW: Final = {shape.row: shape for shape in SHAPES}


@dataclass(frozen=True, slots=True)
class Account:
    """A row's objects in our words."""

    subscriptions: Mapping[str, Subscription]
    owners: Mapping[str, str]
    customers: Mapping[str, BillingCustomer]
    invoices: Mapping[str, Invoice]
    book: PriceBook


def account_of(row: str) -> Account:
    """The shape of a row such as `42+old`, with what is laid beside it."""
    name, _, more = row.partition("+")
    shape = _BY_ROW[name]
    replaced = {one["id"] for one in BESIDE.get(more, ())}
    objects = [one for one in shape.objects if one["id"] not in replaced]
    return read((*objects, *BESIDE.get(more, ())), livemode=shape.livemode)


def read(objects: Sequence[Json], *, livemode: bool = True) -> Account:
    """Stripe objects of one account in our words; whole discounts go into the book."""
    context = StripeContext("acme", "stripe", livemode=livemode)
    bodies: dict[type, dict[str, Any]] = {}
    owners = {}
    discounts = {}
    for one in objects:
        if one["object"] == "discount":
            (found,) = discounts_of(Fields({"id": "", "discounts": [one]}, "beside")).embedded
            discounts[found.discount_id] = found
            continue
        seen = translate_object(
            one, context, seen="read", origin="webhook", vendor_time_ms=AT * 1000, received_at=NOW
        )
        if seen is None or seen.body is None:
            continue
        bodies.setdefault(type(seen.body), {})[one["id"]] = seen.body
        owners[one["id"]] = one.get("customer") or ""
    book = PriceBook(
        prices=bodies.get(Price, {}),
        products=bodies.get(Product, {}),
        coupons=bodies.get(Coupon, {}),
        discounts=discounts,
        tax_rates=bodies.get(TaxRate, {}),
    )
    return Account(
        bodies.get(Subscription, {}),
        owners,
        bodies.get(BillingCustomer, {}),
        bodies.get(Invoice, {}),
        book,
    )


def contributions(
    account: Account, policy: Policy, currency: str, at: datetime = NOW
) -> list[Contribution]:
    """What each subscription of the account adds, with its working."""
    found = []
    for vendor_id, body in account.subscriptions.items():
        own = [
            (invoice_id, invoice)
            for invoice_id, invoice in account.invoices.items()
            if invoice.subscription == vendor_id
        ]
        beside = Beside(
            currency,
            at,
            policy=policy,
            rates=RATES,
            book=account.book,
            customer=account.customers.get(account.owners[vendor_id]),
            invoices=own,
            show_working=True,
        )
        found.append(subscription_mrr(vendor_id, body, beside))
    return found


def value(row: str, policy: Policy, currency: str, at: datetime = NOW) -> str:
    """The row's number in major units as the table writes it, or what is missing or wrong."""
    return number_of(account_of(row), policy, currency, at)


def number_of(account: Account, policy: Policy, currency: str, at: datetime = NOW) -> str:
    """The account's number in major units, or what is missing or wrong."""
    parts = contributions(account, policy, currency, at)
    lacking = sorted({name for part in parts for name in part.missing})
    wrong = [f"error:{part.error.name}" for part in parts if part.error is not None]
    if lacking or wrong:
        return ",".join((*lacking, *wrong))
    return major(to_minor(sum((part.amount for part in parts), Fraction(0))), currency)


def major(minor: int, currency: str) -> str:
    """Minor units in major ones with every decimal of the currency, whole amounts in cents bare."""
    places = exponent(currency)
    whole, part = divmod(minor, 10**places)
    return str(whole) if part == 0 and places < 3 else f"{whole}.{part:0{places}d}"
