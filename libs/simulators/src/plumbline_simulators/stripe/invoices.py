"""Invoices: draft, open, paid, void, uncollectible; payment attempts and their retries."""

from plumbline_simulators.stripe.discounts import detach, live_discounts
from plumbline_simulators.stripe.effects import after_failed, after_paid, set_delinquent
from plumbline_simulators.stripe.errors import StripeError, card_declined
from plumbline_simulators.stripe.invoice_payments import charge, close_payments, open_payment
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.periods import DAY_SECONDS
from plumbline_simulators.stripe.store import Record
from plumbline_simulators.stripe.totals import totals

NO_TRANSITIONS = {
    "finalized_at": None,
    "marked_uncollectible_at": None,
    "paid_at": None,
    "voided_at": None,
}


def draft_for(
    ledger: Ledger,
    subscription: Record,
    lines: list[Record],
    *,
    reason: str,
    invoice_id: str | None = None,
    advance: bool = True,
) -> Record:
    """A draft of a subscription's charges; `advance`: the clock finalises it in an hour."""
    now = ledger.now()
    discounts = live_discounts(ledger, subscription)
    customer = ledger.store.get(subscription["customer"], "customer") or {}
    record: Record = {
        "object": "invoice",
        "id": invoice_id or ledger.ids.next("in"),
        "created": now,
        "customer": subscription["customer"],
        "customer_email": customer.get("email"),
        "customer_name": customer.get("name"),
        "_parent": subscription["id"],
        "parent": {
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": {
                "metadata": subscription["metadata"],
                "subscription": subscription["id"],
                "subscription_proration_date": None,
            },
        },
        "billing_reason": reason,
        "collection_method": subscription["collection_method"],
        "_days_until_due": subscription.get("days_until_due"),
        "currency": subscription["currency"],
        "status": "draft",
        "auto_advance": advance,
        "period_start": min((line["period"]["start"] for line in lines), default=now),
        "period_end": max((line["period"]["end"] for line in lines), default=now),
        **totals(ledger, subscription, customer, lines, discounts),
    }
    if advance:
        due = now + ledger.billing.finalize_after_seconds
        record["automatically_finalizes_at"] = due
        ledger.store.plan_job(record["id"], "finalize", due)
    ledger.create(record, "invoice.created")
    for discount, taken in zip(discounts, record["total_discount_amounts"], strict=True):
        if discount["_once"] and taken["amount"] > 0:
            detach(ledger, discount)
    return record


def finalize(ledger: Ledger, invoice: Record) -> Record:
    """Draft to open, with number, due date and a payment; nothing due means paid at once."""
    if invoice["status"] != "draft":
        raise StripeError(
            400,
            f"This invoice is already finalized, you can't re-finalize a non-draft invoice: "
            f"{invoice['id']}",
            code="invoice_not_editable",
        )
    now = ledger.now()
    ledger.store.drop_jobs(invoice["id"], "finalize")
    after = {
        **invoice,
        "status": "open",
        "number": _number(ledger, invoice["customer"]),
        "effective_at": now,
        "ending_balance": 0,
        "automatically_finalizes_at": None,
        "webhooks_delivered_at": now,
        "status_transitions": {**NO_TRANSITIONS, "finalized_at": now},
    }
    if invoice["collection_method"] == "send_invoice":
        after["due_date"] = now + (invoice.get("_days_until_due") or 30) * DAY_SECONDS
        ledger.store.plan_job(invoice["id"], "overdue", after["due_date"])
    _settle_balance(ledger, after)
    if after["amount_due"] > 0:
        after["_payment_intent"] = open_payment(ledger, after)
    ledger.update(invoice, after, "invoice.finalized")
    return after if after["amount_due"] > 0 else settle(ledger, after)


def attempt(ledger: Ledger, invoice: Record) -> Record:
    """Charge the customer's payment method; a failure plans the next attempt."""
    if ledger.behaviour(invoice["customer"]) == "ok":
        return settle(ledger, invoice)
    return fail(ledger, invoice)


def fail(ledger: Ledger, invoice: Record, *, retry: bool = True) -> Record:
    """A declined attempt: attempt_count, the next attempt by the retry schedule, events."""
    now = ledger.now()
    charge(ledger, invoice, declined=True)
    first = invoice.get("_first_failed_at") or now
    count = invoice.get("attempt_count", 0) + 1
    days = ledger.billing.retry_days
    upcoming = [first + day * DAY_SECONDS for day in days if first + day * DAY_SECONDS > now]
    next_attempt = upcoming[0] if retry and upcoming else None
    after = {
        **invoice,
        "attempted": True,
        "attempt_count": count,
        "next_payment_attempt": next_attempt,
        "_first_failed_at": first,
    }
    if next_attempt is None:
        ledger.store.drop_jobs(invoice["id"], "retry")
    else:
        ledger.store.plan_job(invoice["id"], "retry", next_attempt)
    ledger.update(invoice, after, "invoice.updated", "invoice.payment_failed")
    after_failed(ledger, after, exhausted=retry and next_attempt is None)
    return after


