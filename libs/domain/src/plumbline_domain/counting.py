"""Whether a subscription counts at an instant (billing.md, MRR and the presets)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from plumbline_schemas.billing import Invoice, Subscription

from plumbline_domain.reckoning import Reckoning
from plumbline_domain.subscriptions import started

ZERO: Final = frozenset({"trialing", "incomplete", "incomplete_expired", "paused", "canceled"})
OWING: Final = frozenset({"past_due", "unpaid"})


class Counted(NamedTuple):
    """Whether it counts, and the rule that says so."""

    yes: bool
    rule: str


def collection_paused(subscription: Subscription, at: datetime) -> bool:
    """A `pause_collection` whose `resumes_at` has passed no longer pauses."""
    pause = subscription.pause_collection
    return pause is not None and (pause.resumes_at is None or pause.resumes_at > at)


def counts(subscription: Subscription, on: Reckoning) -> Counted:
    """Decide for the instant `on.beside.at`; later instants that may change it go into `on`."""
    status = subscription.status
    dated = _by_date(subscription, on)
    if dated is not None:
        return dated
    if status in ZERO:
        return Counted(False, f"subscription.{status}")
    if status != "active" and status not in OWING:
        on.wrong("unknown_status", on.subscription_id)
        return Counted(False, "subscription.error")
    if status in OWING:
        owing = _owing(status, on)
        if not owing.yes:
            return owing
    return _by_switch(subscription, on)


def _by_date(subscription: Subscription, on: Reckoning) -> Counted | None:
    """Not started yet, or at its end; None in between.

    Counted until it ends: at `cancel_at` it has, even while the vendor's word of it is under way.
    """
    at, ends = on.beside.at, subscription.cancel_at
    if not started(subscription, at):
        on.later(subscription.start_date)
        return Counted(False, "subscription.not_started")
    if ends is None or subscription.status in ZERO:
        return None
    on.later(ends)
    return Counted(False, "subscription.cancellation_arrived") if ends <= at else None


def _by_switch(subscription: Subscription, on: Reckoning) -> Counted:
    policy = on.beside.policy
    if collection_paused(subscription, on.beside.at):
        on.needed.add("collection_paused")
        if subscription.pause_collection is not None:
            on.later(subscription.pause_collection.resumes_at)
        if policy.collection_paused == "zero":
            return Counted(False, "subscription.collection_paused")
    if subscription.cancel_at_period_end or subscription.cancel_at is not None:
        on.needed.add("planned_cancellation")
        if policy.planned_cancellation == "zero":
            return Counted(False, "subscription.planned_cancellation")
    if subscription.collection_method == "send_invoice" and _first_unpaid(on.beside.invoices):
        on.needed.add("first_invoice")
        if policy.first_invoice == "when_paid":
            return Counted(False, "subscription.first_invoice_unpaid")
    return Counted(True, "subscription.counted")


def _owing(status: str, on: Reckoning) -> Counted:
    policy = on.beside.policy
    if (policy.past_due if status == "past_due" else policy.unpaid) == "zero":
        return Counted(False, f"subscription.{status}")
    until = _owing_until(on.beside.invoices, policy.owing_days)
    if until is not None and until <= on.beside.at:
        return Counted(False, "subscription.owing_too_long")
    on.later(until)
    return Counted(True, "subscription.counted")


def _owing_until(invoices: Sequence[tuple[str, Invoice]], days: int | None) -> datetime | None:
    """From the oldest open tried invoice's due date, or else its finalisation."""
    if days is None:
        return None
    since = [
        instant
        for _, invoice in invoices
        if invoice.status == "open" and invoice.attempted
        for instant in (invoice.due_date or invoice.finalized_at,)
        if instant is not None
    ]
    return None if not since else min(since) + timedelta(days=days)


def _first_unpaid(invoices: Sequence[tuple[str, Invoice]]) -> bool:
    if any(invoice.status == "paid" for _, invoice in invoices):
        return False
    return any(
        invoice.status in ("draft", "open") and invoice.billing_reason == "subscription_create"
        for _, invoice in invoices
    )
