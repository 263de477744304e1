"""MRR policies: one set of named switches, five presets (billing.md, cases and their fine print).

A preset follows what its vendor publishes. Where a vendor states nothing the preset does as
`plumbline` does; `assumed` names those switches, and the working says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

Counting = Literal["counted", "zero"]
RateDay = Literal["at", "start"]
Metered = Literal["zero", "last_invoice"]
FirstInvoice = Literal["counted", "when_paid"]
PlanChanges = Literal["at_once", "when_invoiced"]
Credits = Literal["ignored", "taken_off"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What counts as monthly recurring revenue."""

    name: str
    past_due: Counting = "counted"
    """Subscriptions whose last payment failed and is retried."""
    unpaid: Counting = "zero"
    """Subscriptions whose retries are used up."""
    owing_days: int | None = None
    """`past_due` and `unpaid` count for so many days from the due date, or else the finalisation,
    of the subscription's oldest open tried invoice; None: as long as they last."""
    collection_paused: Counting = "zero"
    planned_cancellation: Counting = "counted"
    """Subscriptions that are set to end, until they do."""
    once: Counting = "zero"
    """Discounts of duration `once`, while attached."""
    repeating: Counting = "counted"
    customer_discounts: Counting = "counted"
    metered: Metered = "zero"
    """`last_invoice`: the item's line of the latest finalised invoice that has one."""
    first_invoice: FirstInvoice = "counted"
    """`when_paid`: an invoiced subscription is zero while its first invoice is not paid."""
    rate_day: RateDay = "at"
    """Whose day's exchange rate: the instant's, or the subscription's `start_date`."""
    plan_changes: PlanChanges = "at_once"
    """`when_invoiced`: an item keeps what was invoiced until its new price is on an invoice."""
    credits: Credits = "ignored"
    """`taken_off`: credits on the subscription's latest finalised invoice are taken off."""
    same_month_churn: Counting = "counted"
    """Customers that came and went within one month, in reports of movements."""
    assumed: frozenset[str] = frozenset()
    """Switches, and ids of rules, on which the vendor of the preset states nothing."""


_SPANS: Final = frozenset({"interval.week", "interval.day"})
_TIERS: Final = frozenset({"price.graduated", "price.volume", "price.transform_quantity"})

_PRESETS: Final = (
    Policy("plumbline"),
    Policy(
        "stripe_default",
        collection_paused="counted",
        planned_cancellation="zero",
        repeating="zero",
        assumed=_SPANS | {"customer_discounts"},
    ),
    Policy(
        "chartmogul",
        unpaid="counted",
        collection_paused="counted",
        once="counted",
        first_invoice="when_paid",
        plan_changes="when_invoiced",
        assumed=_SPANS | {"customer_discounts", "credits", "subscription.paused"},
    ),
    Policy(
        "baremetrics",
        unpaid="counted",
        owing_days=30,
        once="counted",
        assumed=_SPANS
        | _TIERS
        | frozenset(
            {
                "subscription.trialing",
                "subscription.incomplete",
                "subscription.incomplete_expired",
                "subscription.paused",
                "subscription.not_started",
                "item.trial",
                "discount.other_product",
                "tax.inclusive",
                "plan_changes",
                "credits",
                "collection_paused",
                "planned_cancellation",
                "customer_discounts",
                "metered",
                "first_invoice",
                "rate_day",
            }
        ),
    ),
    Policy(
        "profitwell",
        once="counted",
        metered="last_invoice",
        first_invoice="when_paid",
        rate_day="start",
        credits="taken_off",
        same_month_churn="zero",
        assumed=_SPANS | _TIERS | {"customer_discounts", "discount.other_product", "plan_changes"},
    ),
)

POLICIES: Final[Mapping[str, Policy]] = MappingProxyType({one.name: one for one in _PRESETS})
PLUMBLINE: Final = POLICIES["plumbline"]

_ALLOWED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "past_due": get_args(Counting),
        "unpaid": get_args(Counting),
        "collection_paused": get_args(Counting),
        "planned_cancellation": get_args(Counting),
        "once": get_args(Counting),
        "repeating": get_args(Counting),
        "customer_discounts": get_args(Counting),
        "metered": get_args(Metered),
        "first_invoice": get_args(FirstInvoice),
        "rate_day": get_args(RateDay),
        "plan_changes": get_args(PlanChanges),
        "credits": get_args(Credits),
        "same_month_churn": get_args(Counting),
    }
)
SWITCHES: Final = tuple(one.name for one in fields(Policy) if one.name in {*_ALLOWED, "owing_days"})


def policy_of(table: str | Mapping[str, Any]) -> Policy:
    """A preset by its name, or a custom table: `base` (a preset, default plumbline) and switches.

    Raises:
        ValueError: naming the unknown preset, switch or value, and what is allowed.
    """
    if isinstance(table, str):
        return _preset(table)
    base = _preset(table.get("base", PLUMBLINE.name))
    chosen = {name: value for name, value in table.items() if name != "base"}
    for name, value in chosen.items():
        _check(name, value)
    return replace(base, name="custom", assumed=base.assumed - chosen.keys(), **chosen)


def _preset(name: object) -> Policy:
    if not isinstance(name, str) or name not in POLICIES:
        raise ValueError(f"unknown policy {name!r}, expected one of {', '.join(POLICIES)}")
    return POLICIES[name]


def _check(name: str, value: object) -> None:
    if name == "owing_days":
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 3650:
            raise ValueError(f"{name} = {value!r}, expected a number of days from 0 to 3650")
        return
    if name not in _ALLOWED:
        raise ValueError(f"unknown switch {name!r}, expected one of base, {', '.join(SWITCHES)}")
    if value not in _ALLOWED[name]:
        raise ValueError(f"{name} = {value!r}, expected one of {', '.join(_ALLOWED[name])}")
