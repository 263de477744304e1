"""What an object's meaning depends on beside itself (design 5: the catalogue is observed).

Stored with the object, so that a change of the catalogue finds whom to fold again. Besides keys of
catalogue objects there are marks: exchange rates, and the subscription's own invoices.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from plumbline_domain.policies import Policy
from plumbline_schemas.billing import BillingCustomer, Subscription
from plumbline_schemas.catalogue import Discount, Price, TaxRate
from plumbline_schemas.ids import ExternalKey

DISCOUNT: Final = "discount"
"""Discounts as some holder embedded them; the vendor has no way to ask for one."""
COUPON_TOLD: Final = "coupon_told"
PRICE_TOLD: Final = "price_told"
"""Coupons and prices as last told with what the vendor lists only when asked."""
TAX_IDS_TOLD: Final = "tax_ids_told"
"""A customer's tax ids as a read last told them: no event does."""


def tax_ids_key(customer: ExternalKey) -> ExternalKey:
    """Where a customer's tax ids are kept."""
    workspace, connection, _, vendor_id = customer.split("/", 3)
    return ExternalKey(f"{workspace}/{connection}/{TAX_IDS_TOLD}/{vendor_id}")


def catalogue_needs(
    key: ExternalKey, body: Subscription | BillingCustomer | None
) -> set[ExternalKey]:
    """Catalogue objects that the body itself names."""
    if body is None:
        return set()
    workspace, connection, _ = key.split("/", 2)
    place = f"{workspace}/{connection}"
    keys: set[ExternalKey] = set()
    if body.discounts or body.discount_objects:
        keys.update(_of_discounts(place, body.discounts, body.discount_objects))
    if isinstance(body, Subscription):
        if body.default_tax_rates:
            keys.update(_of_tax_rates(place, body.default_tax_rates))
        for item in body.items:
            keys.update(_of_price(place, item.price, body.currency))
            if item.discounts or item.discount_objects:
                keys.update(_of_discounts(place, item.discounts, item.discount_objects))
            if item.tax_rates:
                keys.update(_of_tax_rates(place, item.tax_rates))
    return keys


def _of_price(place: str, price: Price, currency: str | None) -> Iterator[ExternalKey]:
    yield ExternalKey(f"{place}/price/{price.price_id}")
    if price.product:
        yield ExternalKey(f"{place}/product/{price.product}")
    tiered = price.billing_scheme == "tiered" or price.tiers_mode is not None
    if (tiered and price.tiers is None) or (currency and price.currency != currency):
        yield ExternalKey(f"{place}/{PRICE_TOLD}/{price.price_id}")


def _of_discounts(
    place: str, ids: Iterable[str], embedded: Iterable[Discount]
) -> Iterator[ExternalKey]:
    for discount_id in {*ids, *(one.discount_id for one in embedded)}:
        yield ExternalKey(f"{place}/{DISCOUNT}/{discount_id}")
    for one in embedded:
        yield from coupon_needs(place, one.coupon)


def coupon_needs(place: str, coupon: str | None) -> Iterator[ExternalKey]:
    """What a discount with this coupon depends on; `place` is workspace and connection."""
    if coupon:
        yield ExternalKey(f"{place}/coupon/{coupon}")
        yield ExternalKey(f"{place}/{COUPON_TOLD}/{coupon}")


def _of_tax_rates(place: str, rates: Iterable[TaxRate]) -> Iterator[ExternalKey]:
    """A rate that says its percentage says all."""
    for rate in rates:
        if rate.percentage is None:
            yield ExternalKey(f"{place}/tax_rate/{rate.tax_rate_id}")


def needs_invoices(body: Subscription, policy: Policy) -> bool:
    """Whether the MRR may depend on the subscription's own invoices."""
    if policy.owing_days is not None and body.status in {"past_due", "unpaid"}:
        return True
    if policy.first_invoice == "when_paid" and body.collection_method == "send_invoice":
        return True
    if policy.metered == "last_invoice" and any(
        item.price.recurring is not None and item.price.recurring.usage_type == "metered"
        for item in body.items
    ):
        return True
    return bool(body.automatic_tax) and any(
        "inclusive" in {item.price.tax_behavior, *_behaviors(item.price)} for item in body.items
    )


def _behaviors(price: Price) -> Iterator[str | None]:
    return (option.tax_behavior for option in (price.currency_options or {}).values())
