"""What `--json` prints of an account: the keys are a contract, and only ever added to."""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from plumbline_domain.money import to_minor
from plumbline_domain.working import DiscountLine, ItemWorking, TierLine

from console.explain.answer import Answer, Part

_STEPS: Final = ("currency", "list", "tiers", "discounts", "tax", "factor", "rate", "rate_date")


def document(answer: Answer) -> dict[str, Any]:
    """One account. Amounts in `items` are exact minor units of the item's own currency."""
    known = answer.standing
    minor = answer.minor
    printed: dict[str, Any] = {
        "mrr": None if minor is None else {"minor": minor, "currency": answer.currency},
        "exact": _exact(answer.exact),
        "status": answer.status,
        "missing": list(answer.missing),
        "plan": None if known is None else known.plan.value,
        "payment_status": None if known is None else known.payment.value,
        "state": None if known is None else known.where.state,
        "stage": None if known is None else known.where.stage,
        "items": [item for part in answer.parts for item in _items(part, answer)],
    }
    if answer.error is not None:
        printed["error"] = {"name": answer.error.name, "where": answer.error.where}
    return printed


def _items(part: Part, answer: Answer) -> Iterator[dict[str, Any]]:
    """Every item of a subscription, those of one that counts zero included."""
    working = part.contribution.working
    body = part.seen.body
    worked = {} if working is None else {item.item_id: item for item in working.items}
    rule = "" if working is None else working.rule
    for item in body.items:
        own = worked.get(item.item_id)
        yield {
            "subscription": part.seen.id,
            "item": item.item_id,
            "price": item.price.price_id,
            "quantity": item.quantity,
            "mrr": _mrr(own, part, answer),
            "rules": [rule, *(() if own is None else own.rules)],
            **_steps(own),
        }


def _mrr(item: ItemWorking | None, part: Part, answer: Answer) -> dict[str, Any] | None:
    """Of an item that is not in the working: its subscription counts zero."""
    if part.unsure:
        return None
    mrr = Fraction(0) if item is None or item.mrr is None else item.mrr
    return {"minor": to_minor(mrr), "currency": answer.currency, "exact": str(mrr)}


def _steps(item: ItemWorking | None) -> dict[str, Any]:
    """The same keys of every item; null where a step was not needed."""
    if item is None:
        return dict.fromkeys(_STEPS) | {"tiers": [], "discounts": [], "missing": []}
    return {
        "currency": item.currency,
        "list": _exact(item.list_amount),
        "tiers": [_tier(tier) for tier in item.tiers],
        "discounts": [_discount(discount) for discount in item.discounts],
        "tax": _exact(item.tax),
        "factor": _exact(item.factor),
        "rate": _exact(item.rate),
        "rate_date": None if item.rate_day is None else item.rate_day.isoformat(),
        "missing": list(item.missing),
    }


def _tier(tier: TierLine) -> dict[str, Any]:
    return {
        "up_to": tier.up_to,
        "units": tier.units,
        "unit_amount": _plain(tier.unit_amount),
        "flat_amount": _plain(tier.flat_amount),
        "amount": str(tier.amount),
    }


def _discount(line: DiscountLine) -> dict[str, Any]:
    return {
        "discount": line.discount_id,
        "level": line.level,
        "coupon": line.coupon,
        "percent_off": _plain(line.percent_off),
        "amount_off": _plain(line.amount_off),
        "applied": line.before is not None,
        "rule": line.rule,
        "before": _exact(line.before),
        "after": _exact(line.after),
    }


def _exact(amount: Fraction | None) -> str | None:
    return None if amount is None else str(amount)


def _plain(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"
