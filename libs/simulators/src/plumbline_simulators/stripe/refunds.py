"""Refunds of charges, and disputes about them."""

from typing import Any

from plumbline_simulators.stripe import params as read
from plumbline_simulators.stripe.errors import StripeError, invalid, required
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.store import Record

_REASONS = ("duplicate", "fraudulent", "requested_by_customer")
_CLOSED = ("won", "lost")


def create_refund(ledger: Ledger, params: Params) -> Record:
    charge = _charge_of(ledger, params)
    rest = charge["amount_captured"] - charge.get("amount_refunded", 0)
    amount = read.integer(params, "amount", at_least=1)
    reason = read.choice(params, "reason", _REASONS)
    if rest == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise StripeError(400, message, code="charge_already_refunded")
    if amount is not None and amount > rest:
        raise invalid("amount", f"Refund amount ({amount}) is greater than charge amount ({rest})")
    metadata = read.merged_metadata({}, params)
    return refund(ledger, charge, amount or rest, reason=reason, metadata=metadata)


def refund(
    ledger: Ledger,
    charge: Record,
    amount: int,
    *,
    reason: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Record:
    """Gives `amount` minor units of a charge back."""
    record: Record = {
        "object": "refund",
        "id": ledger.ids.next("re"),
        "created": ledger.now(),
        "amount": amount,
        "charge": charge["id"],
        "_parent": charge["id"],
        "currency": charge["currency"],
        "customer": charge["customer"],
        "metadata": metadata or {},
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": reason,
        "status": "succeeded",
    }
    ledger.create(record, "refund.created")
    refunded = charge.get("amount_refunded", 0) + amount
    whole = refunded == charge["amount_captured"]
    after = {**charge, "amount_refunded": refunded, "refunded": whole}
    ledger.update(charge, after, "charge.refunded")
    return record


def update_refund(ledger: Ledger, refund_id: str, params: Params) -> Record:
    before = ledger.get("refund", refund_id)
    after = {**before, "metadata": read.merged_metadata(before["metadata"], params)}
    return ledger.update(before, after, "refund.updated", "charge.refund.updated")


def create_dispute(ledger: Ledger, charge_id: str, data: dict[str, Any]) -> Record:
    """The cardholder objects: the money is taken back until it is decided."""
    charge = ledger.get("charge", charge_id)
    record: Record = {
        "object": "dispute",
        "id": ledger.ids.next("dp"),
        "created": ledger.now(),
        "amount": int(data.get("amount") or charge["amount"]),
        "charge": charge_id,
        "_parent": charge_id,
        "currency": charge["currency"],
        "is_charge_refundable": False,
        "payment_intent": charge["payment_intent"],
        "reason": data.get("reason", "fraudulent"),
        "status": "needs_response",
    }
    ledger.update(charge, {**charge, "disputed": True}, "charge.updated")
    ledger.create(record, "charge.dispute.created")
    ledger.emit("charge.dispute.funds_withdrawn", record)
    return record


def update_dispute(ledger: Ledger, dispute_id: str, params: Params) -> Record:
    before = _open_dispute(ledger, dispute_id)
    after = {**before, "metadata": read.merged_metadata(before.get("metadata", {}), params)}
    if "evidence" in params:
        after["evidence"] = read.mapping(params, "evidence")
    if read.boolean(params, "submit"):
        after["status"] = "under_review"
    return ledger.update(before, after, "charge.dispute.updated")


def close_dispute(ledger: Ledger, dispute_id: str, outcome: str = "lost") -> Record:
    """Accepted by the merchant, or decided by the bank: `won` brings the money back."""
    before = _open_dispute(ledger, dispute_id)
    if outcome not in _CLOSED:
        raise invalid("status", f"Invalid status: must be one of {', '.join(_CLOSED)}")
    after = ledger.update(before, {**before, "status": outcome}, "charge.dispute.closed")
    if outcome == "won":
        ledger.emit("charge.dispute.funds_reinstated", after)
    return after


def _open_dispute(ledger: Ledger, dispute_id: str) -> Record:
    dispute = ledger.get("dispute", dispute_id)
    if dispute["status"] in _CLOSED:
        raise StripeError(400, f"This dispute is already closed: {dispute['status']}.")
    return dispute


def _charge_of(ledger: Ledger, params: Params) -> Record:
    name, intent_id = read.text(params, "charge"), read.text(params, "payment_intent")
    if name is None and intent_id is None:
        raise required("charge")
    if name is None:
        intent = ledger.get("payment_intent", intent_id or "", param="payment_intent", status=400)
        name = intent.get("latest_charge")
    charge = ledger.get("charge", name or "", param="charge", status=400)
    if charge["status"] != "succeeded":
        raise StripeError(400, f"Charge {charge['id']} has not succeeded.")
    return charge
