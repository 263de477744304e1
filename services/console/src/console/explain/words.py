"""What the rules' ids, and the names of what is missing, mean in a sentence."""

from typing import Final

from plumbline_schemas.catalogue import Recurring

_COUNTS_ZERO: Final = {
    "subscription.not_started": "not started yet",
    "subscription.trialing": "in its trial",
    "subscription.incomplete": "its first payment is not made",
    "subscription.incomplete_expired": "its first payment was never made",
    "subscription.paused": "paused",
    "subscription.canceled": "canceled",
    "subscription.past_due": "payment is past due, which this policy does not count",
    "subscription.unpaid": "unpaid, which this policy does not count",
    "subscription.owing_too_long": "payment is due for longer than this policy counts",
    "subscription.collection_paused": "collection is paused",
    "subscription.planned_cancellation": "to be canceled, which this policy does not count",
    "subscription.first_invoice_unpaid": "its first invoice is not paid yet",
    "item.one_time": "a one-time price is not recurring",
    "item.trial": "the item is in a trial of its own",
    "item.metered": "usage is not counted",
    "item.quantity_zero": "no quantity",
}
_NOT_APPLIED: Final = {
    "discount.ended": "has ended",
    "discount.not_started": "has not started",
    "discount.once": "for one time only",
    "discount.repeating": "for some months only",
    "discount.other_product": "for other products",
    "discount.longer_period": "taken where it bills most often",
    "discount.blocked": "the subscription has its own",
    "discount.unknown": "terms not in the input",
    "discount.counted": "products not in the input",
}
_MISSING: Final = {
    "coupon": "coupon {0} with the products it is for: GET /v1/coupons/{0}?expand[]=applies_to",
    "discount": "discount {0}: its holder again with expand[]=discounts",
    "tiers": "tiers of price {0}: GET /v1/prices/{0}?expand[]=tiers",
    "items": "the other items of {0}: GET /v1/subscription_items?subscription={0}",
    "rate": "an exchange rate of {0}: --rates with the table of that day",
    "currency_option": "price {0} in the subscription's currency: "
    "GET /v1/prices/...?expand[]=currency_options",
    "tax": "the tax inside {0}: its tax rates, or a paid invoice of the subscription",
    "amount": "what price {0} costs",
}
_SWITCHES: Final = {
    "past_due": "past due subscriptions",
    "unpaid": "unpaid subscriptions",
    "owing_days": "days that owing subscriptions count",
    "collection_paused": "subscriptions whose collection is paused",
    "planned_cancellation": "subscriptions to be canceled",
    "once": "one-time discounts",
    "repeating": "discounts for some months",
    "customer_discounts": "customers' discounts",
    "metered": "metered usage",
    "first_invoice": "subscriptions whose first invoice is open",
    "rate_day": "exchange rate of",
}
_VALUES: Final = {
    "None": "no limit",
    "last_invoice": "as last invoiced",
    "when_paid": "counted when it is paid",
    "at": "the day asked for",
    "start": "the day it started",
}


def switch_words(switch: str, value: str) -> str:
    """A switch of a policy and its value, such as `one-time discounts: counted`."""
    return f"{_SWITCHES.get(switch, switch)}: {_VALUES.get(value, value)}"


def value_words(value: str) -> str:
    """The value alone."""
    return _VALUES.get(value, value)


def counts_zero(rule: str) -> str:
    """Why a subscription or an item counts zero."""
    return _COUNTS_ZERO.get(rule, _plainly(rule))


def not_applied(rule: str) -> str:
    """Why a discount takes nothing."""
    return _NOT_APPLIED.get(rule, _plainly(rule))


def missing(name: str) -> str:
    """What the number would need, and where it can be had; `name` such as `coupon:half`."""
    kind, _, identity = name.partition(":")
    return _MISSING.get(kind, f"{kind.replace('_', ' ')} {{0}}").format(identity)


def every(recurring: Recurring | None) -> str:
    """How often a price bills: `a month`, `every 3 months`."""
    if recurring is None:
        return "once"
    if recurring.interval_count == 1:
        return f"a {recurring.interval}"
    return f"every {recurring.interval_count} {recurring.interval}s"


def factor_words(recurring: Recurring | None) -> str:
    """Why an interval's factor is what it is."""
    if recurring is None:
        return ""
    months = {"month": "", "year": "12 months", "week": "52 weeks", "day": "365 days"}
    words = months.get(recurring.interval, "")
    return f"a year is {words}" if words else ""


def _plainly(rule: str) -> str:
    return rule.rpartition(".")[2].replace("_", " ")
