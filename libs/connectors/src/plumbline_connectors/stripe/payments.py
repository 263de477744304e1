"""What was paid, given back and paid with: charges, credit notes, payment methods."""

from typing import Final

from plumbline_schemas.billing import Charge, CreditNote, PaymentMethod
from plumbline_schemas.built import built

from plumbline_connectors.stripe.reading import Fields, lower

_new_charge: Final = built(Charge)
_new_credit_note: Final = built(CreditNote)
_new_payment_method: Final = built(PaymentMethod)

_CARDS = frozenset({"card", "bank_account"})
"""Objects of these names are payment methods of the oldest kind, with the card's own fields."""


def charge_body(obj: Fields) -> Charge:
    """A charge with all that was refunded of it; `invoice` is gone since basil, but for reads."""
    return _new_charge(
        status=obj.text("status"),
        created=obj.time("created"),
        currency=lower(obj.text("currency")),
        amount=obj.amount("amount"),
        amount_captured=_captured(obj),
        amount_refunded=obj.amount("amount_refunded"),
        invoice=obj.ref("invoice"),
        invoiced=obj.ref("invoice") is not None if "invoice" in obj.raw else None,
        payment_intent=obj.ref("payment_intent"),
    )


def credit_note_body(obj: Fields) -> CreditNote:
    """A credit note with the refunds that paid it out: `refund` before, `refunds` since."""
    refunds = _refunds(obj)
    return _new_credit_note(
        status=obj.text("status"),
        created=obj.time("created"),
        invoice=obj.ref("invoice"),
        currency=lower(obj.text("currency")),
        amount=obj.amount("amount"),
        pre_payment_amount=obj.integer("pre_payment_amount"),
        post_payment_amount=obj.integer("post_payment_amount"),
        refunds=tuple(refunds),
        refunded_amount=_refunded(obj, refunds),
    )


def payment_method_body(obj: Fields) -> PaymentMethod:
    """A payment method, or a card or source of the time before there were any."""
    kind = obj.text("object")
    card = obj if kind in _CARDS else obj.beneath("card")
    return _new_payment_method(
        type=obj.text("type") or (kind if kind in _CARDS else None),
        created=obj.time("created"),
        exp_month=card.integer("exp_month"),
        exp_year=card.integer("exp_year"),
    )


def _captured(charge: Fields) -> int:
    """Before there was `amount_captured` a captured charge was captured whole."""
    said = charge.integer("amount_captured")
    if said is not None:
        return said
    return charge.amount("amount") if charge.flag("captured") else 0


def _refunds(note: Fields) -> dict[str, int | None]:
    """Minor units of each refund by its id; None where they are not told."""
    found: dict[str, int | None] = {}
    for entry in note.entries("refunds"):
        if isinstance(entry, str):
            found.setdefault(entry, None)
            continue
        refund = entry.ref("refund") or entry.text("id")
        if refund is not None:
            amount = entry.integer("amount_refunded")
            found[refund] = entry.integer("amount") if amount is None else amount
    single = note.ref("refund")
    if single is not None and found.get(single) is None:
        whole = note.child("refund")
        found[single] = None if whole is None else whole.integer("amount")
    return found


def _refunded(note: Fields, refunds: dict[str, int | None]) -> int | None:
    if not refunds:
        told = "refunds" in note.raw or "refund" in note.raw
        return 0 if told else None
    total = 0
    for amount in refunds.values():
        if amount is None:
            return None
        total += amount
    return total
