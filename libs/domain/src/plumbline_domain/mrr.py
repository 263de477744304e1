"""MRR of one subscription, item by item, exact, with its working (billing.md).

Sequence per item: list amount, discounts, inclusive tax out of what is left, interval factor,
currency. What the number needs and is not known is named, never guessed: the account then keeps its
last value and is flagged incomplete (design 5). What cannot be right is a named error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

from plumbline_schemas.billing import Subscription, SubscriptionItem

from plumbline_domain.book import Option
from plumbline_domain.counting import Counted, counts
from plumbline_domain.discounts import Held, Line, apply_level, blocked
from plumbline_domain.intervals import interval_factor
from plumbline_domain.list_amounts import Listed, listed
from plumbline_domain.money import ISO_4217, exponent
from plumbline_domain.rates import Rate
from plumbline_domain.reckoning import Beside, Reckoning
from plumbline_domain.taxes import without_tax
from plumbline_domain.usage import invoiced_usage
from plumbline_domain.working import (
    BillingError,
    DiscountLine,
    ItemWorking,
    SubscriptionWorking,
)

NOTHING: Final = Fraction(0)


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a subscription adds to its customer's MRR, in minor units of the asked currency.

    `amount` is exact and only to be used when `missing` is empty and `error` None. `missing` names
    what the number would need, e.g. `tiers:price_1`, `coupon:co_1`, `rate:EUR`, `items:sub_1`.
    """

    amount: Fraction
    missing: tuple[str, ...] = ()
    error: BillingError | None = None
    valid_until: datetime | None = None
    """The first later instant at which time alone may change it; None: never."""
    working: SubscriptionWorking | None = None


@dataclass(slots=True)
class _Item:
    """An item under way."""

    item: SubscriptionItem
    rule: str = ""
    listed: Listed | None = None
    option: Option | None = None
    line: Line | None = None
    tax: Fraction | None = None
    rate: Rate | None = None
    mrr: Fraction | None = None
    missing: str | None = None


def subscription_mrr(
    subscription_id: str, subscription: Subscription, beside: Beside
) -> Contribution:
    """What one subscription counts at the instant `beside.at`; bad data never raises.

    Only what the number needs can make it incomplete: a subscription or item that counts zero
    needs nothing.
    """
    on = Reckoning(subscription_id, beside)
    counted = counts(subscription, on)
    items: list[_Item] = []
    if counted.yes:
        on.currency = _currency(subscription, on)
        if subscription.items_truncated:
            on.lacks(f"items:{subscription_id}")
        elif not subscription.items:
            on.wrong("no_items", subscription_id)
        items += [_open(item, on) for item in subscription.items]
        _discount(items, subscription, on)
        for one in items:
            if one.line is not None and one.line.left:
                _close(one, one.line, subscription, on)
    missing = tuple(sorted(on.missing))
    return Contribution(
        NOTHING if missing or on.error is not None else _sum(items),
        missing,
        on.error,
        min(on.instants, default=None),
        _working(subscription, counted, items, on) if beside.show_working else None,
    )


def _sum(items: Sequence[_Item]) -> Fraction:
    amount = NOTHING
    for one in items:
        if one.mrr is not None:
            amount = one.mrr if amount is NOTHING else amount + one.mrr
    return amount


def _currency(subscription: Subscription, on: Reckoning) -> str:
    """The subscription's; older shapes leave it to the first price."""
    code = subscription.currency
    if code is None and subscription.items:
        code = subscription.items[0].price.currency
    code = (code or "").lower()
    if subscription.items and code not in ISO_4217:
        on.wrong("unknown_currency", on.subscription_id)
    return code


def _open(item: SubscriptionItem, on: Reckoning) -> _Item:
    """Its list amount; without a line it counts zero, or what it needs is missing."""
    price = on.beside.book.whole(item.price)
    one = _Item(item if price is item.price else item.model_copy(update={"price": price}))
    item = one.item
    on.later(item.trial_start, item.trial_end)
    if price.deleted:
        on.wrong("price_deleted", price.price_id)
        return one
    one.rule, quantity = _counted_quantity(item, on)
    if quantity is None:
        return one
    if one.rule == "item.metered_invoiced":
        _begin(one, invoiced_usage(item, on.beside.invoices), on)
        return one
    option = on.beside.book.option(item.price, on.currency)
    if option is None:
        _lack(one, f"currency_option:{item.price.price_id}:{on.currency.upper()}", on)
        return one
    one.option = option
    one.listed = listed(item.price, option, quantity)
    if one.listed.error is not None:
        on.wrong(one.listed.error.name, one.listed.error.where)
    elif one.listed.missing is not None:
        _lack(one, one.listed.missing, on)
    else:
        _begin(one, one.listed.amount, on)
    return one


