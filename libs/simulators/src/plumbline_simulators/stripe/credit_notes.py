"""Credit notes: an open invoice owes less, of a paid one something is given back."""

from decimal import Decimal

from plumbline_simulators.stripe import lists
from plumbline_simulators.stripe import params as read
from plumbline_simulators.stripe.calls import Call
from plumbline_simulators.stripe.errors import StripeError, invalid, missing, required
from plumbline_simulators.stripe.invoices import settle
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.pricing import whole
from plumbline_simulators.stripe.refunds import refund
from plumbline_simulators.stripe.store import Record

_REASONS = ("duplicate", "fraudulent", "order_change", "product_unsatisfactory")


def create_credit_note(ledger: Ledger, params: Params) -> Record:
    name = read.needed(params, "invoice")
    invoice = ledger.get("invoice", name, param="invoice", status=400)
    if invoice["status"] not in ("open", "paid"):
        raise StripeError(400, f"You can't credit a {invoice['status']} invoice.")
    lines = [_line(ledger, invoice, entry) for entry in read.sequence(params, "lines")]
    amount = read.integer(params, "amount", at_least=1) or sum(line["amount"] for line in lines)
    if not amount:
        raise required("amount")
    before_payment = min(amount, invoice["amount_remaining"]) if _is_open(invoice) else 0
    after_payment = amount - before_payment
    if after_payment > _creditable(invoice):
        raise invalid("amount", "The sum of credit amount exceeds what was paid on the invoice.")
    notes = ledger.store.of_parent(name, "credit_note")
    record: Record = {
        "object": "credit_note",
        "id": ledger.ids.next("cn"),
        "created": ledger.now(),
        "amount": amount,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "effective_at": ledger.now(),
        "invoice": name,
        "_parent": name,
        "lines": lines or [_custom_line(ledger, amount)],
        "memo": read.text(params, "memo"),
        "metadata": read.merged_metadata({}, params),
        "number": f"{invoice['number']}-CN-{len(notes) + 1:02d}",
        "out_of_band_amount": read.integer(params, "out_of_band_amount", at_least=0),
        "pdf": f"https://pay.stripe.example/credit_notes/{name}",
        "post_payment_amount": after_payment,
        "pre_payment_amount": before_payment,
        "reason": read.choice(params, "reason", _REASONS),
        "status": "issued",
        "subtotal": amount,
        "total": amount,
        "total_excluding_tax": _without_tax(invoice, amount),
        "type": "mixed"
        if before_payment and after_payment
        else "pre_payment"
        if before_payment
        else "post_payment",
        "refunds": _given_back(ledger, invoice, params, after_payment),
    }
    ledger.create(record, "credit_note.created")
    _credited(ledger, invoice, before_payment, after_payment)
    return record


def update_credit_note(ledger: Ledger, note_id: str, params: Params) -> Record:
    before = ledger.get("credit_note", note_id)
    after = {**before, "metadata": read.merged_metadata(before["metadata"], params)}
    if "memo" in params:
        after["memo"] = read.text(params, "memo")
    return ledger.update(before, after, "credit_note.updated")


def void_credit_note(ledger: Ledger, note_id: str, params: Params) -> Record:  # noqa: ARG001
    """Only while its invoice is open; the invoice owes the amount again."""
    before = ledger.get("credit_note", note_id)
    invoice = ledger.get("invoice", before["invoice"])
    if before["status"] == "void" or not _is_open(invoice):
        raise StripeError(400, "You can only void issued credit notes of open invoices.")
    after = {**before, "status": "void", "voided_at": ledger.now()}
    ledger.update(before, after, "credit_note.voided")
    _credited(ledger, invoice, -before["pre_payment_amount"], 0)
    return after


def credit_note_lines(call: Call) -> Record:
    note = call.ledger.get("credit_note", call.object_id)
    rows = [call.ledger.renderer.credit_line(line) for line in note["lines"]]
    return lists.list_rows(rows, call.params, call.url)


def _credited(ledger: Ledger, invoice: Record, before_payment: int, after_payment: int) -> None:
    credited = {
        name: invoice.get(f"{name}_credit_notes_amount", 0) + amount
        for name, amount in (("pre_payment", before_payment), ("post_payment", after_payment))
    }
    after = {
        **invoice,
        "amount_due": invoice["amount_due"] - before_payment,
        "amount_remaining": invoice["amount_remaining"] - before_payment,
        **{f"{name}_credit_notes_amount": amount for name, amount in credited.items()},
    }
    ledger.update(invoice, after, "invoice.updated")
    if _is_open(invoice) and after["amount_remaining"] == 0:
        settle(ledger, after)


def _given_back(
    ledger: Ledger, invoice: Record, params: Params, after_payment: int
) -> list[Record]:
    """Refunded to the card, kept as the customer's credit, or paid outside Stripe."""
    parts = {
        name: read.integer(params, name, at_least=0) or 0
        for name in ("refund_amount", "credit_amount", "out_of_band_amount")
    }
    if sum(parts.values()) != after_payment:
        message = (
            "The sum of credit_amount, refund_amount and out_of_band_amount must equal the "
            f"credit note amount after payment ({after_payment})."
        )
        raise invalid("refund_amount", message)
    if parts["credit_amount"]:
        customer = ledger.get("customer", invoice["customer"])
        balance = customer.get("balance", 0) - parts["credit_amount"]
        ledger.update(customer, {**customer, "balance": balance}, "customer.updated")
    if not parts["refund_amount"]:
        return []
    charge = ledger.get("charge", invoice.get("_charge") or "", param="invoice", status=400)
    made = refund(ledger, charge, parts["refund_amount"])
    return [{"amount_refunded": made["amount"], "refund": made["id"], "type": "refund"}]


def _line(ledger: Ledger, invoice: Record, entry: Params) -> Record:
    if read.text(entry, "type") == "custom_line_item":
        quantity = read.integer(entry, "quantity", at_least=1) or 1
        amount = (read.integer(entry, "unit_amount") or 0) * quantity
        return {**_custom_line(ledger, amount), "description": read.text(entry, "description")}
    name = read.needed(entry, "invoice_line_item")
    for line in invoice["lines"]:
        if line["id"] == name:
            amount = read.integer(entry, "amount", at_least=1) or line["amount"]
            own = {"type": "invoice_line_item", "invoice_line_item": name}
            return {**_custom_line(ledger, amount), **own, "description": line["description"]}
    raise missing("invoice_line_item", name, "lines", 400)


def _custom_line(ledger: Ledger, amount: int) -> Record:
    return {
        "id": ledger.ids.next("cnli"),
        "amount": amount,
        "quantity": 1,
        "type": "custom_line_item",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }


def _creditable(invoice: Record) -> int:
    credited: int = invoice.get("post_payment_credit_notes_amount", 0)
    return int(invoice.get("amount_paid", 0)) - credited


def _without_tax(invoice: Record, amount: int) -> int:
    if not invoice["total"]:
        return amount
    return whole(Decimal(amount) * invoice["total_excluding_tax"] / invoice["total"])


def _is_open(invoice: Record) -> bool:
    return bool(invoice["status"] == "open")
