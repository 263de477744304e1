"""Items of a subscription while they are reckoned, and the working that they leave."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from plumbline_schemas.billing import Subscription, SubscriptionItem

from plumbline_domain.book import Option
from plumbline_domain.counting import Counted
from plumbline_domain.discounts import Line
from plumbline_domain.list_amounts import Listed
from plumbline_domain.rates import Rate
from plumbline_domain.ratios import Ratio
from plumbline_domain.reckoning import Reckoning
from plumbline_domain.working import ItemWorking, SubscriptionWorking


@dataclass(slots=True)
class ItemUnderWay:
    """An item under way."""

    item: SubscriptionItem
    rule: str = ""
    listed: Listed | None = None
    option: Option | None = None
    line: Line | None = None
    tax: Fraction | None = None
    rate: Rate | None = None
    mrr: Ratio | None = None
    missing: str | None = None


def subscription_working(
    subscription: Subscription,
    counted: Counted,
    items: Sequence[ItemUnderWay],
    on: Reckoning,
) -> SubscriptionWorking | None:
    """The working of everything under way; None while nobody asks for it."""
    policy = on.beside.policy
    if not on.beside.show_working:
        return None
    shown = tuple(_show(one, on.currency) for one in items)
    return SubscriptionWorking(
        on.subscription_id,
        subscription.status,
        policy.name,
        counted.rule,
        shown,
        tuple(sorted(policy.assumed & _used(counted, shown, on))),
    )


def _used(counted: Counted, items: Sequence[ItemWorking], on: Reckoning) -> set[str]:
    """Switches that were needed and rules that applied."""
    rules = {rule for item in items for rule in item.rules}
    return on.needed | {counted.rule} | rules | {d.rule for item in items for d in item.discounts}


def _show(one: ItemUnderWay, currency: str) -> ItemWorking:
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
        mrr=_mrr(one),
        rules=tuple(rules),
        missing=() if one.missing is None else (one.missing,),
    )


def _mrr(one: ItemUnderWay) -> Fraction | None:
    if one.line is not None and not one.line.over:
        return Fraction(0)
    return None if one.mrr is None else Fraction(*one.mrr)
