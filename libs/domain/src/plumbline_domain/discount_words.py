"""The discounts in effect, in words for people (billing.md, plan and others: `discount`)."""

from collections.abc import Iterable
from decimal import Decimal

from plumbline_schemas.billing import Subscription
from plumbline_schemas.catalogue import Coupon, Discount
from plumbline_schemas.money import Money

from plumbline_domain.discounts import Held, in_effect
from plumbline_domain.money import major_units
from plumbline_domain.reckoning import Beside, Reckoning
from plumbline_domain.subscriptions import live


def discounts_of(subscription_id: str, subscription: Subscription, beside: Beside) -> list[str]:
    """Each discount in effect on a live subscription: its items', its own, else its customer's.

    Such as `Launch: 20 % off until 2026-09-01` or `co_1: 10 EUR off`. Which durations count is the
    policy's; discounts that are not known are left out, as the MRR names them already.
    """
    if not live(subscription, beside.at):
        return []
    on = Reckoning(subscription_id, beside)
    found = [
        one
        for item in subscription.items
        for one in in_effect(Held("item", item.discounts, item.discount_objects), on)
    ]
    own = in_effect(Held("subscription", subscription.discounts, subscription.discount_objects), on)
    customer = beside.customer
    if not own and customer is not None and beside.policy.customer_discounts == "counted":
        own = in_effect(Held("customer", customer.discounts, customer.discount_objects), on)
    return list(dict.fromkeys(_words(*one) for one in (*found, *own)))


def discount_field(each: Iterable[list[str]]) -> str | None:
    """The field of an account: those of all subscriptions, each once; None for none."""
    found = sorted({words for of_one in each for words in of_one})
    return "; ".join(found) or None


def _words(discount: Discount, coupon: Coupon) -> str:
    until = "" if discount.end is None else f" until {discount.end.date().isoformat()}"
    return f"{coupon.name or coupon.coupon_id}: {_terms(coupon)} off{until}"


def _terms(coupon: Coupon) -> str:
    if coupon.percent_off is not None:
        return f"{_bare(coupon.percent_off)} %"
    currency = (coupon.currency or "").lower()
    amount = coupon.amount_off or Decimal(0)
    if amount != amount.to_integral_value() or len(currency) != 3:
        return f"{_bare(amount)} minor units"
    return f"{major_units(Money(minor=int(amount), currency=currency))} {currency.upper()}"


def _bare(number: Decimal) -> str:
    """Without zeros behind the point: 12.50 is 12.5, 10 stays 10."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
