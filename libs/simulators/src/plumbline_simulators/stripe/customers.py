"""Customers and how their payment method behaves."""

from plumbline_simulators.stripe import params as read
from plumbline_simulators.stripe.catalog import new_id, set_texts
from plumbline_simulators.stripe.discounts import delete_discount, give_to_customer
from plumbline_simulators.stripe.endings import end_subscription
from plumbline_simulators.stripe.errors import missing
from plumbline_simulators.stripe.ledger import Behaviour, Ledger
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.payment_methods import attached
from plumbline_simulators.stripe.store import Record

_TEXTS = ("name", "email", "description", "phone", "business_name", "individual_name")
_ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def create_customer(ledger: Ledger, params: Params) -> Record:
    customer_id = new_id(ledger, params, "cus")
    record: Record = {
        "object": "customer",
        "id": customer_id,
        "created": ledger.now(),
        "invoice_prefix": customer_id[-8:].upper(),
        "metadata": {},
    }
    record["_tax_ids"] = [
        {
            "id": f"txi_{customer_id[4:]}_{place}",
            "object": "tax_id",
            "created": ledger.now(),
            "customer": customer_id,
            "type": read.needed(given, "type"),
            "value": read.needed(given, "value"),
        }
        for place, given in enumerate(read.sequence(params, "tax_id_data"))
    ]
    ledger.create(_applied(record, params), "customer.created")
    _pays_with(ledger, customer_id, params)
    return _discounted(ledger, customer_id, params)


def update_customer(ledger: Ledger, customer_id: str, params: Params) -> Record:
    before = living_customer(ledger, customer_id)
    ledger.update(before, _applied(before, params), "customer.updated")
    _pays_with(ledger, customer_id, params)
    return _discounted(ledger, customer_id, params)


def delete_customer(ledger: Ledger, customer_id: str) -> Record:
    """Cancels its subscriptions; afterwards only a stub can be read."""
    record = living_customer(ledger, customer_id)
    for subscription in ledger.store.of_customer(customer_id, "subscription"):
        if subscription["status"] not in ("canceled", "incomplete_expired"):
            end_subscription(ledger, subscription, reason="cancellation_requested")
    ledger.emit("customer.deleted", record)
    stub = {"id": customer_id, "object": "customer", "deleted": True, "created": record["created"]}
    ledger.store.put("customer", stub)
    return stub


def living_customer(
    ledger: Ledger, customer_id: str, *, param: str = "id", status: int = 404
) -> Record:
    record = ledger.get("customer", customer_id, param=param, status=status)
    if record.get("deleted"):
        raise missing("customer", customer_id, param, status)
    return record


def set_behaviour(ledger: Ledger, customer_id: str, behaviour: Behaviour) -> None:
    """What the next payments of this customer do; no event, as a bank tells nobody."""
    record = living_customer(ledger, customer_id)
    ledger.store.put("customer", {**record, "_payment": behaviour})


def _pays_with(ledger: Ledger, customer_id: str, params: Params) -> None:
    """The payment method named in the call is the default from now on."""
    settings = read.mapping(params, "invoice_settings")
    name = (
        read.text(params, "payment_method")
        or read.text(settings, "default_payment_method")
        or read.text(params, "source")
    )
    if name is None:
        return
    method = attached(ledger, customer_id, name)
    before = ledger.get("customer", customer_id)
    settings = {
        "custom_fields": None,
        "default_payment_method": method["id"],
        "footer": None,
        "rendering_options": None,
    }
    after = {**before, "invoice_settings": settings, "_payment": "ok"}
    ledger.update(before, after, "customer.updated")


def _discounted(ledger: Ledger, customer_id: str, params: Params) -> Record:
    """With the `coupon` or `promotion_code` that older versions take; `coupon=` takes it away."""
    given = {name: params[name] for name in ("coupon", "promotion_code") if params.get(name)}
    if given:
        return give_to_customer(ledger, customer_id, given)
    if params.get("coupon") == "":
        delete_discount(ledger, customer_id)
    return ledger.get("customer", customer_id)


def _applied(before: Record, params: Params) -> Record:
    after = dict(before)
    set_texts(after, params, *_TEXTS)
    if "address" in params:
        given = read.mapping(params, "address")
        after["address"] = {name: read.text(given, name) for name in _ADDRESS} if given else None
    if "shipping" in params:
        given = read.mapping(params, "shipping")
        place = read.mapping(given, "address")
        after["shipping"] = {
            "address": {name: read.text(place, name) for name in _ADDRESS},
            "name": read.text(given, "name"),
            "phone": read.text(given, "phone"),
        }
    if (balance := read.integer(params, "balance")) is not None:
        after["balance"] = balance
    if "preferred_locales" in params:
        after["preferred_locales"] = read.sequence(params, "preferred_locales")
    if "tax_exempt" in params:
        after["tax_exempt"] = read.choice(params, "tax_exempt", ("none", "exempt", "reverse"))
    after["metadata"] = read.merged_metadata(before["metadata"], params)
    return after
