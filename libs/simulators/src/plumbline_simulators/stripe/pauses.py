"""Status `paused`: into it and out of it, whoever asked."""

from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.planning import plan_subscription
from plumbline_simulators.stripe.store import Record

UPDATED = "customer.subscription.updated"
RESUMES = "_resumes"
"""While a paused subscription waits for its resumption invoice: that invoice's id."""


def pause(ledger: Ledger, subscription: Record, kind: str) -> Record:
    """No further renewals; `kind` is the reason in status_details."""
    paused = {
        "type": "subscription",
        "transitioned_at": ledger.now(),
        "subscription": {"type": kind},
    }
    after = {**subscription, "status": "paused", "status_details": {"paused": paused}}
    ledger.update(subscription, after, UPDATED, "customer.subscription.paused")
    plan_subscription(ledger, after)
    return after


def paused_because(subscription: Record) -> str | None:
    """The reason in status_details; None while it is not paused."""
    details = (subscription.get("status_details") or {}).get("paused")
    return None if details is None else details["subscription"]["type"]


def go_on(ledger: Ledger, subscription: Record) -> Record:
    """Active again, with the items' periods as they are."""
    after = {**subscription, "status": "active", "status_details": None, RESUMES: None}
    ledger.store.drop_jobs(subscription["id"], "resume_lapses")
    ledger.update(subscription, after, UPDATED, "customer.subscription.resumed")
    plan_subscription(ledger, after)
    return after
