"""What the clock does to subscriptions and invoices: renewals, trial ends, retries, expiries."""

from collections.abc import Callable

from plumbline_simulators.stripe.discounts import END_JOB, detach
from plumbline_simulators.stripe.effects import after_overdue
from plumbline_simulators.stripe.endings import end_subscription
from plumbline_simulators.stripe.invoices import (
    attempt,
    draft_for,
    finalize,
    mark_uncollectible,
    void,
)
from plumbline_simulators.stripe.items import with_period
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.lines import line_for
from plumbline_simulators.stripe.pauses import RESUMES, UPDATED, pause
from plumbline_simulators.stripe.planning import plan_subscription
from plumbline_simulators.stripe.store import Record


def renew(
    ledger: Ledger,
    subscription: Record,
    *,
    reason: str = "subscription_cycle",
    stays_paused: bool = False,
) -> Record:
    """Roll the items whose period is over, and invoice them with what is pending.

    One that is paused goes on, unless it `stays_paused` until the invoice is paid.
    """
    now = ledger.now()
    anchor = subscription["billing_cycle_anchor"]
    items, lines = [], list(subscription.get("_pending_lines", []))
    for item in subscription["items"]:
        if item["current_period_end"] > now:
            items.append(item)
            continue
        rolled = with_period(ledger, item, anchor, now)
        items.append(rolled)
        lines.append(line_for(ledger, subscription, rolled))
    status = subscription["status"]
    after = {
        **subscription,
        "items": items,
        "status": "active" if status in ("trialing", "paused") and not stays_paused else status,
        "status_details": subscription.get("status_details") if stays_paused else None,
        "latest_invoice": ledger.ids.next("in"),
        "_pending_lines": [],
    }
    ledger.update(subscription, after, UPDATED)
    plan_subscription(ledger, after)
    paused = after.get("pause_collection")
    invoice = draft_for(
        ledger,
        after,
        lines,
        reason=reason,
        invoice_id=after["latest_invoice"],
        advance=status != "unpaid" and not paused,
    )
    if paused and paused["behavior"] != "keep_as_draft":
        invoice = finalize(ledger, invoice)
        if invoice["status"] == "open":
            close = void if paused["behavior"] == "void" else mark_uncollectible
            close(ledger, invoice)
    return ledger.get("subscription", after["id"])


def finalize_draft(ledger: Ledger, invoice: Record) -> Record:
    """Finalise what is still a draft; nobody tries to collect it."""
    return finalize(ledger, invoice) if invoice["status"] == "draft" else invoice


def charge_draft(ledger: Ledger, invoice: Record) -> None:
    """Finalise a draft and, unless it is sent by mail, try to collect it."""
    if invoice["status"] != "draft" or not invoice["auto_advance"]:
        return
    invoice = finalize(ledger, invoice)
    if invoice["status"] == "open" and invoice["collection_method"] == "charge_automatically":
        attempt(ledger, invoice)


def _renew(ledger: Ledger, subscription: Record) -> None:
    if subscription["status"] == "trialing":
        if subscription.get("cancel_at_period_end"):
            end_subscription(ledger, subscription, reason="cancellation_requested")
            return
        settings = subscription.get("trial_settings") or {}
        chosen = settings.get("end_behavior", {}).get("missing_payment_method", "create_invoice")
        if ledger.behaviour(subscription["customer"]) == "missing" and chosen != "create_invoice":
            if chosen == "pause":
                pause(ledger, subscription, "trial_end_without_payment_method")
            else:
                end_subscription(ledger, subscription, reason="payment_failed")
            return
    elif subscription.get("cancel_at_period_end"):
        end_subscription(ledger, subscription, reason="cancellation_requested")
        return
    renew(ledger, subscription)


def _cancel(ledger: Ledger, subscription: Record) -> None:
    end_subscription(ledger, subscription, reason="cancellation_requested")


def _trial_will_end(ledger: Ledger, subscription: Record) -> None:
    if subscription["status"] == "trialing":
        ledger.emit("customer.subscription.trial_will_end", subscription)


def _expire(ledger: Ledger, subscription: Record) -> None:
    if subscription["status"] != "incomplete":
        return
    after = {**subscription, "status": "incomplete_expired", "ended_at": ledger.now()}
    ledger.update(subscription, after, UPDATED)
    ledger.store.drop_jobs(subscription["id"])
    for invoice in ledger.store.of_parent(subscription["id"], "invoice"):
        if invoice["status"] == "open":
            void(ledger, invoice)


def _resume_collection(ledger: Ledger, subscription: Record) -> None:
    ledger.update(subscription, {**subscription, "pause_collection": None}, UPDATED)


def _resume_lapses(ledger: Ledger, subscription: Record) -> None:
    """The resumption invoice was not paid in time: it is void, and the pause lasts."""
    invoice = ledger.store.get(subscription.get(RESUMES) or "", "invoice")
    ledger.update(subscription, {**subscription, RESUMES: None})
    if invoice is not None and invoice["status"] == "open":
        void(ledger, invoice)


def _retry(ledger: Ledger, invoice: Record) -> None:
    if invoice["status"] == "open":
        attempt(ledger, invoice)


def _overdue(ledger: Ledger, invoice: Record) -> None:
    if invoice["status"] == "open":
        ledger.emit("invoice.overdue", invoice)
        after_overdue(ledger, invoice)


JOBS: dict[tuple[str, str], Callable[[Ledger, Record], None]] = {
    ("subscription", "renew"): _renew,
    ("subscription", "cancel"): _cancel,
    ("subscription", "trial_will_end"): _trial_will_end,
    ("subscription", "expire"): _expire,
    ("subscription", "resume"): _resume_collection,
    ("subscription", "resume_lapses"): _resume_lapses,
    ("discount", END_JOB): detach,
    ("invoice", "finalize"): charge_draft,
    ("invoice", "retry"): _retry,
    ("invoice", "overdue"): _overdue,
}
