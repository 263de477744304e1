"""What a paid or unpaid invoice does to its subscription and customer."""

from plumbline_simulators.stripe.endings import end_subscription
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.pauses import RESUMES, go_on, pause, paused_because
from plumbline_simulators.stripe.store import Record

PAYMENT_FAILURES = ("first_payment_failure", "final_payment_failure")
_RECOVERABLE = ("past_due", "unpaid", "incomplete")


def after_paid(ledger: Ledger, invoice: Record) -> None:
    """Paying the latest invoice makes the subscription active again."""
    set_delinquent(ledger, invoice["customer"])
    subscription = _subscription_of(ledger, invoice)
    if subscription is not None and subscription["status"] == "paused":
        _after_paid_in_pause(ledger, subscription, invoice)
        return
    if subscription is None or subscription["status"] not in _RECOVERABLE:
        return
    if subscription.get("latest_invoice") != invoice["id"]:
        return
    ledger.store.drop_jobs(subscription["id"], "expire")
    ledger.update(
        subscription, {**subscription, "status": "active"}, "customer.subscription.updated"
    )


def _after_paid_in_pause(ledger: Ledger, subscription: Record, invoice: Record) -> None:
    """The resumption invoice ends a pause; where the account says so, the failed one as well."""
    resumes = subscription.get(RESUMES) == invoice["id"]
    failed = paused_because(subscription) in PAYMENT_FAILURES
    if resumes or (failed and ledger.billing.resume_when_paid):
        go_on(ledger, subscription)


def after_failed(ledger: Ledger, invoice: Record, *, exhausted: bool) -> None:
    """Past due while retries last; then as the account's setting says."""
    set_delinquent(ledger, invoice["customer"])
    subscription = _subscription_of(ledger, invoice)
    if subscription is None or subscription["status"] not in ("active", "past_due", "trialing"):
        return
    renewal = invoice.get("billing_reason") == "subscription_cycle"
    if renewal and ledger.billing.pause_after_first_failure and subscription["status"] == "active":
        pause(ledger, subscription, "first_payment_failure")
        return
    if exhausted and ledger.billing.after_retries == "paused":
        pause(ledger, subscription, "final_payment_failure")
        return
    if exhausted and ledger.billing.after_retries == "canceled":
        end_subscription(ledger, subscription, reason="payment_failed")
        return
    status = ledger.billing.after_retries if exhausted else "past_due"
    ledger.update(subscription, {**subscription, "status": status}, "customer.subscription.updated")


def after_overdue(ledger: Ledger, invoice: Record) -> None:
    """A sent invoice not paid by its due date."""
    set_delinquent(ledger, invoice["customer"])
    subscription = _subscription_of(ledger, invoice)
    if subscription is not None and subscription["status"] == "active":
        after = {**subscription, "status": "past_due"}
        ledger.update(subscription, after, "customer.subscription.updated")


def set_delinquent(ledger: Ledger, customer_id: str) -> None:
    """`delinquent`: some open invoice was tried in vain or is past its due date."""
    customer = ledger.store.get(customer_id, "customer")
    if customer is None or customer.get("deleted"):
        return
    now = ledger.now()
    delinquent = any(
        invoice["status"] == "open"
        and (invoice.get("attempted") or (invoice.get("due_date") or now + 1) <= now)
        for invoice in ledger.store.of_customer(customer_id, "invoice")
    )
    if delinquent != customer.get("delinquent", False):
        ledger.update(customer, {**customer, "delinquent": delinquent}, "customer.updated")


def _subscription_of(ledger: Ledger, invoice: Record) -> Record | None:
    name = invoice.get("_parent")
    return None if name is None else ledger.store.get(name, "subscription")
