"""What a customer's subscriptions say beside MRR (billing.md, plan, tenure, others).

Each of one subscription, so that an account of thousands can keep them beside the objects, and of
several.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Final

from plumbline_schemas.billing import Subscription
from plumbline_schemas.catalogue import Recurring

from plumbline_domain.facts import item_age
from plumbline_domain.sighting import Seen, SeenSubscription
from plumbline_domain.subscriptions import ended_last, live, start_of, started

WORST_FIRST: Final = (
    "unpaid",
    "past_due",
    "incomplete",
    "paused",
    "active",
    "trialing",
    "canceled",
)


def subscription_status(
    subscriptions: Sequence[SeenSubscription], *, at: datetime
) -> tuple[str | None, SeenSubscription | None]:
    """Worst status of the live ones, else that of the one that ended last, and whose it is.

    Stripe's own word: its `past_due` (still retrying) is our payment status `failing`.
    """
    known = [seen for seen in subscriptions if started(seen.body, at)]
    living = [seen for seen in known if live(seen.body, at)]
    if living:
        worst = min(living, key=lambda seen: (_badness(seen.body.status), start_of(seen)))
        return worst.body.status, worst
    if known:
        last = ended_last(known)
        return last.body.status, last
    return None, None


def _badness(status: str) -> int:
    return WORST_FIRST.index(status) if status in WORST_FIRST else len(WORST_FIRST)


def renewal_of(subscription: Subscription, *, at: datetime) -> datetime | None:
    """Earliest end of a period over its items, if it is live."""
    if not live(subscription, at):
        return None
    ends = [item.current_period_end for item in subscription.items]
    return min((end for end in ends if end is not None), default=None)


def next_renewal_at(
    subscriptions: Iterable[Seen[Subscription]], *, at: datetime
) -> datetime | None:
    """Earliest period end over all live items."""
    found = (renewal_of(seen.body, at=at) for seen in subscriptions)
    return min((one for one in found if one is not None), default=None)


def planned_end(subscription: Subscription, *, at: datetime) -> datetime | None:
    """When a live subscription is set to end: its `cancel_at`, else the end of its last period.

    None: it is not set to end, or nothing says when.
    """
    if not live(subscription, at):
        return None
    if subscription.cancel_at is not None:
        return subscription.cancel_at
    if not subscription.cancel_at_period_end:
        return None
    ends = [item.current_period_end for item in subscription.items]
    return max((end for end in ends if end is not None), default=None)


def planned_cancellation_at(
    subscriptions: Iterable[Seen[Subscription]], *, at: datetime
) -> datetime | None:
    """The first of the planned ends."""
    found = (planned_end(seen.body, at=at) for seen in subscriptions)
    return min((one for one in found if one is not None), default=None)


def set_to_end(subscription: Subscription, *, at: datetime) -> bool:
    """Whether a live subscription ends by itself, at period end or at a date however far."""
    planned = subscription.cancel_at_period_end or subscription.cancel_at is not None
    return planned and live(subscription, at)


def mrr_ending(
    subscriptions: Iterable[Seen[Subscription]],
    contributions: Mapping[str, Fraction],
    *,
    at: datetime,
) -> Fraction:
    """What of the MRR ends with those that are set to end: exact, of `contributions` by id.

    Under policies that count planned cancellations zero it is part of no MRR any more, so 0.
    """
    return sum(
        (
            contributions.get(seen.id, Fraction(0))
            for seen in subscriptions
            if set_to_end(seen.body, at=at)
        ),
        Fraction(0),
    )


def billing_interval(subscriptions: Sequence[Seen[Subscription]], *, at: datetime) -> str | None:
    """How often the plan's item bills: `month`, `3 months`, `year`.

    Of the subscription and the item that name the plan; None for a one-time price or none.
    """
    known = [seen for seen in subscriptions if started(seen.body, at)]
    living = [seen for seen in known if live(seen.body, at)]
    chosen = min(living or known, key=start_of, default=None)
    if not living and known:
        ended = ended_last(list[SeenSubscription](known)).id
        chosen = next(seen for seen in known if seen.id == ended)
    if chosen is None or not chosen.body.items:
        return None
    return interval_words(min(chosen.body.items, key=item_age).price.recurring)


def interval_words(recurring: Recurring | None) -> str | None:
    """`month`, `3 months`; None for what does not recur."""
    if recurring is None:
        return None
    if recurring.interval_count == 1:
        return recurring.interval
    return f"{recurring.interval_count} {recurring.interval}s"
