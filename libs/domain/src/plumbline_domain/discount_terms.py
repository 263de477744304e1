"""The discounts in effect in words, for people (billing.md, tenure, others)."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from plumbline_schemas.billing import Subscription
from plumbline_schemas.catalogue import Coupon, Discount
from plumbline_schemas.money import Money

from plumbline_domain.money import exponent
from plumbline_domain.reckoning import Beside

SHOWN = 5
"""Different discounts that are named; the others are counted."""


def discount_words(
    subscription: Subscription, beside: Beside
) -> tuple[tuple[str, ...], datetime | None]:
    """Each different discount in effect at `beside.at`, and until when that holds by itself.

    In effect as for the MRR: not ended, not still to start, not `once` where the policy counts that
    as zero; the customer's only where the subscription has none of its own. A discount that is not
    known is an empty word.
    """
    if subscription.status in {"canceled", "incomplete_expired"}:
        return (), None
    instants: list[datetime] = []
    own = _level(subscription.discounts, subscription.discount_objects, beside, instants)
    found = set(own)
    for item in subscription.items:
        found |= _level(item.discounts, item.discount_objects, beside, instants)
    customer = beside.customer
    counted = beside.policy.customer_discounts == "counted"
    if not own and counted and customer is not None:
        found |= _level(customer.discounts, customer.discount_objects, beside, instants)
    return tuple(sorted(found)), min(instants, default=None)


def in_one_line(words: Iterable[str]) -> str | None:
    """Discounts as the field shows them; None when there are none."""
    known = sorted(words)
    if not known:
        return None
    more = len(known) - SHOWN
    return "; ".join(known[:SHOWN]) + (f"; {more} more" if more > 0 else "")


def _level(
    ids: Sequence[str], objects: Sequence[Discount], beside: Beside, instants: list[datetime]
) -> set[str]:
    embedded = {one.discount_id: one for one in objects}
    found = set()
    for discount_id in ids:
        discount = beside.book.discount(discount_id, embedded)
        if discount is None:
            found.add("")
            continue
        turns = (discount.start, discount.end)
        instants += [one for one in turns if one is not None and one > beside.at]
        if _in_effect(discount, beside.at):
            words = _words(discount, beside)
            if words is not None:
                found.add(words)
    return found


def _in_effect(discount: Discount, at: datetime) -> bool:
    if discount.end is not None and discount.end <= at:
        return False
    return discount.start is None or discount.start <= at


def _words(discount: Discount, beside: Beside) -> str | None:
    terms = beside.book.terms(discount)
    if terms is None:
        return ""
    if terms.duration == "once" and beside.policy.once == "zero":
        return None
    return f"{_off(terms)} {_until(discount, terms)}"


def _off(terms: Coupon) -> str:
    if terms.percent_off is not None:
        return f"{_plain(str(terms.percent_off))} % off"
    currency = (terms.currency or "").lower()
    amount = Money(minor=int(terms.amount_off or 0), currency=currency or "xxx")
    return f"{_with_decimals(amount)} {currency.upper()} off"


def _with_decimals(money: Money) -> str:
    places = exponent(money.currency)
    whole, part = divmod(abs(money.minor), 10**places)
    return f"{whole}.{part:0{places}d}" if places else str(whole)


def _plain(number: str) -> str:
    """Without the zeros that say nothing: `20`, `12.5`."""
    return number.rstrip("0").rstrip(".") if "." in number else number


def _until(discount: Discount, terms: Coupon) -> str:
    if discount.end is not None:
        return f"until {discount.end.astimezone(UTC).date().isoformat()}"
    if terms.duration == "forever":
        return "forever"
    return terms.duration or "without a known end"