def settle(ledger: Ledger, invoice: Record, *, out_of_band: bool = False) -> Record:
    """Paid; out of band has no invoice.payment_succeeded."""
    now = ledger.now()
    ledger.store.drop_jobs(invoice["id"])
    due = invoice["amount_due"]
    tried = due > 0 and not out_of_band
    after = {
        **invoice,
        "status": "paid",
        "attempted": True,
        "attempt_count": invoice.get("attempt_count", 0) + int(tried),
        "amount_paid": due,
        "amount_remaining": 0,
        "amount_paid_off_stripe": due if out_of_band else None,
        "auto_advance": False,
        "next_payment_attempt": None,
        "_paid_out_of_band": out_of_band,
        "status_transitions": {**invoice["status_transitions"], "paid_at": now},
    }
    if tried:
        after["_charge"] = charge(ledger, invoice)
    names = ["invoice.updated", "invoice.paid"]
    if not out_of_band:
        names.append("invoice.payment_succeeded")
    ledger.update(invoice, after, *names)
    close_payments(ledger, after, "canceled" if out_of_band else "paid")
    after_paid(ledger, after)
    return after


def pay(ledger: Ledger, invoice: Record, *, out_of_band: bool = False) -> Record:
    """The API's pay; raises Stripe's card_error when the payment method declines."""
    if invoice["status"] == "draft":
        invoice = finalize(ledger, invoice)
    if invoice["status"] == "paid":
        raise StripeError(400, "Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] not in ("open", "uncollectible"):
        raise StripeError(400, f"Invoice is {invoice['status']} and can no longer be paid")
    if out_of_band or ledger.behaviour(invoice["customer"]) == "ok":
        return settle(ledger, invoice, out_of_band=out_of_band)
    charge(ledger, invoice, declined=True)
    tried = {**invoice, "attempted": True}
    ledger.update(invoice, tried, "invoice.updated", "invoice.payment_failed")
    after_failed(ledger, tried, exhausted=False)
    declined = card_declined(invoice.get("_payment_intent"))
    declined.keeps_changes = True
    raise declined


def void(ledger: Ledger, invoice: Record) -> Record:
    if invoice["status"] not in ("open", "uncollectible"):
        raise StripeError(
            400, f"You can only void open or uncollectible invoices, not {invoice['status']} ones."
        )
    return _closed(ledger, invoice, "void", "voided_at", "invoice.voided")


def mark_uncollectible(ledger: Ledger, invoice: Record, reason: str = "user_forgiven") -> Record:
    if invoice["status"] != "open":
        raise StripeError(400, "You can only mark open invoices as uncollectible.")
    invoice = {**invoice, "status_details": {"uncollectible": {"reason": reason}}}
    name = "invoice.marked_uncollectible"
    return _closed(ledger, invoice, "uncollectible", "marked_uncollectible_at", name)


def _closed(ledger: Ledger, invoice: Record, status: str, moment: str, event: str) -> Record:
    ledger.store.drop_jobs(invoice["id"])
    after = {
        **invoice,
        "status": status,
        "next_payment_attempt": None,
        "auto_advance": False,
        "status_transitions": {**invoice["status_transitions"], moment: ledger.now()},
    }
    ledger.update(invoice, after, "invoice.updated", event)
    if status == "void":
        close_payments(ledger, after, "canceled")
    set_delinquent(ledger, invoice["customer"])
    return after


def _settle_balance(ledger: Ledger, invoice: Record) -> None:
    """What the customer has as credit pays first; an invoice below nothing becomes credit."""
    customer = ledger.get("customer", invoice["customer"])
    balance = customer.get("balance", 0)
    taken = min(-balance, invoice["total"]) if balance < 0 else min(invoice["total"], 0)
    if not taken or customer.get("deleted"):
        return
    invoice["starting_balance"], invoice["ending_balance"] = balance, balance + taken
    invoice["amount_due"] = invoice["amount_remaining"] = max(invoice["total"] - taken, 0)
    ledger.update(customer, {**customer, "balance": balance + taken}, "customer.updated")


def _number(ledger: Ledger, customer_id: str) -> str:
    """The customer's next invoice number; the sequence moves without an event."""
    customer = ledger.get("customer", customer_id)
    sequence = customer.get("next_invoice_sequence", 1)
    if not customer.get("deleted"):
        ledger.store.put("customer", {**customer, "next_invoice_sequence": sequence + 1})
    return f"{customer.get('invoice_prefix', 'DELETED')}-{sequence:04d}"
