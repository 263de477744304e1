"""Words about subscriptions that several rules share (billing.md, fine print of lifecycle)."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from plumbline_schemas.billing import Subscription

from plumbline_domain.facts import EPOCH, SubscriptionFacts
from plumbline_domain.sighting import SeenSubscription, Sighting

ENDED: Final = frozenset({"canceled", "incomplete_expired"})
NEVER_BEGAN: Final = frozenset({"incomplete", "incomplete_expired"})
"""For the stage these do not exist."""


def started(subscription: Subscription | SubscriptionFacts, at: datetime) -> bool:
    """Whether its start date is not after `at`; without one it has started."""
    return subscription.start_date is None or subscription.start_date <= at


def live(subscription: Subscription | SubscriptionFacts, at: datetime) -> bool:
    """Started, and neither canceled nor expired before its first payment."""
    return started(subscription, at) and subscription.status not in ENDED


def start_of(seen: SeenSubscription) -> tuple[datetime, str]:
    """Sorts subscriptions, the earliest start first, then the smallest id."""
    return (seen.body.start_date or seen.body.created or EPOCH, seen.id)


def ended_last(subscriptions: list[SeenSubscription]) -> SeenSubscription:
    """The one that ended last; of several that ended together the one that started first."""
    latest = max(end_of(seen) for seen in subscriptions)
    return min((seen for seen in subscriptions if end_of(seen) == latest), key=start_of)


def end_of(seen: SeenSubscription) -> datetime:
    """When a subscription ended, as far as it says."""
    body = seen.body
    return body.ended_at or body.canceled_at or body.created or EPOCH


def ended_by(deletion: Sighting, seen: SeenSubscription) -> SeenSubscription:
    """The subscription as a deleted customer leaves it: over, whatever its last event said.

    Deleting a customer cancels its subscriptions at once (Stripe); their own events may be late.
    """
    if seen.body.status in ENDED:
        return seen
    status = "incomplete_expired" if seen.body.status in NEVER_BEGAN else "canceled"
    return replace(seen, body=ended(seen.body, status, deletion.vendor_time))


def ended(
    body: Subscription | SubscriptionFacts, status: str, at: datetime
) -> Subscription | SubscriptionFacts:
    """The subscription as it is when it is over since `at`."""
    if isinstance(body, SubscriptionFacts):
        return body._replace(status=status, ended_at=at, instants=())
    return body.model_copy(update={"status": status, "ended_at": at})