def _counted_quantity(item: SubscriptionItem, on: Reckoning) -> tuple[str, int | None]:
    """The rule and the quantity; None where the item counts zero whatever it costs.

    A licensed item without a quantity is wrong: Stripe always says how many.
    """
    recurring, quantity = item.price.recurring, item.quantity
    if recurring is None:
        return "item.one_time", None
    if _in_trial(item, on.beside.at):
        return "item.trial", None
    if recurring.usage_type == "metered":
        on.needed.add("metered")
        counted = on.beside.policy.metered == "last_invoice"
        return ("item.metered_invoiced", 1) if counted else ("item.metered", None)
    if quantity is None:
        on.wrong("quantity_missing", item.item_id)
        return "item.error", None
    if quantity < 0:
        on.wrong("negative_quantity", item.item_id)
    return ("item.counted", quantity) if quantity > 0 else ("item.quantity_zero", None)


def _in_trial(item: SubscriptionItem, at: datetime) -> bool:
    """An item in a trial of its own, from its start to before its end, counts zero."""
    if item.trial_end is None:
        return False
    return (item.trial_start is None or item.trial_start <= at) and at < item.trial_end


def _begin(one: _Item, amount: Fraction, on: Reckoning) -> None:
    recurring = one.item.price.recurring
    if not amount or recurring is None:
        return
    factor = interval_factor(recurring)
    if factor is None:
        on.wrong("unknown_interval", one.item.price.price_id)
        return
    notes: list[DiscountLine] | None = [] if on.beside.show_working else None
    one.line = Line(one.item.item_id, one.item.price.product, factor, amount, notes)


def _lack(one: _Item, what: str, on: Reckoning) -> None:
    one.missing = what
    on.lacks(what)


def _discount(items: Sequence[_Item], subscription: Subscription, on: Reckoning) -> None:
    """Level by level; the customer's only when none of the subscription's own is in effect."""
    lines = [one.line for one in items if one.line is not None]
    if not lines:
        return
    for one in items:
        if one.line is not None and one.item.discounts:
            held = Held("item", one.item.discounts, one.item.discount_objects)
            apply_level(held, [one.line], on)
    own = False
    if subscription.discounts:
        held = Held("subscription", subscription.discounts, subscription.discount_objects)
        own = apply_level(held, lines, on)
    customer = on.beside.customer
    if customer is None or not customer.discounts:
        return
    held = Held("customer", customer.discounts, customer.discount_objects)
    on.needed.add("customer_discounts")
    if own:
        blocked(held, lines, on.beside.book)
    elif on.beside.policy.customer_discounts == "counted":
        apply_level(held, lines, on)


def _close(one: _Item, line: Line, subscription: Subscription, on: Reckoning) -> None:
    """Tax out, by the month, in the reported currency."""
    behavior = None if one.option is None else one.option.tax_behavior
    net = without_tax(one.item, line.left, behavior, subscription, on.beside)
    if net is None:
        _lack(one, f"tax:{one.item.item_id}", on)
        return
    one.tax = None if net == line.left else line.left - net
    monthly = net * line.per_month
    if on.currency != on.beside.currency:
        begun = subscription.start_date if on.beside.policy.rate_day == "start" else None
        on.needed.add("rate_day")
        day = (begun or on.beside.at).date()
        one.rate = on.beside.rates.find(on.currency, on.beside.currency, day)
        if one.rate is None:
            _lack(one, f"rate:{on.currency.upper()}", on)
            return
        places = exponent(on.beside.currency) - exponent(on.currency)
        monthly *= one.rate.factor * Fraction(10) ** places
    one.mrr = monthly


def _working(
    subscription: Subscription,
    counted: Counted,
    items: Sequence[_Item],
    on: Reckoning,
) -> SubscriptionWorking | None:
    policy = on.beside.policy
    if not on.beside.show_working:
        return None
    return SubscriptionWorking(
        on.subscription_id,
        subscription.status,
        policy.name,
        counted.rule,
        tuple(_show(one, on.currency) for one in items),
        tuple(sorted(policy.assumed & on.needed)),
    )


def _show(one: _Item, currency: str) -> ItemWorking:
    item, line, rate = one.item, one.line, one.rate
    rules = [one.rule]
    if one.listed is not None:
        rules.append(one.listed.rule)
    if line is not None:
        recurring = item.price.recurring
        rules.append("interval." + ("month" if recurring is None else recurring.interval))
    if one.tax is not None:
        rules.append("tax.inclusive")
    if rate is not None:
        rules.append("currency.rate")
    return ItemWorking(
        item_id=item.item_id,
        price_id=item.price.price_id,
        quantity=item.quantity,
        currency=currency,
        list_amount=None if one.listed is None or one.missing else one.listed.amount,
        tiers=() if one.listed is None else one.listed.tiers,
        discounts=() if line is None else tuple(line.notes or ()),
        tax=one.tax,
        factor=None if line is None else line.per_month,
        rate=None if rate is None else rate.factor,
        rate_day=None if rate is None else rate.day,
        mrr=one.mrr if line is None or line.left else NOTHING,
        rules=tuple(rules),
        missing=() if one.missing is None else (one.missing,),
    )
