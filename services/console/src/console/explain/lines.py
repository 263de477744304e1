"""The working of one item, step by step, as lines that add up."""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from plumbline_domain.book import PriceBook
from plumbline_domain.money import exponent, to_minor
from plumbline_domain.working import DiscountLine, ItemWorking, TierLine
from plumbline_schemas.billing import SubscriptionItem

from console.explain.amounts import amount, bare, decimal_text
from console.explain.sheet import Line
from console.explain.words import counts_zero, every, factor_words, not_applied


class Worked(NamedTuple):
    """One item and how it was reckoned. `unsure`: something is missing or wrong."""

    item: SubscriptionItem
    working: ItemWorking
    currency: str
    """The reported one."""
    book: PriceBook
    unsure: bool


def item_title(item: SubscriptionItem, book: PriceBook) -> str:
    """The item by its ids and by the names that a person knows."""
    price = item.price
    product = book.products.get(price.product or "")
    named = price.product_name or (product.name if product is not None else None)
    names = [name for name in (named, price.lookup_key or price.nickname) if name]
    return " · ".join(["item " + item.item_id, *names, price.price_id])


def item_lines(worked: Worked) -> Iterator[Line]:
    """From the list amount to the MRR, the sign of each step in its amount."""
    working = worked.working
    if working.list_amount is None and working.factor is None:
        yield _none(worked)
        return
    yield from _list(worked)
    left = working.list_amount
    for discount in working.discounts:
        yield _discount(discount, working.currency)
        left = discount.after if discount.after is not None else left
    if working.tax is not None:
        yield Line(
            "tax",
            f"{_tax_words(working.tax, left)} inclusive tax taken out",
            bare(-working.tax, working.currency),
            _rule(working, "tax."),
        )
        left = None if left is None else left - working.tax
    if left is None or worked.unsure:
        yield Line("MRR", "not known while something is missing or wrong")
        return
    yield from _by_the_month(worked, left)


def _tax_words(tax: Fraction, gross: Fraction | None) -> str:
    """The rate as it was applied, whether it was given or taken from an invoice."""
    if gross is None or gross == tax:
        return "all"
    return f"{decimal_text(tax / (gross - tax) * 100, places=4)} %"


def _none(worked: Worked) -> Line:
    working = worked.working
    if working.missing:
        return Line("list amount", "not known", "", "")
    rule = next(iter(working.rules), "")
    return Line("MRR", counts_zero(rule), amount(Fraction(0), worked.currency), rule)


def _list(worked: Worked) -> Iterator[Line]:
    working, item = worked.working, worked.item
    currency = working.currency
    total = "" if working.list_amount is None else amount(working.list_amount, currency)
    rule = _rule(working, "price.") or _rule(working, "item.")
    how_often = every(item.price.recurring)
    if working.tiers:
        yield Line("list amount", f"{working.quantity} units, by tiers, {how_often}", total, rule)
        begin = 0
        for tier in working.tiers:
            yield _tier(tier, begin, currency, volume=rule.endswith("volume"))
            begin = tier.up_to or 0
        return
    yield Line("list amount", f"{_quantity_words(worked)} {how_often}", total, rule)


def _quantity_words(worked: Worked) -> str:
    working, price = worked.working, worked.item.price
    option = worked.book.option(price, working.currency)
    unit = None if option is None else option.unit_amount
    total = working.list_amount
    if unit is None or total is None:
        return "as invoiced"
    each = amount(Fraction(unit), working.currency)
    quantity = 1 if working.quantity is None else working.quantity
    if not price.transform_quantity:
        return f"{quantity:,} x {each}"
    size = price.transform_quantity.get("divide_by")
    way = price.transform_quantity.get("round")
    blocks = total / Fraction(unit) if unit else Fraction(0)
    return f"{quantity:,} in blocks of {size}, rounded {way}: {blocks} x {each}"


def _tier(tier: TierLine, begin: int, currency: str, *, volume: bool) -> Line:
    """Graduated tiers hold the units after those before; a volume tier holds all of them."""
    start = 1 if volume else begin + 1
    bounds = f"{start} and up" if tier.up_to is None else f"{start} to {tier.up_to}"
    parts = []
    if tier.unit_amount or not tier.flat_amount:
        parts.append(f"{tier.units:,} x {bare(Fraction(tier.unit_amount), currency)}")
    if tier.flat_amount:
        parts.append(f"{bare(Fraction(tier.flat_amount), currency)} flat")
    words = f"units {bounds}: {' + '.join(parts)} = {bare(tier.amount, currency)}"
    return Line("", words)


def _discount(line: DiscountLine, currency: str) -> Line:
    if line.percent_off is not None:
        terms = f"{decimal_text(Fraction(line.percent_off))} % off"
    elif line.amount_off is not None:
        terms = f"{bare(Fraction(line.amount_off), currency)} off"
    else:
        terms = ""
    words = " ".join(part for part in (line.coupon, terms, f"({line.level})") if part)
    label = f"discount {line.discount_id}"
    if line.before is None or line.after is None:
        return Line(label, f"{words}: not applied, {not_applied(line.rule)}", "", line.rule)
    return Line(label, words, bare(line.after - line.before, currency), line.rule)


def _by_the_month(worked: Worked, left: Fraction) -> Iterator[Line]:
    working = worked.working
    factor = working.factor if working.factor is not None else Fraction(1)
    monthly = left * factor
    if factor != 1:
        why = factor_words(worked.item.price.recurring)
        words = f"{bare(left, working.currency)} x {factor}" + (f" ({why})" if why else "")
        yield Line("a month", words, bare(monthly, working.currency), _rule(working, "interval."))
    if working.rate is not None and working.rate_day is not None:
        words = (
            f"{bare(monthly, working.currency)} x {decimal_text(working.rate, places=8)} "
            f"{worked.currency.upper()} for one {working.currency.upper()} on {working.rate_day}"
        )
        places = exponent(worked.currency) - exponent(working.currency)
        converted = monthly * working.rate * Fraction(10) ** places
        yield Line("currency", words, bare(converted, worked.currency), _rule(working, "currency."))
    yield _mrr(worked)


def _mrr(worked: Worked) -> Line:
    exact = worked.working.mrr or Fraction(0)
    rounded = Fraction(to_minor(exact))
    words = "" if exact == rounded else f"exactly {exact} minor units"
    return Line("MRR", words, amount(rounded, worked.currency))


def _rule(working: ItemWorking, prefix: str) -> str:
    return next((rule for rule in working.rules if rule.startswith(prefix)), "")
