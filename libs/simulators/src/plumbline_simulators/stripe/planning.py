"""The jobs of the clock that a subscription needs as it is now."""

from plumbline_simulators.stripe.items import next_end
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.periods import DAY_SECONDS
from plumbline_simulators.stripe.store import Record

TRIAL_NOTICE_SECONDS = 3 * DAY_SECONDS


def plan_subscription(ledger: Ledger, subscription: Record) -> None:
    """The clock's jobs for a subscription as it is now."""
    name, now, store = subscription["id"], ledger.now(), ledger.store
    store.drop_jobs(name, "renew", "cancel", "trial_will_end", "resume")
    status = subscription["status"]
    if status in ("canceled", "incomplete_expired", "incomplete"):
        return
    if status != "paused":
        store.plan_job(name, "renew", next_end(subscription["items"]))
    if subscription.get("cancel_at") and not subscription.get("cancel_at_period_end"):
        store.plan_job(name, "cancel", subscription["cancel_at"])
    if status == "trialing" and subscription["trial_end"] - TRIAL_NOTICE_SECONDS > now:
        notice = subscription["trial_end"] - TRIAL_NOTICE_SECONDS
        store.plan_job(name, "trial_will_end", notice)
    paused = subscription.get("pause_collection")
    if paused and paused.get("resumes_at"):
        store.plan_job(name, "resume", paused["resumes_at"])
