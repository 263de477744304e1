"""Which discounts are in effect, and what they leave (billing.md, MRR and its fine print).

Item discounts first, then the subscription's, then the customer's where the subscription has none
in effect. Within a level every percent before any amount; the next level starts from what the level
before left. Percents multiply. An amount is taken once per billing period, not once per item.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Final, NamedTuple

from plumbline_schemas.catalogue import Coupon, Discount

from plumbline_domain.book import PriceBook
from plumbline_domain.money import LARGEST
from plumbline_domain.ratios import HUNDRED, Ratio, kept_of_percent, ratio_of, total
from plumbline_domain.reckoning import Reckoning
from plumbline_domain.working import DiscountLine, Level

DURATIONS: Final = frozenset({"forever", "repeating", "once"})


@dataclass(slots=True)
class Line:
    """An item while it is being reckoned: what is left of its list amount."""

    item_id: str
    product: str | None
    per_month: Fraction
    over: int
    under: int
    """What is left, exactly, is `over / under`: fractions cost most where they are reduced, and
    only the result needs that."""
    notes: list[DiscountLine] | None = None
    """The working; None while nobody asks for it."""

    @property
    def left(self) -> Fraction:
        """What is left, reduced."""
        return Fraction(self.over, self.under)

    def times(self, share: Ratio) -> None:
        """Leave so much of what is left."""
        self.over *= share[0]
        self.under *= share[1]


class Held(NamedTuple):
    """The discounts of one holder: ids in the vendor's order, and those that it embeds."""

    level: Level
    ids: tuple[str, ...]
    objects: tuple[Discount, ...]


class _Standing(NamedTuple):
    """A discount at an instant; `coupon` only when it counts, else `rule` says why not."""

    discount_id: str
    rule: str
    terms: Coupon | None = None
    coupon: Coupon | None = None
    missing: str | None = None


def apply_level(held: Held, lines: Sequence[Line], on: Reckoning) -> bool:
    """Take a level's discounts from what is left of `lines`.

    True when one of them is in effect, or could be: then the next level's are blocked. Where
    nothing is left, nothing is needed.
    """
    open_lines = [line for line in lines if line.over]
    if not open_lines:
        return False
    embedded = {one.discount_id: one for one in held.objects}
    standings = [_standing(one, embedded, on) for one in dict.fromkeys((*held.ids, *embedded))]
    counting = [one for one in standings if one.coupon is not None or one.missing is not None]
    for one in standings:
        if one.coupon is None and one.missing is None:
            _note(open_lines, held.level, one, one.rule)
    known = [one for one in counting if one.coupon is not None]
    for one in known:
        if one.coupon is not None and one.coupon.percent_off is not None:
            _take_percent(one, one.coupon, held.level, open_lines)
    for one in known:
        if one.coupon is not None and one.coupon.percent_off is None:
            _take_amount(one, one.coupon, held.level, open_lines, on)
    if any(line.over for line in open_lines):
        on.missing.update(one.missing for one in counting if one.missing is not None)
    return bool(counting)


def _standing(discount_id: str, embedded: Mapping[str, Discount], on: Reckoning) -> _Standing:
    book, at = on.beside.book, on.beside.at
    discount = book.discount(discount_id, embedded)
    if discount is None:
        return _Standing(discount_id, "discount.unknown", missing=f"discount:{discount_id}")
    on.later(discount.start, discount.end)
    terms = book.terms(discount)
    rule = _out_of_effect(discount, at)
    if rule is None and (terms is None or terms.duration is None):
        return _Standing(discount_id, "discount.unknown", missing=_needed(discount))
    if rule is None and terms is not None:
        rule = _ignored(terms, on)
    if rule is not None:
        return _Standing(discount_id, rule, terms)
    coupon = book.coupon(discount)
    missing = None if coupon is not None else _needed(discount)
    return _Standing(discount_id, "discount.counted", terms, coupon, missing)


def _out_of_effect(discount: Discount, at: datetime) -> str | None:
    """A discount with an `end` ends there whatever its duration."""
    if discount.end is not None and discount.end <= at:
        return "discount.ended"
    if discount.start is not None and discount.start > at:
        return "discount.not_started"
    return None


def _needed(discount: Discount) -> str:
    if discount.coupon is None:
        return f"discount:{discount.discount_id}"
    return f"coupon:{discount.coupon}"


def _ignored(terms: Coupon, on: Reckoning) -> str | None:
    policy = on.beside.policy
    if terms.duration == "once" and policy.once == "zero":
        return "discount.once"
    if terms.duration == "repeating" and policy.repeating == "zero":
        return "discount.repeating"
    wrong = _unsound(terms)
    if wrong is None:
        return None
    on.wrong(wrong, terms.coupon_id)
    return "discount.error"


