"""Which call is which: method and path to the function that answers it."""

import importlib.resources

import orjson

from plumbline_simulators.stripe import (
    catalog,
    coupons,
    credit_notes,
    customers,
    discounts,
    invoice_calls,
    invoices,
    lists,
    pausing,
    payment_methods,
    refunds,
    schedules,
    subscription_changes,
    subscriptions,
    taxes,
    webhook_endpoints,
)
from plumbline_simulators.stripe import params as read
from plumbline_simulators.stripe.calls import Call, Handler, changed, deleted, listed, shown
from plumbline_simulators.stripe.calls import read as read_one
from plumbline_simulators.stripe.errors import missing, unknown_parameter, unknown_path
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.store import Record
from plumbline_simulators.stripe.versions import BASIL, CLOVER

PARAMETERS: dict[str, list[str]] = orjson.loads(
    importlib.resources.files(__package__).joinpath("parameters.json").read_bytes()
)
_ONE_DISCOUNT = {"coupon": "discounts", "promotion_code": "discounts"}
_OLDER_PARAMETERS = {
    "POST /v1/subscriptions": _ONE_DISCOUNT,
    "POST /v1/subscriptions/{id}": _ONE_DISCOUNT,
    "POST /v1/customers": {"coupon": "coupon", "promotion_code": "promotion_code"},
    "POST /v1/customers/{id}": {"coupon": "coupon", "promotion_code": "promotion_code"},
}
"""Up to acacia, with what each is called now."""


def find(method: str, path: str) -> tuple[str, str, str]:
    """Route key, resource and object id; raises Stripe's 404 for an unknown path."""
    segments = path.strip("/").split("/")
    if not 2 <= len(segments) <= 4 or segments[0] != "v1":
        raise unknown_path(method, path)
    object_id = segments[2] if len(segments) > 2 else ""
    template = ["", *segments[:2], *(["{id}"] if object_id else []), *segments[3:]]
    key = f"{method} {'/'.join(template)}"
    if key not in ROUTES:
        raise unknown_path(method, path)
    return key, segments[1], object_id


def check_parameters(key: str, params: Params, version: str) -> Params:
    """The parameters as the newest version has them; raises Stripe's 400 for an unknown one."""
    allowed = PARAMETERS[key]
    older = _OLDER_PARAMETERS.get(key, {}) if version < BASIL else {}
    if key == "POST /v1/promotion_codes" and version < CLOVER:
        older = {"coupon": "coupon"}
    for name in params:
        if name not in allowed and name not in older:
            raise unknown_parameter(name)
    asked = [{name: params[name]} for name, now in older.items() if now != name and name in params]
    return {**params, "discounts": asked} if asked else params


def _account(call: Call) -> Record:
    return call.ledger.renderer.render({"object": "account", "id": call.account_id}, call.version)


def _event(call: Call) -> Record:
    event = call.ledger.events.read(call.object_id, call.ledger.now())
    if event is None:
        raise missing("event", call.object_id)
    return event


def _events(call: Call) -> Record:
    return lists.list_events(call.ledger, call.params, call.url)


def _items(call: Call) -> Record:
    name = read.needed(call.params, "subscription")
    record = call.ledger.get("subscription", name, param="subscription", status=400)
    rows = [call.ledger.renderer.item(item, name, call.version) for item in record["items"]]
    return lists.list_rows(rows, call.params, call.url)


def _item(call: Call) -> Record:
    found = call.ledger.store.subscription_of_item(call.object_id)
    for item in found["items"] if found else []:
        if found and item["id"] == call.object_id:
            return call.ledger.renderer.item(item, found["id"], call.version)
    raise missing("subscription_item", call.object_id)


def _no_discount(call: Call) -> Record:
    return discounts.delete_discount(call.ledger, call.object_id)


_KINDS = {
    "charges": "charge",
    "coupons": "coupon",
    "credit_notes": "credit_note",
    "customers": "customer",
    "disputes": "dispute",
    "invoice_payments": "invoice_payment",
    "invoices": "invoice",
    "payment_intents": "payment_intent",
    "payment_methods": "payment_method",
    "prices": "price",
    "products": "product",
    "promotion_codes": "promotion_code",
    "refunds": "refund",
    "subscription_schedules": "subscription_schedule",
    "subscriptions": "subscription",
    "tax_rates": "tax_rate",
    "webhook_endpoints": "webhook_endpoint",
}

