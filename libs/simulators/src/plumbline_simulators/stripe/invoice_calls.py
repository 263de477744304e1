"""Calls about invoices: their lines, drafts made and changed by hand, payment."""

from plumbline_simulators.stripe import invoices, lists
from plumbline_simulators.stripe import params as read
from plumbline_simulators.stripe.calls import Call
from plumbline_simulators.stripe.errors import StripeError, required
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.store import Record


def invoice_lines(call: Call) -> Record:
    invoice = call.ledger.get("invoice", call.object_id)
    rows = [call.ledger.renderer.line(line, invoice["id"]) for line in invoice["lines"]]
    return lists.list_rows(rows, call.params, call.url)


def create_invoice(ledger: Ledger, params: Params) -> Record:
    """A draft of what is pending on a subscription."""
    name = read.text(params, "subscription")
    if name is None:
        raise required("subscription")
    subscription = ledger.get("subscription", name, param="subscription", status=400)
    pending = subscription.get("_pending_lines", [])
    if not pending:
        message = f"Nothing to invoice for subscription {name}"
        raise StripeError(400, message, code="invoice_no_subscription_line_items")
    ledger.store.put("subscription", {**subscription, "_pending_lines": []})
    advance = read.boolean(params, "auto_advance") is not False
    return invoices.draft_for(ledger, subscription, pending, reason="manual", advance=advance)


def update_invoice(ledger: Ledger, name: str, params: Params) -> Record:
    before = ledger.get("invoice", name)
    after = {**before, "metadata": read.merged_metadata(before.get("metadata", {}), params)}
    if "description" in params:
        after["description"] = read.text(params, "description")
    advance = read.boolean(params, "auto_advance")
    if advance is not None:
        after["auto_advance"] = advance
        if advance and before["status"] == "draft":
            due = ledger.now() + ledger.billing.finalize_after_seconds
            ledger.store.plan_job(name, "finalize", due)
    return ledger.update(before, after, "invoice.updated")


def delete_invoice(ledger: Ledger, name: str) -> Record:
    invoice = ledger.get("invoice", name)
    if invoice["status"] != "draft":
        raise StripeError(400, "You can only delete draft invoices.")
    return ledger.delete(invoice, "invoice.deleted")


def pay_invoice(ledger: Ledger, name: str, params: Params) -> Record:
    out_of_band = read.boolean(params, "paid_out_of_band") or False
    return invoices.pay(ledger, ledger.get("invoice", name), out_of_band=out_of_band)
