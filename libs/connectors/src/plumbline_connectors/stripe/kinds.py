"""The kinds of Stripe objects that Plumbline keeps: their observation, body and customer."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from plumbline_schemas.built import built
from plumbline_schemas.catalogue import Body
from plumbline_schemas.observations import (
    AnyObservation,
    ChargeObservation,
    CouponObservation,
    CreditNoteObservation,
    CustomerObservation,
    InvoiceObservation,
    PaymentMethodObservation,
    PriceObservation,
    ProductObservation,
    SubscriptionObservation,
    TaxRateObservation,
)

from plumbline_connectors.stripe.bodies import MetadataKeys, customer_body, subscription_body
from plumbline_connectors.stripe.discounts import coupon_body
from plumbline_connectors.stripe.invoices import invoice_body
from plumbline_connectors.stripe.payments import (
    charge_body,
    credit_note_body,
    payment_method_body,
)
from plumbline_connectors.stripe.prices import price_body, product_body
from plumbline_connectors.stripe.reading import Fields
from plumbline_connectors.stripe.taxes import tax_rate_body


class Kind(NamedTuple):
    """How one kind is said in our words."""

    name: str
    observation: Callable[..., AnyObservation]
    body: Callable[[Fields, MetadataKeys], Body]
    customers: bool = False
    """Belongs to a customer, which the object names."""
    orphans: bool = False
    """May belong to none; then it says nothing about any account."""


def _plain(body: Callable[[Fields], Body]) -> Callable[[Fields, MetadataKeys], Body]:
    return lambda obj, _: body(obj)


_PAYMENT_METHOD: Final = Kind(
    "payment_method", built(PaymentMethodObservation), _plain(payment_method_body), True, True
)
KINDS: Final[Mapping[str, Kind]] = {
    "customer": Kind("customer", built(CustomerObservation), customer_body),
    "subscription": Kind(
        "subscription", built(SubscriptionObservation), _plain(subscription_body), customers=True
    ),
    "invoice": Kind("invoice", built(InvoiceObservation), _plain(invoice_body), customers=True),
    "product": Kind("product", built(ProductObservation), _plain(product_body)),
    "price": Kind("price", built(PriceObservation), _plain(price_body)),
    "coupon": Kind("coupon", built(CouponObservation), _plain(coupon_body)),
    "tax_rate": Kind("tax_rate", built(TaxRateObservation), _plain(tax_rate_body)),
    "charge": Kind("charge", built(ChargeObservation), _plain(charge_body), True, True),
    "credit_note": Kind(
        "credit_note", built(CreditNoteObservation), _plain(credit_note_body), True
    ),
    "payment_method": _PAYMENT_METHOD,
    "card": _PAYMENT_METHOD,
    "bank_account": _PAYMENT_METHOD,
    "source": _PAYMENT_METHOD,
}
"""By the vendor's name of the object; cards and sources are payment methods to us."""

_GONE: Final = frozenset(
    {"payment_method.detached", "customer.source.deleted"}
    | {f"{kind}.deleted" for kind in KINDS if kind != "subscription"}
)


def is_deletion(event_type: str) -> bool:
    """Whether the event says that its object is gone for good.

    A subscription's `deleted` is not: it is its last state. A detached payment method can't be
    attached again.
    """
    return event_type in _GONE


def customer_of(kind: Kind, obj: Fields, previous: Mapping[str, Any] | None) -> str | None:
    """Id of the customer; None for the catalogue, for customers, and for orphans.

    Raises:
        Untranslatable: it must name its customer and does not.
    """
    if not kind.customers:
        return None
    customer = obj.ref("customer")
    if customer is None and previous is not None:
        # A payment method that was just detached names its customer no more.
        former = previous.get("customer")
        customer = former if isinstance(former, str) and former else None
    if customer is None and not kind.orphans:
        raise obj.unusable("customer", "the customer's id")
    return customer
