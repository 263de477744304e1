"""The end of a subscription, whoever asked for it."""

from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.store import Record


def end_subscription(
    ledger: Ledger,
    subscription: Record,
    *,
    reason: str,
    comment: str | None = None,
    feedback: str | None = None,
) -> Record:
    """Status canceled, once and for all; its drafts are no longer finalised by the clock.

    `reason` is cancellation_requested, payment_failed or payment_disputed.
    """
    now = ledger.now()
    ledger.store.drop_jobs(subscription["id"])
    for invoice in ledger.store.of_parent(subscription["id"], "invoice"):
        if invoice["status"] == "draft":
            ledger.store.drop_jobs(invoice["id"])
            ledger.update(invoice, {**invoice, "auto_advance": False}, "invoice.updated")
    after = {
        **subscription,
        "status": "canceled",
        "canceled_at": subscription.get("canceled_at") or now,
        "ended_at": now,
        "cancellation_details": {"comment": comment, "feedback": feedback, "reason": reason},
    }
    ledger.update(subscription, after, "customer.subscription.deleted")
    _end_schedule(ledger, subscription, aborted=reason == "payment_failed")
    return after


def _end_schedule(ledger: Ledger, subscription: Record, *, aborted: bool) -> None:
    """A schedule ends with its subscription; `aborted` says that the customer did not pay."""
    schedule = ledger.store.get(subscription.get("schedule") or "", "subscription_schedule")
    if schedule is None or schedule["status"] != "active":
        return
    ledger.store.drop_jobs(schedule["id"])
    after = {
        **schedule,
        "status": "canceled",
        "canceled_at": ledger.now(),
        "current_phase": None,
    }
    word = "aborted" if aborted else "canceled"
    ledger.update(schedule, after, f"subscription_schedule.{word}")
