"""Payment methods: attached to a customer, used until they expire, replaced, detached."""

from datetime import UTC, datetime
from typing import Any

from plumbline_simulators.stripe import lists
from plumbline_simulators.stripe import params as read
from plumbline_simulators.stripe.calls import Call
from plumbline_simulators.stripe.errors import StripeError, invalid, required
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.store import Record

_TEST_METHODS = ("pm_card_", "tok_")
_YEARS = 3
_CARD = {
    "brand": "visa",
    "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
    "country": "US",
    "display_brand": "visa",
    "fingerprint": "PlumblineSimulator",
    "funding": "credit",
    "generated_from": None,
    "last4": "4242",
    "networks": {"available": ["visa"], "preferred": None},
    "regulated_status": "unregulated",
    "three_d_secure_usage": {"supported": True},
    "wallet": None,
}


def create_payment_method(ledger: Ledger, params: Params) -> Record:
    kind = read.text(params, "type")
    if kind is None:
        raise required("type")
    record: Record = {
        "object": "payment_method",
        "id": ledger.ids.next("pm"),
        "created": ledger.now(),
        "customer": None,
        "type": kind,
        "metadata": read.merged_metadata({}, params),
    }
    details = read.mapping(params, kind)
    record[kind] = _card(ledger, details) if kind == "card" else dict(details)
    return ledger.create(record)


def update_payment_method(ledger: Ledger, method_id: str, params: Params) -> Record:
    """A card's new expiry, told by the customer."""
    before = ledger.get("payment_method", method_id)
    if before["customer"] is None:
        raise StripeError(400, "You must save this PaymentMethod to a customer before updating it.")
    after = {**before, "metadata": read.merged_metadata(before["metadata"], params)}
    if "card" in params:
        after["card"] = {**before["card"], **_expiry(read.mapping(params, "card"))}
    return ledger.update(before, after, "payment_method.updated")


def attach(ledger: Ledger, method_id: str, params: Params) -> Record:
    """To a customer; a test name such as `pm_card_visa` stands for a new card."""
    customer = read.needed(params, "customer")
    ledger.get("customer", customer, param="customer", status=400)
    return attached(ledger, customer, method_id)


def attached(ledger: Ledger, customer_id: str, name: str) -> Record:
    """The payment method of this name, the customer's from now on."""
    if name.startswith(_TEST_METHODS) and ledger.store.get(name) is None:
        before = create_payment_method(ledger, {"type": "card"})
        before["_declines"] = _is_declined(name)
    else:
        before = ledger.get("payment_method", name, param="payment_method", status=400)
    if before["customer"] not in (None, customer_id):
        raise StripeError(400, "The payment method is already attached to another customer.")
    if before["customer"] == customer_id:
        return before
    after = {**before, "customer": customer_id}
    return ledger.update(before, after, "payment_method.attached")


def detach(ledger: Ledger, method_id: str, params: Params) -> Record:  # noqa: ARG001
    """It can't be used or attached again; no one has it as a default any more."""
    before = ledger.get("payment_method", method_id)
    if before["customer"] is None:
        raise StripeError(400, "The payment method is not attached to a customer.")
    customer = ledger.get("customer", before["customer"])
    settings = customer.get("invoice_settings") or {}
    if settings.get("default_payment_method") == method_id:
        settings = {**settings, "default_payment_method": None}
        after = {**customer, "invoice_settings": settings, "_payment": "missing"}
        ledger.update(customer, after, "customer.updated")
    for subscription in ledger.store.of_customer(before["customer"], "subscription"):
        if subscription.get("default_payment_method") == method_id:
            after = {**subscription, "default_payment_method": None}
            ledger.update(subscription, after, "customer.subscription.updated")
    gone = {**before, "customer": None}
    return ledger.update(before, gone, "payment_method.detached")


def renew_card(ledger: Ledger, method_id: str, data: dict[str, Any]) -> Record:
    """The bank sends a new card of the same account: Stripe learns its expiry by itself."""
    before = ledger.get("payment_method", method_id)
    card: Params = {name: str(data[name]) for name in ("exp_month", "exp_year") if name in data}
    after = {**before, "card": {**before["card"], **_expiry(card)}}
    return ledger.update(before, after, "payment_method.automatically_updated")


def methods_of_customer(call: Call) -> Record:
    call.ledger.get("customer", call.object_id)
    params = {**call.params, "customer": call.object_id}
    return lists.list_objects(call.ledger, "payment_method", params, call.url, call.version)


def _card(ledger: Ledger, given: Params) -> Record:
    year = datetime.fromtimestamp(ledger.now(), UTC).year
    number = read.text(given, "number") or "4242424242424242"
    expiry = _expiry({"exp_month": "12", "exp_year": str(year + _YEARS), **given})
    return {**_CARD, "last4": number[-4:], **expiry}


def _expiry(given: Params) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in ("exp_month", "exp_year"):
        value = read.integer(given, name, at_least=1)
        if value is not None:
            found[name] = value
    if found.get("exp_month", 1) > 12:
        raise invalid("exp_month", "Your card's expiration month is invalid.")
    return found


def _is_declined(name: str) -> bool:
    return any(word in name.lower() for word in ("fail", "decline"))