def _unsound(terms: Coupon) -> str | None:
    percent, amount = terms.percent_off, terms.amount_off
    if percent is not None and amount is not None:
        return "coupon_percent_and_amount"
    value = amount if percent is None else percent
    if value is None:
        return "coupon_without_value"
    if terms.duration not in DURATIONS:
        return "unknown_duration"
    if value < 0:
        return "negative_amount"
    if value > LARGEST:
        return "amount_too_large"
    return "coupon_percent_above_100" if percent is not None and percent > HUNDRED else None


def _reached(coupon: Coupon, lines: Iterable[Line]) -> list[Line]:
    products = coupon.applies_to
    return [line for line in lines if not products or line.product in products]


def _take_percent(one: _Standing, coupon: Coupon, level: Level, lines: Sequence[Line]) -> None:
    reached = _reached(coupon, lines)
    keep = kept_of_percent(coupon.percent_off or Decimal(0))
    for line in reached:
        _take(line, keep, partial(_line, one, level, "discount.percent"))
    _note_others(lines, reached, level, one, "discount.other_product")


def _take_amount(
    one: _Standing, coupon: Coupon, level: Level, lines: Sequence[Line], on: Reckoning
) -> None:
    """Once per billing period: shared over the lines in proportion to what is left of each.

    Of lines that bill at different intervals only those with the shortest period, because every
    invoice holds them.
    """
    within = _reached(coupon, lines)
    reached = [line for line in within if line.over]
    _note_others(lines, within, level, one, "discount.other_product")
    if not reached:
        return
    off = _amount_in(coupon, on.currency)
    if off is None:
        on.lacks(f"coupon:{coupon.coupon_id}")
        return
    sharing, keep = shared(off, reached)
    _note_others(reached, sharing, level, one, "discount.longer_period")
    for line in sharing:
        _take(line, keep, partial(_line, one, level, "discount.amount"))


def _take(line: Line, keep: Ratio, note: Callable[[Fraction, Fraction], DiscountLine]) -> None:
    if line.notes is None:
        line.times(keep)
        return
    before = line.left
    line.times(keep)
    line.notes.append(note(before, line.left))


def shared(off: Ratio, reached: Sequence[Line]) -> tuple[Sequence[Line], Ratio]:
    """Lines of the shortest period, and what an amount off leaves of each of them."""
    sharing = _most_often(reached)
    over, under = total((line.over, line.under) for line in sharing)
    taken, there = off[0] * under, over * off[1]
    return sharing, (there - min(taken, there), there)


def _most_often(lines: Sequence[Line]) -> Sequence[Line]:
    first = lines[0].per_month
    if all(line.per_month is first for line in lines):
        return lines
    often = max(line.per_month for line in lines)
    return [line for line in lines if line.per_month == often]


def _amount_in(coupon: Coupon, currency: str) -> Ratio | None:
    if (coupon.currency or "").lower() == currency:
        return ratio_of(coupon.amount_off or Decimal(0))
    option = (coupon.currency_options or {}).get(currency)
    return None if option is None else ratio_of(option)


def blocked(held: Held, lines: Sequence[Line], book: PriceBook) -> None:
    """Note that a level's discounts do not count because the level before has some."""
    embedded = {one.discount_id: one for one in held.objects}
    for discount_id in dict.fromkeys((*held.ids, *embedded)):
        discount = book.discount(discount_id, embedded)
        terms = None if discount is None else book.terms(discount)
        _note(lines, held.level, _Standing(discount_id, "", terms), "discount.blocked")


def _note(lines: Iterable[Line], level: Level, one: _Standing, rule: str) -> None:
    for line in lines:
        if line.notes is not None:
            line.notes.append(_line(one, level, rule))


def _note_others(
    lines: Sequence[Line], chosen: Sequence[Line], level: Level, one: _Standing, rule: str
) -> None:
    """Note what does not hold of those that were not chosen."""
    if len(chosen) < len(lines):
        _note([line for line in lines if line not in chosen], level, one, rule)


def _line(
    one: _Standing,
    level: Level,
    rule: str,
    before: Fraction | None = None,
    after: Fraction | None = None,
) -> DiscountLine:
    terms = one.coupon or one.terms
    return DiscountLine(
        discount_id=one.discount_id,
        level=level,
        coupon=None if terms is None else terms.coupon_id,
        percent_off=None if terms is None else terms.percent_off,
        amount_off=None if terms is None else terms.amount_off,
        rule=rule,
        before=before,
        after=after,
    )


def take_credits(invoice_id: str, off: Fraction, lines: Sequence[Line]) -> None:
    """Take what an invoice was credited off its lines, as a discount of the whole invoice."""
    sharing, keep = shared(off.as_integer_ratio(), lines)
    amount = Decimal(off.numerator)
    note = partial(DiscountLine, invoice_id, "invoice", None, None, amount, "discount.credits")
    for line in sharing:
        _take(line, keep, note)
