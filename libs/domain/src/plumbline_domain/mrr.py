"""MRR of one subscription, item by item, exact, with its working (billing.md).

Sequence per item: list amount, discounts, inclusive tax out of what is left, interval factor,
currency. What the number needs and is not known is named, never guessed: the account then keeps its
last value and is flagged incomplete (design 5). What cannot be right is a named error.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

from plumbline_schemas.billing import Subscription, SubscriptionItem

from plumbline_domain.counting import counts
from plumbline_domain.discounts import Held, Line, apply_level, blocked, take_credits
from plumbline_domain.intervals import interval_factor
from plumbline_domain.list_amounts import listed
from plumbline_domain.money import ISO_4217, LARGEST, exponent
from plumbline_domain.rates import Rate
from plumbline_domain.ratios import Ratio, total
from plumbline_domain.reckoning import Beside, Reckoning
from plumbline_domain.taxes import WHOLE, untaxed
from plumbline_domain.under_way import ItemUnderWay, subscription_working
from plumbline_domain.usage import Invoiced, credited, invoiced_before, invoiced_usage
from plumbline_domain.working import (
    BillingError,
    DiscountLine,
    SubscriptionWorking,
)

NOTHING: Final = Fraction(0)


class Contribution(NamedTuple):
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


def subscription_mrr(
    subscription_id: str, subscription: Subscription, beside: Beside
) -> Contribution:
    """What one subscription counts at the instant `beside.at`; bad data never raises.

    Only what the number needs can make it incomplete: a subscription or item that counts zero
    needs nothing.
    """
    on = Reckoning(subscription_id, beside)
    counted = counts(subscription, on)
    items: list[ItemUnderWay] = []
    if counted.yes:
        on.currency = _currency(subscription, on)
        if subscription.items_truncated:
            on.lacks(f"items:{subscription_id}")
        elif not subscription.items:
            on.wrong("no_items", subscription_id)
        items += [_open(item, on) for item in subscription.items]
        _discount(items, subscription, on)
        for one in items:
            if one.line is not None and one.line.over:
                _close(one, one.line, subscription, on)
    missing = tuple(sorted(on.missing)) if on.missing else ()
    return Contribution(
        NOTHING if missing or on.error is not None else _sum(items),
        missing,
        on.error,
        min(on.instants) if on.instants else None,
        subscription_working(subscription, counted, items, on) if beside.show_working else None,
    )


def _sum(items: Sequence[ItemUnderWay]) -> Fraction:
    over, under = total(one.mrr for one in items if one.mrr is not None)
    return Fraction(over, under) if over else NOTHING


def _currency(subscription: Subscription, on: Reckoning) -> str:
    """The subscription's; older shapes leave it to the first price."""
    code = subscription.currency
    if code is None and subscription.items:
        code = subscription.items[0].price.currency
    code = (code or "").lower()
    if subscription.items and code not in ISO_4217:
        on.wrong("unknown_currency", on.subscription_id)
    return code


def _open(item: SubscriptionItem, on: Reckoning) -> ItemUnderWay:
    """Its list amount; without a line it counts zero, or what it needs is missing."""
    price = on.beside.book.whole(item.price)
    one = ItemUnderWay(item if price is item.price else item.model_copy(update={"price": price}))
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
    before = _before_change(item, on)
    if before is not None:
        one.rule, one.item = "item.not_invoiced_yet", before.item
        _begin(one, before.amount, on)
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


def _before_change(item: SubscriptionItem, on: Reckoning) -> Invoiced | None:
    """What was invoiced before the price changed, where the policy counts that."""
    follows = on.beside.policy.plan_changes == "when_invoiced"
    if not on.beside.invoices or not (follows or on.beside.show_working):
        return None
    before = invoiced_before(item, on.beside.invoices, on.beside.book)
    if before is not None:
        on.needed.add("plan_changes")
    return before if follows else None


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


def _begin(one: ItemUnderWay, amount: Fraction, on: Reckoning) -> None:
    recurring = one.item.price.recurring
    if not amount or recurring is None:
        return
    factor = interval_factor(recurring)
    if factor is None:
        on.wrong("unknown_interval", one.item.price.price_id)
        return
    over, under = amount.as_integer_ratio()
    if over > LARGEST * under:
        on.wrong("amount_too_large", one.item.price.price_id)
        return
    notes: list[DiscountLine] | None = [] if on.beside.show_working else None
    one.line = Line(one.item.item_id, one.item.price.product, factor, over, under, notes)


def _lack(one: ItemUnderWay, what: str, on: Reckoning) -> None:
    one.missing = what
    on.lacks(what)


def _discount(items: Sequence[ItemUnderWay], subscription: Subscription, on: Reckoning) -> None:
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
    if customer is not None and customer.discounts:
        held = Held("customer", customer.discounts, customer.discount_objects)
        on.needed.add("customer_discounts")
        if own:
            blocked(held, lines, on.beside.book)
        elif on.beside.policy.customer_discounts == "counted":
            apply_level(held, lines, on)
    _take_credits(lines, on)


def _take_credits(lines: Sequence[Line], on: Reckoning) -> None:
    """What credits took off the latest finalised invoice, where the policy takes it off."""
    if not on.beside.invoices:
        return
    found = credited(on.beside.invoices)
    open_lines = [line for line in lines if line.over]
    if found is None or not open_lines:
        return
    on.needed.add("credits")
    if on.beside.policy.credits == "taken_off":
        take_credits(*found, open_lines)


def _close(one: ItemUnderWay, line: Line, subscription: Subscription, on: Reckoning) -> None:
    """Tax out, by the month, in the reported currency."""
    behavior = one.item.price.tax_behavior if one.option is None else one.option.tax_behavior
    net = untaxed(one.item, behavior, subscription, on.beside)
    if net is None:
        _lack(one, f"tax:{one.item.item_id}", on)
        return
    if net is not WHOLE and net != WHOLE:
        one.tax = line.left * (1 - net)
        line.times(net.as_integer_ratio())
    line.times(line.per_month.as_integer_ratio())
    if on.currency != on.beside.currency:
        one.rate = _rate(subscription, on)
        if one.rate is None:
            _lack(one, f"rate:{on.currency.upper()}", on)
            return
        line.times(one.rate.factor.as_integer_ratio())
        line.times(_scale(exponent(on.beside.currency) - exponent(on.currency)))
    one.mrr = (line.over, line.under)


@lru_cache(maxsize=16)
def _scale(places: int) -> Ratio:
    return (Fraction(10) ** places).as_integer_ratio()


def _rate(subscription: Subscription, on: Reckoning) -> Rate | None:
    """The rate of the UTC day of `at`, which a later table may change, or of the first day."""
    begun = subscription.start_date if on.beside.policy.rate_day == "start" else None
    on.needed.add("rate_day")
    rates, day = on.beside.rates, (begun or on.beside.at).astimezone(UTC).date()
    following = None if begun is not None else rates.next_day(day)
    if following is not None:
        on.later(datetime.combine(following, time(), UTC))
    return rates.find(on.currency, on.beside.currency, day)