ROUTES: dict[str, Handler] = {
    **{f"GET /v1/{name}": listed(kind) for name, kind in _KINDS.items()},
    **{f"GET /v1/{name}/{{id}}": read_one(kind) for name, kind in _KINDS.items()},
    "GET /v1/account": _account,
    "GET /v1/events": _events,
    "GET /v1/events/{id}": _event,
    "GET /v1/subscription_items": _items,
    "GET /v1/subscription_items/{id}": _item,
    "GET /v1/invoices/{id}/lines": invoice_calls.invoice_lines,
    "POST /v1/customers": shown(customers.create_customer),
    "POST /v1/customers/{id}": changed(customers.update_customer),
    "DELETE /v1/customers/{id}": deleted("customer", customers.delete_customer),
    "POST /v1/products": shown(catalog.create_product),
    "POST /v1/products/{id}": changed(catalog.update_product),
    "DELETE /v1/products/{id}": deleted("product", catalog.delete_product),
    "POST /v1/prices": shown(catalog.create_price),
    "POST /v1/prices/{id}": changed(catalog.update_price),
    "POST /v1/coupons": shown(coupons.create_coupon),
    "POST /v1/coupons/{id}": changed(coupons.update_coupon),
    "DELETE /v1/coupons/{id}": deleted("coupon", coupons.delete_coupon),
    "POST /v1/promotion_codes": shown(coupons.create_promotion_code),
    "POST /v1/promotion_codes/{id}": changed(coupons.update_promotion_code),
    "POST /v1/tax_rates": shown(taxes.create_tax_rate),
    "POST /v1/tax_rates/{id}": changed(taxes.update_tax_rate),
    "DELETE /v1/customers/{id}/discount": _no_discount,
    "DELETE /v1/subscriptions/{id}/discount": _no_discount,
    "POST /v1/refunds": shown(refunds.create_refund),
    "POST /v1/refunds/{id}": changed(refunds.update_refund),
    "POST /v1/disputes/{id}": changed(refunds.update_dispute),
    "POST /v1/disputes/{id}/close": changed(
        lambda ledger, name, _: refunds.close_dispute(ledger, name)
    ),
    "POST /v1/credit_notes": shown(credit_notes.create_credit_note),
    "POST /v1/credit_notes/{id}": changed(credit_notes.update_credit_note),
    "POST /v1/credit_notes/{id}/void": changed(credit_notes.void_credit_note),
    "GET /v1/credit_notes/{id}/lines": credit_notes.credit_note_lines,
    "POST /v1/payment_methods": shown(payment_methods.create_payment_method),
    "POST /v1/payment_methods/{id}": changed(payment_methods.update_payment_method),
    "POST /v1/payment_methods/{id}/attach": changed(payment_methods.attach),
    "POST /v1/payment_methods/{id}/detach": changed(payment_methods.detach),
    "GET /v1/customers/{id}/payment_methods": payment_methods.methods_of_customer,
    "POST /v1/subscriptions": shown(subscriptions.create_subscription),
    "POST /v1/subscriptions/{id}": changed(subscription_changes.update_subscription),
    "DELETE /v1/subscriptions/{id}": changed(subscription_changes.cancel_subscription),
    "POST /v1/subscriptions/{id}/pause": changed(pausing.pause_subscription),
    "POST /v1/subscriptions/{id}/resume": changed(pausing.resume_subscription),
    "POST /v1/subscription_schedules": shown(schedules.create_schedule),
    "POST /v1/subscription_schedules/{id}": changed(schedules.update_schedule),
    "POST /v1/subscription_schedules/{id}/release": changed(schedules.release_schedule),
    "POST /v1/subscription_schedules/{id}/cancel": changed(schedules.cancel_schedule),
    "POST /v1/invoices": shown(invoice_calls.create_invoice),
    "POST /v1/invoices/{id}": changed(invoice_calls.update_invoice),
    "DELETE /v1/invoices/{id}": deleted("invoice", invoice_calls.delete_invoice),
    "POST /v1/invoices/{id}/finalize": changed(
        lambda ledger, name, _: invoices.finalize(ledger, ledger.get("invoice", name))
    ),
    "POST /v1/invoices/{id}/pay": changed(invoice_calls.pay_invoice),
    "POST /v1/invoices/{id}/void": changed(
        lambda ledger, name, _: invoices.void(ledger, ledger.get("invoice", name))
    ),
    "POST /v1/invoices/{id}/mark_uncollectible": changed(
        lambda ledger, name, _: invoices.mark_uncollectible(ledger, ledger.get("invoice", name))
    ),
    "POST /v1/webhook_endpoints": shown(webhook_endpoints.create_endpoint),
    "POST /v1/webhook_endpoints/{id}": changed(webhook_endpoints.update_endpoint),
    "DELETE /v1/webhook_endpoints/{id}": deleted(
        "webhook_endpoint", webhook_endpoints.delete_endpoint
    ),
}
