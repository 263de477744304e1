"""How an invoice is paid: its payment intent, its payment, and the charge of every attempt."""

from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.store import Record

_DECLINED = {
    "failure_code": "card_declined",
    "failure_message": "Your card was declined.",
    "outcome": {
        "network_status": "declined_by_network",
        "reason": "generic_decline",
        "type": "issuer_declined",
    },
}
_APPROVED = {
    "outcome": {"network_status": "approved_by_network", "reason": None, "type": "authorized"}
}


def open_payment(ledger: Ledger, invoice: Record) -> str:
    """A finalised invoice's payment intent, whose id is answered, and its open payment."""
    now = ledger.now()
    intent: Record = {
        "object": "payment_intent",
        "id": ledger.ids.next("pi"),
        "created": now,
        "amount": invoice["amount_due"],
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "livemode": ledger.livemode,
        "status": "requires_payment_method",
        "_invoice": invoice["id"],
    }
    ledger.create(intent)
    ledger.create(
        {
            "object": "invoice_payment",
            "id": ledger.ids.next("inpay"),
            "created": now,
            "invoice": invoice["id"],
            "_parent": invoice["id"],
            "amount_requested": invoice["amount_due"],
            "currency": invoice["currency"],
            "status": "open",
            "payment": {"type": "payment_intent", "payment_intent": intent["id"]},
        }
    )
    name: str = intent["id"]
    return name


def close_payments(ledger: Ledger, invoice: Record, status: str) -> None:
    """The open payments are paid, or canceled with their intents."""
    now = ledger.now()
    for payment in ledger.store.of_parent(invoice["id"], "invoice_payment"):
        if payment["status"] != "open":
            continue
        paid = status == "paid"
        after = {
            **payment,
            "status": status,
            "amount_paid": payment["amount_requested"] if paid else None,
            "status_transitions": {
                "canceled_at": None if paid else now,
                "paid_at": now if paid else None,
            },
        }
        ledger.update(payment, after, *(["invoice_payment.paid"] if paid else []))
        intent = ledger.store.get(payment["payment"]["payment_intent"], "payment_intent")
        if intent is not None:
            amount = intent["amount"] if paid else 0
            done = {"status": "succeeded" if paid else "canceled", "amount_received": amount}
            ledger.update(intent, {**intent, **done, "latest_charge": invoice.get("_charge")})


def charge(ledger: Ledger, invoice: Record, *, declined: bool = False) -> str:
    """One attempt to collect what is due; answers the charge's id."""
    amount = invoice["amount_remaining"]
    method = ledger.payment_method(invoice["customer"])
    record: Record = {
        "object": "charge",
        "id": ledger.ids.next("ch"),
        "created": ledger.now(),
        "amount": amount,
        "amount_captured": 0 if declined else amount,
        "captured": not declined,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "paid": not declined,
        "payment_intent": invoice.get("_payment_intent"),
        "payment_method": None if method is None else method["id"],
        "payment_method_details": {"type": "card" if method is None else method["type"]},
        "status": "failed" if declined else "succeeded",
        "_invoice": invoice["id"],
        **(_DECLINED if declined else _APPROVED),
    }
    ledger.create(record, "charge.failed" if declined else "charge.succeeded")
    name: str = record["id"]
    return name
